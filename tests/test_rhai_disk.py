"""examples/rhai: the disk that it serves, its parameters and its start."""

import random
import subprocess

import nbd
import pytest

import nbdkit
from conftest import failure
from crowd import InFlight, at_once
from languages import ROOT
from rhai import (  # noqa: F401
    DISK, HOLE_AND_ZERO, PLUGIN, REST, SIZE, built, disk, extents, one_error, write,
)

FILE = ROOT / "examples/rhai/file.rhai"


# --- the disk ---


def test_what_the_disk_offers(disk):
    client = disk().connect()
    assert client.get_size() == SIZE
    assert not client.is_read_only() and not client.is_rotational()
    offers = [client.can_fua(), client.can_flush(), client.can_trim(), client.can_zero()]
    assert all([*offers, client.can_fast_zero(), client.can_multi_conn(), client.can_cache()])


def test_the_disk_in_a_file(start, tmp_path):
    path = tmp_path / "disk.img"
    server = start(PLUGIN, "interpreters=4", FILE, f"file={path}", f"size={SIZE}")
    one, other = server.connect(), server.connect()
    offers = [one.can_fua(), one.can_flush(), one.can_trim(), one.can_zero(), one.can_multi_conn()]
    assert one.get_size() == SIZE and all(offers)
    data = random.Random(2).randbytes(100_000)
    one.pwrite(data, 1 << 20, nbd.CMD_FLAG_FUA)
    assert path.read_bytes()[1 << 20 :].startswith(data)
    assert other.pread(100_000, 1 << 20) == data
    other.zero(4096, 1 << 20)
    other.trim(1 << 20, 1 << 20)
    one.cache(4096, 0)
    one.flush()
    assert extents(one, SIZE, 0) == [(SIZE, HOLE_AND_ZERO)]
    path.write_bytes(b"short")
    with pytest.raises(nbd.Error) as caught:
        one.pread(10, 0)
    assert caught.value.errno == "EIO"
    assert server.errors()[-1].endswith(f"could not read 10 bytes at offset 0 of {path}: it ends at 5")
    readonly = start("-r", PLUGIN, FILE, f"file={path}").connect()
    assert readonly.is_read_only() and readonly.pread(5, 0) == b"short"


def test_a_read_only_server(start):
    assert start("-r", PLUGIN, DISK, "size=1M").connect().is_read_only()


def test_reads_writes_zeroes_trims_and_extents(disk):
    server = disk()
    client = server.connect()
    page = 64 << 10
    assert extents(client, SIZE, 0) == [(SIZE, HOLE_AND_ZERO)]
    data = random.Random(1).randbytes(3 * page)
    client.pwrite(data, page, nbd.CMD_FLAG_FUA)
    assert client.pread(5 * page, 0) == bytes(page) + data + bytes(page)
    client.zero(page, page, nbd.CMD_FLAG_FAST_ZERO)
    client.trim(100, 2 * page)
    client.flush()
    client.cache(page, 0)
    assert client.pread(4 * page, 0) == bytes(2 * page + 100) + data[page + 100 :]
    assert extents(client, SIZE, 0) == [
        (2 * page, HOLE_AND_ZERO),
        (2 * page, 0),
        (SIZE - 4 * page, HOLE_AND_ZERO),
    ]
    assert server.stop() == (0, b"")


def test_nbdcopy_there_and_back(disk, tmp_path):
    server = disk()
    data = random.Random(2).randbytes(1 << 20) + bytes(SIZE - (1 << 20))
    (tmp_path / "in").write_bytes(data)
    subprocess.run(["nbdcopy", tmp_path / "in", server.uri], check=True, timeout=60)
    subprocess.run(["nbdcopy", server.uri, tmp_path / "out"], check=True, timeout=60)
    assert (tmp_path / "out").read_bytes() == data
    assert server.stop() == (0, b"")


def test_many_connections_with_many_requests_in_flight(disk):
    server = disk()
    block, connections, rounds = 10_000, 8, 20

    def work(number):
        client = server.connect()
        numbers = random.Random(number)
        for _ in range(rounds):
            requests, read = InFlight(client), {}
            places = [slot * connections + number for slot in range(8)]
            blocks = {place * block: numbers.randbytes(block) for place in places}
            for offset, data in blocks.items():
                requests.pwrite(data, offset)
            requests.wait_for_all()
            for offset in blocks:
                requests.pread(block, offset, lambda data, at=offset: read.update({at: data}))
            requests.wait_for_all()
            assert read == blocks
        return rounds

    jobs = [lambda number=number: work(number) for number in range(connections)]
    assert at_once(*jobs) == [rounds] * connections
    assert server.stop() == (0, b"")


def test_requests_of_one_connection_meet_in_different_engines(start, write):
    # Each read marks its arrival on the shared disk, and waits for the other three.
    server = start(
        PLUGIN,
        "interpreters=4",
        write("""
            let disk = nbdkit::disk("meeting", 4);
            fn thread_model() { "parallel" }
            fn pread(h, count, offset) {
                disk.pwrite(blob(1, 1), offset / 512);
                while disk.pread(4, 0) != blob(4, 1) { sleep(0.001); }
                blob(count, 1)
            }
        """),
    )
    requests, read = InFlight(server.connect()), []
    for number in range(4):
        requests.pread(512, number * 512, read.append)
    requests.wait_for_all()
    assert read == [b"\1" * 512] * 4


# --- parameters and the start ---


@pytest.mark.parametrize(
    "parameters, line",
    [
        ([], "config_complete: {}:22: the size= parameter is missing"),
        (["colour=red"], "config: {}:14: unknown parameter colour="),
        (["size=1M", "size=2M"], "config: {}:17: disk: the disk \"disk\" has 1048576 bytes, "
                                 "and 2097152 were asked for"),
    ],
)  # fmt: skip
def test_refused_parameters(tmp_path, parameters, line):
    assert failure(PLUGIN, DISK, *parameters, cwd=tmp_path) == line.format(DISK)


def test_a_parameter_that_is_not_utf_8(tmp_path):
    line = failure(PLUGIN, DISK, b"size=\xff".decode(errors="surrogateescape"), cwd=tmp_path)
    assert line == 'config: found "\\xFF", expected UTF-8'


def test_no_script_and_no_such_script(tmp_path):
    assert failure(PLUGIN, cwd=tmp_path) == (
        "no script was given: the first parameter must be script=/path/to/script.rhai"
    )
    assert failure(PLUGIN, "nowhere.rhai", cwd=tmp_path) == (
        "could not read Rhai script nowhere.rhai: No such file or directory"
    )


@pytest.mark.parametrize(
    "text, line",
    [
        ("fn open(readonly) {}\nfn pread(h count", "could not parse Rhai script: disk.rhai:2: *"),
        ("let x = 1;\nthrow `at the top ${x}`;",
         "could not run Rhai script: disk.rhai:2: at the top 1"),
        (REST["pread"], "disk.rhai: nbdkit requires these callbacks, which are not defined by the "
                        "script: open, get_size"),
    ],
)  # fmt: skip
def test_scripts_that_are_refused(tmp_path, write, text, line):
    found = failure(PLUGIN, write(text, rest={}), cwd=tmp_path)
    assert found.startswith(line[:-1]) if line.endswith("*") else found == line


def test_a_script_that_is_not_utf_8(tmp_path):
    (tmp_path / "disk.rhai").write_bytes(b"// caf\xe9\n")
    line = failure(PLUGIN, "disk.rhai", cwd=tmp_path)
    assert line.startswith("could not parse Rhai script: disk.rhai: invalid utf-8 sequence")


def test_a_misspelt_callback_is_warned_of(start, write):
    log = start(PLUGIN, write("fn pwirte(h, data, offset, flags) {}")).log()
    assert b"pwirte is not a callback of nbdkit: did you mean pwrite?" in log


def test_lines_of_dump_plugin_are_in_order(tmp_path, write):
    script = write('fn dump_plugin() { print("rhai_first=1"); print("rhai_second=2"); }')
    dump = nbdkit.run("--dump-plugin", PLUGIN, script, cwd=tmp_path)
    assert (dump.returncode, dump.stderr) == (0, b"")
    lines = dump.stdout.decode().splitlines()
    assert "name=rhai" in lines
    assert lines[-2:] == ["rhai_first=1", "rhai_second=2"]


def test_what_a_script_prints_does_not_reach_the_client(tmp_path, write):
    chatter = """
        print("top");
        fn config(key, value) { print("config"); }
        fn get_ready() { print("get_ready"); }
        fn after_fork() { print("after_fork"); }
        fn open(readonly) { print("open"); }
        fn pread(h, count, offset) { print("pread"); blob(count, 120) }
    """
    script, log = write(chatter), tmp_path / "log"
    server = f"timeout {nbdkit.DEADLINE} nbdkit -s '{PLUGIN}' '{tmp_path / script}' a=b"
    client = nbd.NBD()
    # A shell, because a client that libnbd starts has the test's own standard error.
    client.connect_command(["sh", "-c", f"exec {server} 2>'{log}'"])
    assert client.pread(512, 0) == b"x" * 512
    client.shutdown()
    assert b"top\nconfig\nget_ready\n" in log.read_bytes()
