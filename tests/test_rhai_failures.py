"""examples/rhai: how scripts fail, never end, and take all the memory."""

import os

import nbd
import pytest

import nbdkit
from rhai import PLUGIN, built, disk, extents, one_error, write  # noqa: F401


# --- failures ---


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
        ('nbdkit::disk("d", 8).pread(9, 0)', "EIO", "disk.rhai:2: pread: offset 0 and 9 bytes from "
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


def fails_and_goes_on(start, script, limit, errno):
    """Reads at offset 0 that fail, within so many MiB of addresses, and others that do not."""
    server = start(PLUGIN, script, prefix=("prlimit", f"--as={limit << 20}"))
    client = server.connect()
    for _ in range(10):
        with pytest.raises(nbd.Error) as error:
            client.pread(512, 0)
        assert error.value.errno == errno
        assert client.pread(4, 512) == bytes(4)
    code, _ = server.stop()
    assert code == 0


def test_a_long_text_that_is_thrown(start, write):
    script = write(
        "fn pread(h, count, offset) {\n"
        "    if offset > 0 { return blob(count, 0); }\n"
        '    let text = "x";\n'
        "    for i in 0..26 { text += text; }\n"
        "    throw text;\n"
        "}"
    )
    fails_and_goes_on(start, script, 400, "EIO")


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
    fails_and_goes_on(start, script, 300, "ENOMEM")


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
