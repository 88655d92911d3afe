"""The RAM disk of examples/ramdisk: every data callback, from all of nbdkit's threads at once."""

import random
import subprocess

import nbd
import pytest

import languages
import nbdkit
from conftest import failure

PLUGIN = languages.rust_plugin("ramdisk")
PANICKING = languages.rust_plugin("panicking")
PAGE = 32 * 1024
SIZE = 4 * 1024 * 1024
HOLE_AND_ZERO = nbd.STATE_HOLE | nbd.STATE_ZERO


@pytest.fixture
def ramdisk(start):
    return lambda *arguments, **options: start(PLUGIN, *arguments, f"size={SIZE}", **options)


def extents(client, count, offset, flags=0):
    found = []

    def add(context, start, entries, error):
        pairs = zip(entries[::2], entries[1::2], strict=True)
        found.extend((length, kind) for length, kind in pairs)
        return 0

    client.block_status(count, offset, add, flags)
    return found


def test_what_is_offered(ramdisk):
    client = ramdisk().connect()
    assert client.get_size() == SIZE
    assert not client.is_read_only()
    for name in ("flush", "trim", "zero", "fast_zero", "fua", "cache", "multi_conn"):
        assert getattr(client, f"can_{name}")(), name
    assert client.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    assert not client.is_rotational()


def test_read_only(ramdisk):
    client = ramdisk("-r").connect()
    assert client.is_read_only()
    assert client.pread(PAGE, 0) == bytes(PAGE)


def test_read_and_write_across_pages(ramdisk):
    client = ramdisk().connect()
    assert client.pread(SIZE, 0) == bytes(SIZE)
    data = random.Random(1).randbytes(3 * PAGE + 17)
    client.pwrite(data, PAGE - 5)
    assert client.pread(len(data) + 10, PAGE - 10) == bytes(5) + data + bytes(5)
    client.pwrite(b"end", SIZE - 3)
    assert client.pread(4, SIZE - 4) == b"\0end"


def test_extents_are_the_pages_that_are_there(ramdisk):
    client = ramdisk().connect()
    assert extents(client, SIZE, 0) == [(SIZE, HOLE_AND_ZERO)]
    client.pwrite(b"x", PAGE + 1)
    client.pwrite(bytes(2 * PAGE), 4 * PAGE)
    everything = [
        (PAGE, HOLE_AND_ZERO),
        (PAGE, 0),
        (2 * PAGE, HOLE_AND_ZERO),
        (2 * PAGE, 0),
        (SIZE - 6 * PAGE, HOLE_AND_ZERO),
    ]
    assert extents(client, SIZE, 0) == everything
    assert extents(client, SIZE, 0, nbd.CMD_FLAG_REQ_ONE) == everything[:1]
    # In the middle of a page.
    assert extents(client, PAGE, PAGE + 100)[0] == (PAGE - 100, 0)
    assert extents(client, SIZE - 5 * PAGE, 5 * PAGE) == [
        (PAGE, 0),
        (SIZE - 6 * PAGE, HOLE_AND_ZERO),
    ]


@pytest.mark.parametrize("request_", ["zero", "trim", "fast_zero"])
def test_zero_and_trim_make_holes(ramdisk, request_):
    client = ramdisk().connect()
    client.pwrite(b"x" * (4 * PAGE), 0)
    requests = {
        "zero": lambda: client.zero(2 * PAGE, PAGE // 2),
        "trim": lambda: client.trim(2 * PAGE, PAGE // 2),
        "fast_zero": lambda: client.zero(2 * PAGE, PAGE // 2, nbd.CMD_FLAG_FAST_ZERO),
    }
    requests[request_]()
    half = b"x" * (PAGE // 2)
    assert client.pread(3 * PAGE, 0) == half + bytes(2 * PAGE) + half
    assert extents(client, 4 * PAGE, 0) == [(PAGE, 0), (PAGE, HOLE_AND_ZERO), (2 * PAGE, 0)]


def test_fua_is_accepted_by_every_request_that_changes_something(ramdisk):
    server = ramdisk()
    client = server.connect()
    client.pwrite(b"x" * PAGE, 0, nbd.CMD_FLAG_FUA)
    client.zero(PAGE, PAGE, nbd.CMD_FLAG_FUA | nbd.CMD_FLAG_NO_HOLE)
    client.trim(PAGE, 2 * PAGE, nbd.CMD_FLAG_FUA)
    client.flush()
    client.cache(SIZE, 0)
    assert client.pread(PAGE, 0) == b"x" * PAGE
    assert server.stop() == (0, b"")


def test_many_connections_see_one_disk(ramdisk):
    server = ramdisk()
    clients = [server.connect() for _ in range(8)]
    for number, client in enumerate(clients):
        client.pwrite(bytes([number + 1]) * PAGE, number * PAGE)
    for client in clients:
        for number in range(8):
            assert client.pread(PAGE, number * PAGE) == bytes([number + 1]) * PAGE


def test_the_handle_counts_the_requests_of_its_connection(ramdisk):
    # The debug line of `close` shows that each connection has its own handle.
    server = ramdisk(verbose=True)
    for requests in (3, 7):
        client = server.connect()
        for _ in range(requests):
            client.pread(512, 0)
        client.shutdown()
        server.wait_idle()
    code, log = server.stop()
    assert code == 0
    assert b"a client is gone after 3 requests" in log
    assert b"a client is gone after 7 requests" in log


@pytest.mark.parametrize("flag, count", [([], 0), (["-D", "ramdisk.pages=1"], 1)])
def test_a_debug_flag(ramdisk, flag, count):
    server = ramdisk(*flag, verbose=True)
    client = server.connect()
    client.pwrite(bytes(2 * PAGE), 0)
    client.shutdown()
    server.wait_idle()
    code, log = server.stop()
    assert code == 0
    assert log.count(b"debug: ramdisk: there are 2 pages\n") == count
    assert b"warning" not in log


def test_nbdkit_tells_of_a_debug_flag_that_there_is_not(tmp_path):
    result = nbdkit.run("-D", "ramdisk.sides=1", "--dump-plugin", PLUGIN, cwd=tmp_path)
    assert b"does not contain a global variable called ramdisk_debug_sides\n" in result.stderr


def test_sixteen_requests_in_flight_against_a_model(ramdisk, numbers):
    """Random requests of two connections, with at most one in flight per slot of the disk."""
    slot_size = 40_000  # Not a multiple of the page: neighbours share one.
    slots = SIZE // slot_size
    model = [bytes(slot_size) for _ in range(slots)]
    server = ramdisk()
    clients = [server.connect(), server.connect()]
    free = set(range(slots))
    in_flight = []

    def begin(client, slot):
        offset = slot * slot_size
        kind = numbers.choice(("read", "write", "zero", "trim"))
        if kind == "read":
            buffer = nbd.Buffer(slot_size)
            cookie = client.aio_pread(buffer, offset)
            in_flight.append((client, cookie, slot, buffer))
            return
        if kind == "write":
            data = numbers.randbytes(slot_size)
            buffer = nbd.Buffer.from_bytearray(bytearray(data))
            cookie = client.aio_pwrite(buffer, offset)
        else:
            data, buffer = bytes(slot_size), None
            cookie = getattr(client, f"aio_{kind}")(slot_size, offset)
        model[slot] = data
        in_flight.append((client, cookie, slot, None if kind != "write" else (buffer,)))

    def finish_some():
        clients[0].poll(0)
        clients[1].poll(0)
        for entry in list(in_flight):
            client, cookie, slot, buffer = entry
            if not client.aio_command_completed(cookie):
                continue
            if isinstance(buffer, nbd.Buffer):
                assert buffer.to_bytearray() == model[slot], f"slot {slot}"
            in_flight.remove(entry)
            free.add(slot)

    most = 0
    for _ in range(3000):
        while len(in_flight) >= 16:
            finish_some()
        slot = numbers.choice(sorted(free))
        free.remove(slot)
        begin(numbers.choice(clients), slot)
        most = max(most, len(in_flight))
    while in_flight:
        finish_some()
    assert most == 16
    assert clients[0].pread(slots * slot_size, 0) == b"".join(model)
    assert server.stop() == (0, b"")


def test_nbdcopy_keeps_holes(ramdisk, tmp_path):
    server = ramdisk()
    data = bytes(PAGE) + random.Random(2).randbytes(PAGE) + bytes(SIZE - 2 * PAGE)
    (tmp_path / "in").write_bytes(data)
    subprocess.run(["nbdcopy", tmp_path / "in", server.uri], check=True, timeout=60)
    subprocess.run(["nbdcopy", server.uri, tmp_path / "out"], check=True, timeout=60)
    assert (tmp_path / "out").read_bytes() == data
    assert extents(server.connect(), SIZE, 0) == [
        (PAGE, HOLE_AND_ZERO),
        (PAGE, 0),
        (SIZE - 2 * PAGE, HOLE_AND_ZERO),
    ]


def test_size_may_be_the_only_word(start):
    # MAGIC_CONFIG_KEY: `nbdkit libramdisk.so 1M`.
    assert start(PLUGIN, "1M").connect().get_size() == 1 << 20


@pytest.mark.parametrize(
    "parameters, line",
    [
        ([], "config_complete: the size= parameter is missing"),
        (["size=much"], "config: size: could not parse size string (much)"),
        (["size=1M", "colour=red"], "config: unknown parameter colour=: expected size="),
        (
            ["sise=1M"],
            "config: unknown parameter sise=: expected size= (did you mean size=?)",
        ),
    ],
)
def test_refused_parameters(tmp_path, parameters, line):
    assert failure(PLUGIN, *parameters, cwd=tmp_path) == line


def test_dump_plugin_and_help(tmp_path):
    dump = nbdkit.run("--dump-plugin", PLUGIN, cwd=tmp_path)
    assert (dump.returncode, dump.stderr) == (0, b"")
    assert b"name=ramdisk\n" in dump.stdout and b"thread_model=parallel\n" in dump.stdout
    usage = nbdkit.run("--help", PLUGIN, cwd=tmp_path)
    assert usage.returncode == 0
    assert b"nbdkit RAM disk in Rust" in usage.stdout
    assert b"\n[size=]<SIZE>  (required) The size of the disk: 1048576, 512K, 1M, 2G.\n" in usage.stdout


@pytest.mark.parametrize(
    "options", ["", "-v", "--verbose", "--verb", "-rv", "-fvr", "-e v", "-ev", "-ev -v"]
)
def test_a_plugin_knows_whether_debug_messages_are_shown(tmp_path, options):
    arguments = [*options.split(), "--run", "true", PANICKING, "panic=debug"]
    result = nbdkit.run(*arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    shown = str(b"debug: " in result.stderr).lower()
    assert f"debug messages are shown: {shown}".encode() in result.stderr
