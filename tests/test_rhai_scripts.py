"""examples/rhai: what scripts return, and what they call."""

import random
import subprocess

import nbd
import pytest

import nbdkit
from crowd import InFlight
from languages import program
from rhai import DISK, HOLE_AND_ZERO, PLUGIN, built, disk, extents, one_error, write  # noqa: F401


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
        ('nbdkit::disk("d", 8).pwrite(7, 0)', "pwrite: argument 1: found 7, expected a blob"),
        ('nbdkit::disk("d", 8).pread("x", 0)', "pread: argument 1: found string, expected a number"),
        ('nbdkit::disk("d", 8).size(1)', "size: 1 arguments, expected at most 0"),
        ("blob(4, 0).zero(1, 1)", "zero: found blob, expected a disk"),
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
