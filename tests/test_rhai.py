"""examples/rhai: a language that was added to the framework, from its scripts to a client."""

import os
import random
import subprocess

import nbd
import pytest

import nbdkit
from conftest import failure
from crowd import InFlight, at_once
from languages import ROOT, program, rust_plugin

PLUGIN = rust_plugin("nbdkit_rhai")
DISK = ROOT / "examples/rhai/disk.rhai"
FILE = ROOT / "examples/rhai/file.rhai"
SIZE = 4 << 20
HOLE_AND_ZERO = 3

# The rest of a script in tests of a single callback.
REST = {
    "open": "fn open(readonly) {}",
    "get_size": "fn get_size(h) { 65536 }",
    "pread": "fn pread(h, count, offset) { blob(count, 0) }",
}


@pytest.fixture(scope="module", autouse=True)
def built():
    # A missing plugin fails the run, which must not look as if it had passed.
    command = "cargo build --release -p nbdkit-script-rhai-example"
    assert PLUGIN.is_file(), f"{PLUGIN} is missing: {command}"


@pytest.fixture
def disk(start):
    return lambda **options: start(PLUGIN, DISK, f"size={SIZE}", **options)


@pytest.fixture
def write(tmp_path):
    """Writes a script, completed with the callbacks it needs, and returns its name."""

    def write(text, rest=REST):
        lines = [text, *(line for name, line in rest.items() if f"fn {name}(" not in text)]
        (tmp_path / "disk.rhai").write_text("\n".join(lines))
        return "disk.rhai"

    return write


def extents(client, count, offset):
    found = []
    client.block_status(count, offset, lambda name, start, pairs, error: found.extend(pairs))
    return list(zip(found[::2], found[1::2], strict=True))


def one_error(server):
    code, log = server.stop()
    lines = nbdkit.error_lines(log)
    assert code == 0 and len(lines) == 1, lines
    prefix = "nbdkit: rhai[1]: error: "
    assert lines[0].startswith(prefix), lines
    return lines[0].removeprefix(prefix)


# --- the disk that the example serves ---


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


# --- what a script returns ---


def test_callbacks_that_are_not_defined_have_nbdkits_defaults(start, write):
    server = start(PLUGIN, write(""))
    client = server.connect()
    assert client.is_read_only() and not client.can_multi_conn()
    assert not client.can_flush() and not client.can_fua() and not client.can_cache()
    client.shutdown()
    assert server.stop() == (0, b"")


def test_each_return_value(start, write):
    server = start(
        PLUGIN,
        write("""
            fn thread_model() { 1 }
            fn is_rotational(h) { true }
            fn can_fua(h) { 2 }
            fn can_zero(h) { false }
            fn can_extents(h) { true }
            fn can_multi_conn(h) { true }
            fn can_cache(h) { "emulate" }
            fn pwrite(h, data, offset, flags) {
                if (flags & nbdkit::FLAG_FUA) == 0 { throw #{ errno: "EPERM", message: "no FUA" }; }
                if data != blob(512, 7) { throw `found ${data}`; }
            }
            fn flush(h) {}
            fn extents(h, count, offset, flags) {
                [[0, 512, ""], [512, 512, "hole,zero"], [1024, 64512, nbdkit::EXTENT_ZERO]]
            }
            fn block_size(h) { [512, 4096, 65536] }
            fn list_exports(readonly, is_tls) { ["plain", ["told", "with a description"]] }
            fn default_export(readonly, is_tls) { "plain" }
            fn export_description(h) { `this is ${nbdkit::export_name()}` }
        """),
    )
    client = server.connect()
    assert client.is_rotational() and client.can_fua() and client.can_multi_conn()
    client.pwrite(b"\7" * 512, 0, nbd.CMD_FLAG_FUA)
    with pytest.raises(nbd.Error) as caught:
        client.pwrite(b"\7" * 512, 0)
    assert caught.value.errno == "EPERM"
    assert extents(client, 65536, 0) == [(512, 0), (512, HOLE_AND_ZERO), (64512, 2)]
    assert client.get_block_size(nbd.SIZE_PREFERRED) == 4096
    client.shutdown()

    found = {}
    lister = nbd.NBD()
    lister.set_opt_mode(True)
    lister.set_full_info(True)
    lister.set_export_name("told")
    lister.connect_unix(str(server.socket))
    lister.opt_list(lambda name, description: found.update({name: description}))
    lister.opt_info()
    assert lister.get_export_description() == "this is told"
    lister.opt_abort()
    assert found == {"plain": "", "told": "with a description"}


def test_a_handle_is_its_connections_own_and_can_be_changed(start, write):
    server = start(
        PLUGIN,
        write("""
            let total = 0;
            fn open(readonly) { #{ reads: 0 } }
            fn pread(h, count, offset) {
                h.reads += 1;
                total += 1;
                blob(count, h.reads * 16 + total)
            }
            fn close(h) { debug(`closed after ${h.reads} of ${total} reads`); }
        """),
        verbose=True,
    )
    first, second = server.connect(), server.connect()
    assert first.pread(1, 0) == b"\x11"
    assert first.pread(1, 0) == b"\x22"
    assert second.pread(1, 0) == b"\x13"
    second.shutdown()
    nbdkit.wait_until(lambda: b"closed after 1 of 3 reads" in server.log(), "the second to close")
    first.shutdown()
    nbdkit.wait_until(lambda: b"closed after 2 of 3 reads" in server.log(), "the first to close")


def test_a_function_imports_from_beside_the_script_when_nbdkit_has_gone_to_the_root(
    start, write, tmp_path
):
    (tmp_path / "letters.rhai").write_text("fn x() { 120 }\nfn fails() { throw \"no\" }")
    script = write("""
        fn pread(h, count, offset) {
            import "letters" as letters;
            if offset > 0 { letters::fails() }
            blob(count, letters::x())
        }
    """)
    server = start(PLUGIN, script, daemon=True)
    client = server.connect()
    assert client.pread(4, 0) == b"xxxx"
    with pytest.raises(nbd.Error):
        client.pread(4, 4)


# --- what a script calls ---


@pytest.mark.parametrize("callback", ["pwrite(h, data, offset, flags)", "flush(h)"])
def test_a_callback_that_ends_with_an_error_it_has_caught_has_failed(start, write, callback):
    full = 'throw #{ errno: "ENOSPC", message: "full" }'
    body = f"fn {callback} {{ try {{ {full} }} catch (e) {{ return e; }} }}"
    # A map of another kind is not an error.
    others = "fn can_flush(h) { true } fn pwrite(h, data, offset, flags) { #{ written: data.len() } }"
    server = start(PLUGIN, write(body if "pwrite" in callback else f"{others}\n{body}"))
    client = server.connect()
    with pytest.raises(nbd.Error) as caught:
        client.pwrite(bytes(512), 0) if "pwrite" in callback else client.flush()
    assert caught.value.errno == "ENOSPC"
    assert server.errors()[-1].endswith(": full")
    if "flush" in callback:
        client.pwrite(bytes(512), 0)


def test_all_engines_see_one_dictionary(start, write):
    # The first read waits until the second one, in another engine, has set the key.
    server = start(
        PLUGIN,
        "interpreters=2",
        write("""
            fn thread_model() { "parallel" }
            fn pread(h, count, offset) {
                nbdkit::dictionary::incr("reads", 1, 0);
                while nbdkit::dictionary::get("reads") != 2 { sleep(0.001); }
                blob(count, nbdkit::dictionary::incr("answers", 1, 10))
            }
        """),
    )
    requests, read = InFlight(server.connect()), []
    for number in range(2):
        requests.pread(1, number, read.append)
    requests.wait_for_all()
    assert sorted(read) == [b"\x0b", b"\x0c"]


def test_functions_of_nbdkit_and_of_the_dictionary(start, write):
    server = start(
        PLUGIN,
        write("""
            fn expect(found, expected) {
                if found != expected { throw `found ${found}, expected ${expected}`; }
            }
            fn get_ready() {
                expect(nbdkit::parse_size("1M"), 1048576);
                expect(nbdkit::parse_bool("on"), true);
                expect(nbdkit::parse_int("n", "0x10"), 16);
                expect(nbdkit::parse_int("n", "255", "uint8_t"), 255);
                expect(nbdkit::stdio_safe(), true);
                expect(nbdkit::dictionary::get("absent"), ());
                expect(nbdkit::dictionary::rpush("list", 1.5), 1);
                expect(nbdkit::dictionary::rpush("list", "two"), 2);
                expect(nbdkit::dictionary::lpop("list"), 1.5);
                expect(nbdkit::dictionary::add("list", true), false);
                expect(nbdkit::dictionary::get_keys(), ["list"]);
                // The methods of disks leave those of other values alone.
                let text = "  trimmed ";
                text.trim();
                expect(text, "trimmed");
            }
            fn extents(h, count, offset, flags) {
                [#{ offset: 0, length: 65536, type: "hole" }]
            }
        """),
    )
    assert extents(server.connect(), 65536, 0) == [(65536, 1)]


@pytest.mark.parametrize(
    "call, line",
    [
        ("nbdkit::parse_size()", "parse_size: argument 1 (the size): found nothing, expected a string"),
        ("nbdkit::parse_size(7)", "parse_size: argument 1 (the size): found 7, expected a string"),
        ("nbdkit::export_name(1, 2)", "export_name: 2 arguments, expected at most 0"),
        ('nbdkit::dictionary::incr("absent", 1)', "incr: not found"),
        ('nbdkit::disk("d", 8).pwrite(7, 0)', "argument 1: found 7, expected a blob"),
        ('nbdkit::disk("d", 8).pread("x", 0)', "argument 1: found string, expected a number"),
        ('nbdkit::disk("d", 8).size(1)', "1 arguments, expected at most 0"),
        ("blob(4, 0).zero(1, 1)", "argument 0: found blob, expected a disk"),
    ],
)  # fmt: skip
def test_calls_that_are_refused(start, write, call, line):
    server = start(PLUGIN, write(f"fn pread(h, count, offset) {{\n{call}\n}}"))
    with pytest.raises(nbd.Error) as caught:
        server.connect().pread(512, 0)
    # A wrong call of a method is a mistake in the script, as any other.
    is_method = not line.startswith(("parse_size", "export_name", "incr"))
    assert caught.value.errno == ("EIO" if is_method else "EINVAL")
    found = one_error(server).removeprefix("pread: disk.rhai:2: ")
    assert found.startswith(line[:-1]) if line.endswith("*") else found == line


def test_the_largest_request_that_nbdkit_takes(start, write):
    largest = 64 << 20
    server = start(PLUGIN, write(f"""
        fn disk() {{ nbdkit::disk("d", {largest}) }}
        fn get_size(h) {{ {largest} }}
        fn pread(h, count, offset) {{ disk().pread(count, offset) }}
        fn pwrite(h, data, offset, flags) {{ disk().pwrite(data, offset) }}"""))
    client = server.connect(strict=False)
    data = random.Random(1).randbytes(largest)
    client.pwrite(data, 0)
    assert client.pread(largest, 0) == data
    assert server.stop() == (0, b"")


# --- how a script fails ---


@pytest.mark.parametrize(
    "body, errno, line",
    [
        ('throw "text"', "EIO", "disk.rhai:2: text"),
        ('throw #{ errno: "ENOSPC", message: "full" }', "ENOSPC", "disk.rhai:2: full"),
        ('throw #{ errno: 28, message: "full" }', "ENOSPC", "disk.rhai:2: full"),
        ("throw", "EIO", "disk.rhai:2: error value is ()"),
        ("throw [1, 2]", "EIO", "disk.rhai:2: [1, 2]"),
        ('throw nbdkit::disk("d", 8)', "EIO", "disk.rhai:2: disk"),
        ('throw #{ errno: "ENOSPC", message: nbdkit::disk("d", 8) }', "ENOSPC", "disk.rhai:2: disk"),
        ('throw type_of(nbdkit::disk("d", 8)) + nbdkit::disk("d", 8)', "EIO",
         "disk.rhai:2: diskdisk"),
        ('grow(nbdkit::disk("d", 8))', "EIO", "disk.rhai:2: Function not found: grow (disk)"),
        ("helper(5)", "EIO", "disk.rhai:4: helper 5"),
        ("1 / (offset - 0)", "EIO", "disk.rhai:2: Division by zero: 1 / 0"),
        ("missing", "EIO", "disk.rhai:2: Variable not found: missing"),
        ('nbdkit::disk("d", 8).pread(9, 0)', "EIO", "disk.rhai:2: offset 0 and 9 bytes from "
         "there are past the end of the disk, which has 8 bytes"),
        ('nbdkit::disk("d", -1)', "EINVAL",
         "disk.rhai:2: disk: argument 2, the size: found -1, expected a whole number from 0 on"),
        ('try { nbdkit::disk("d", -1) } catch (e) { throw #{ errno: e.errno, message: "again" } }',
         "EINVAL", "disk.rhai:2: again"),
        ('try { nbdkit::disk("d", -1) } catch (e) { throw #{ errno: "ENOSPC", message: e } }',
         "ENOSPC", "disk.rhai:2: disk: argument 2, the size: found -1, expected a whole number "
         "from 0 on"),
        # Errors about Rhai's own limits have no line.
        ("pread(h, count, offset)", "EIO", "disk.rhai: Stack overflow"),
        ("blob(1 << 50, 0)", "EIO", "disk.rhai: Size of array/BLOB too large"),
        # Invalid return values.
        ('"text"', "EIO", "returned string, expected a blob"),
        ("", "EIO", "returned (), expected a blob"),
        ("blob(count - 1, 0)", "EIO", "returned 511 bytes, expected 512"),
    ],
)  # fmt: skip
def test_a_read_that_fails_says_where(start, write, body, errno, line):
    script = f"""fn pread(h, count, offset) {{ if offset == 512 {{ return blob(count, 1); }}
        {body}
    }}
    fn helper(x) {{ throw `helper ${{x}}` }}"""
    server = start(PLUGIN, write(script))
    client = server.connect()
    with pytest.raises(nbd.Error) as caught:
        client.pread(512, 0)
    assert caught.value.errno == errno
    # The server goes on, and so does the connection.
    assert client.pread(512, 512) == b"\1" * 512
    assert one_error(server) == f"pread: {line}"


def test_the_client_is_known_in_close(start, write):
    script = write("fn close(h) { debug(`gone: ${nbdkit::peer_pid()} ${nbdkit::peer_name()}`); }")
    server = start(PLUGIN, script, verbose=True)
    server.connect().pread(512, 0)
    code, log = server.stop()
    assert code == 0
    assert f'debug: "gone: {os.getpid()} unix:"\n' in log.decode()


def test_the_calls_that_led_to_an_error_are_in_the_debug_log(start, write):
    script = write("""fn pread(h, count, offset) {
        outer(1)
    }
    fn outer(x) {
        inner(x)
    }
    fn inner(x) { throw "deep" }""")
    server = start(PLUGIN, script, verbose=True)
    with pytest.raises(nbd.Error):
        server.connect().pread(512, 0)
    log = server.log()
    assert b"pread: disk.rhai:7: deep" in log
    assert b"debug: disk.rhai:2: calls outer" in log and b"debug: disk.rhai:5: calls inner" in log


@pytest.mark.parametrize(
    "script, line",
    [
        ('fn get_size(h) { "big" }', 'get_size: returned the string "big", expected a whole number of bytes'),
        ("fn get_size(h) { 1.5 }", "get_size: returned 1.5, expected a whole number of bytes"),
        ("fn get_size(h) { -1 }", "get_size: returned -1, expected a size of 0 or more bytes"),
        ("fn can_flush(h) { 1 }", "can_flush: return value is not a boolean: returned i64, expected "
                                   "true or false"),
        ('fn pwrite(h, data, offset, flags) {} fn can_fua(h) { "nativ" }', 'can_fua: returned "nativ", expected a level of FUA '
         'support: "none" (0), "emulate" (1), "native" (2)'),
        ("fn block_size(h) { [1, 2] }",
         "block_size: returned array, expected a list of three numbers: minimum, preferred and "
         "maximum size"),
        # Rhai also tells functions apart by their parameters.
        ("fn get_size() { 512 }", "get_size: disk.rhai: Function not found: get_size"),
    ],
)  # fmt: skip
def test_a_wrong_return_value_refuses_the_client(start, write, script, line):
    server = start(PLUGIN, write(script))
    with pytest.raises(nbd.Error):
        server.connect()
    assert f"error: {line}\n".encode() in server.log()


@pytest.mark.parametrize(
    "answer, line",
    [
        ("1", "returned i64, expected a list of [offset, length, type]"),
        ("[[0, 65536]]", 'extent 1: the type is (), expected nbdkit::EXTENT_* or "hole,zero"'),
        ('[[0, 65536, "holes"]]',
         'extent 1: "holes" is not an extent type: they are "hole" and "zero"'),
        ("[0]", "extent 1 is an i64, expected [offset, length, type]"),
        ("[[0, -1, 0]]", "extent 1: the length is -1, expected a whole number of bytes from 0 on"),
    ],
)  # fmt: skip
def test_wrong_extents_fail_the_request(start, write, answer, line):
    server = start(PLUGIN, write(f"fn extents(h, count, offset, flags) {{ {answer} }}"))
    client = server.connect()
    with pytest.raises(nbd.Error):
        extents(client, 65536, 0)
    assert client.pread(512, 0) == bytes(512)
    assert one_error(server) == f"extents: {line}"


def test_no_memory_fails_one_request(start, write):
    """Small values come from the plugin's reserve, and the script ends before that is used up."""
    script = write(
        "let kept = [];\n"
        "fn pread(h, count, offset) {\n"
        "    if offset == 0 { loop { kept.push(blob(50000, kept.len())); } }\n"
        "    kept.clear();\n"
        "    blob(count, 0)\n"
        "}"
    )
    server = start(PLUGIN, script, prefix=("prlimit", f"--as={300 << 20}"))
    client = server.connect()
    for _ in range(10):
        with pytest.raises(nbd.Error) as error:
            client.pread(512, 0)
        assert error.value.errno == "ENOMEM"
        assert client.pread(4, 512) == bytes(4)
    code, _ = server.stop()
    assert code == 0


# --- callbacks that never end, and that take all the memory ---

LOOP = """
fn pread(h, count, offset) {
    if offset == 0 { loop { try { loop {} } catch { } } }
    blob(count, 0)
}
"""


def test_time_limit(start, write):
    server = start(PLUGIN, "time_limit=0.3", write(LOOP))
    client = server.connect()
    with pytest.raises(nbd.Error) as error:
        client.pread(512, 0)
    assert error.value.errno == "EIO"
    assert client.pread(512, 512) == bytes(512)
    assert "it took longer than time_limit=0.3" in one_error(server)


def test_a_client_that_leaves_does_not_leave_its_callback_behind(start, write):
    server = start(PLUGIN, write(LOOP), verbose=True)
    client = server.connect()
    client.aio_pread(nbd.Buffer(512), 0)
    # The server must have seen the request before its client goes.
    nbdkit.wait_until(lambda: b"pread count=512 offset=0" in server.log(), "the read")
    server.connections.clear()
    del client
    assert server.connect().pread(512, 512) == bytes(512)
    # The second client's read may have been served before the first one's.
    nbdkit.wait_until(
        lambda: any("interrupted: the client has gone" in line for line in server.errors()),
        "the callback to be interrupted",
    )


def test_memory_limit(start, write):
    script = """
    fn pread(h, count, offset) {
        let kept = [];
        while offset == 0 { kept.push(blob(10000, 1)); }
        blob(count, 0)
    }
    """
    server = start(PLUGIN, "memory_limit=8M", "interpreters=1", write(script))
    client = server.connect()
    for _ in range(3):
        with pytest.raises(nbd.Error) as error:
            client.pread(512, 0)
        assert error.value.errno == "ENOMEM"
        # Memory that requests take and free does not count as kept.
        for _ in range(1000):
            assert client.pread(32768, 512) == bytes(32768)
    assert all("memory_limit=8388608: not enough memory" in line for line in server.errors())


@pytest.mark.parametrize(
    "call, version",
    [('nbdkit::debug_hexdump(blob(20, 65), "at: ", 16)', "1.46"),
     ('nbdkit::debug_hexdiff("one", "two", "", 0)', "1.48"),
     ("nbdkit::timestamp()", "1.48")],
)  # fmt: skip
def test_functions_of_newer_nbdkits(start, write, call, version):
    script = write(f'fn pread(h, count, offset) {{ {call}; blob(count, 0) }}')
    server = start(PLUGIN, script, verbose=True)
    try:
        server.connect().pread(512, 0)
    except nbd.Error:
        assert one_error(server).endswith(f" is not in this nbdkit: it needs nbdkit {version}")
    else:
        log = server.log().decode()
        assert "hexdump" not in call or f"at: 00000010: {'41 ' * 8}" in log, log


def test_probabilities_and_times_are_read_with_any_nbdkit(start, write):
    script = write("""
        fn pread(h, count, offset) {
            let read = [nbdkit::parse_probability("p", "1:4"), nbdkit::parse_delay("d", "1.5ms")];
            throw `${read}`
        }
    """)
    server = start(PLUGIN, script)
    with pytest.raises(nbd.Error):
        server.connect().pread(512, 0)
    assert "[0.25, [0, 1500000]]" in one_error(server)


def test_tests_of_a_script(tmp_path):
    (tmp_path / "disk_test.rhai").write_text("""
fn test_what_is_written_is_read() {
    client::pwrite(blob(5, 7), 510, nbdkit::FLAG_FUA);
    client::expect_equal(client::pread(7, 509), blob(1, 0) + blob(5, 7) + blob(1, 0));
    client::expect_error("ENOSPC", "pwrite", blob(1, 7), client::get_size(), nbdkit::FLAG_FUA);
}

fn test_what_fails() {
    client::expect_equal(client::can_write(), false);
}
""")
    (tmp_path / "disk.rhai").write_text(DISK.read_text())
    ran = subprocess.run(
        [program("nbdkit-script-test"), f"--plugin={PLUGIN}", "disk.rhai", "size=1M"],
        cwd=tmp_path, capture_output=True, text=True, timeout=nbdkit.DEADLINE,
    )  # fmt: skip
    assert ran.returncode == 1
    assert ran.stdout.splitlines()[:3] == [
        "ok      test_what_is_written_is_read",
        "FAILED  test_what_fails               disk_test.rhai:9: expect_equal: found true, "
        "expected false",
        "1 passed, 1 failed",
    ], ran
