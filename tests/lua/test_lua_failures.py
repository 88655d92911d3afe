"""Failures that a callback returns: nil or false, followed by any value."""

import nbd
import pytest

import nbdkit
from languages import under_test
from test_errno import failed_read

DISK = """
    function open(readonly) return {} end
    function get_size(h) return 65536 end
    function pread(h, count, offset) return string.rep("x", count) end
"""

# The values after nil, the errno that the client sees, and words in the log.
FAILURES = {
    # Errors of the module, of other modules, and of the script itself.
    "select(2, pcall(nbdkit.error, 'ENOSPC', 'the quota'))": ("ENOSPC", "the quota"),
    "{ errno = 'ENOSPC', message = 'full' }": ("ENOSPC", "full"),
    "{ errno = 28, message = 'full' }": ("ENOSPC", "full"),
    "{ errno = 28.0, message = 'full' }": ("ENOSPC", "full"),
    "{ message = 'full' }": ("EIO", "full"),
    "{ message = 'full' }, 'ENOSPC'": ("ENOSPC", "full"),
    "{ errno = 'EPERM', message = 'full' }, 'ENOSPC'": ("EPERM", "full"),
    "{ errno = 'ENONE', message = 'full' }, 28": ("ENOSPC", "full"),
    "{ code = 5 }": ("EIO", "error value is a table: {code = 5}"),
    "{}": ("EIO", "error value is a table: {}"),
    "setmetatable({}, { __tostring = function() return 'own text' end })": ("EIO", "own text"),
    # Only an errno.
    "nbdkit.errno.ENOSPC": ("ENOSPC", "No space left on device"),
    "28.0": ("ENOSPC", "No space left on device"),
    "0": ("EIO", "0"),
    "-28": ("EIO", "-28"),
    "28.5": ("EIO", "28.5"),
    "2 ^ 40": ("EIO", "1099511627776"),
    # Any other value.
    "io.stdout": ("EIO", "file (0x"),
    "true": ("EIO", "error value is a boolean"),
    "false": ("EIO", "error value is a boolean"),
    "print": ("EIO", "error value is a function"),
    "coroutine.create(function() end)": ("EIO", "error value is a thread"),
    # A string, as before.
    "'why'": ("EIO", "why"),
    "'why', 28": ("ENOSPC", "why"),
    "'why', 'ENOSPC'": ("ENOSPC", "why"),
    # Inherited fields, and fields that cannot be read.
    "setmetatable({ message = 'full' }, { __index = { errno = 'ENOSPC' } })": ("ENOSPC", "full"),
    "setmetatable({}, { __index = { errno = 28, message = 'full' } })": ("ENOSPC", "full"),
    "setmetatable({}, { __index = function(_, k) return ({ errno = 28, message = 'full' })[k] end })":
        ("ENOSPC", "full"),
    "setmetatable({ message = 'full' }, { __index = function() error('deep') end })":
        ("EIO", "full"),
    "setmetatable({ message = 'full' }, { __index = function(t) return t.errno end })":
        ("EIO", "full"),
    # A process's exit status, as returned by os.execute and by closing a pipe.
    "'exit', 28": ("EIO", "exit status 28"),
    "'exit', 28.0": ("EIO", "exit status 28"),
    "'signal', 9": ("EIO", "killed by signal 9"),
    "'exit'": ("EIO", "exit"),
    "'exit', 'ENOSPC'": ("ENOSPC", "exit"),
}  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES)
def test_nil_and_anything_fails_a_callback_with_a_return_value(serve, language, failure):
    errno, words = FAILURES[failure]
    found, line = failed_read(serve, language, f"return nil, {failure}")
    assert (found, words in line) == (errno, True), line


@pytest.mark.parametrize("first", ["nil", "false"])
@pytest.mark.parametrize("failure", FAILURES)
def test_nil_or_false_and_anything_fails_a_callback_that_has_none(serve, language, failure, first):
    errno, words = FAILURES[failure]
    server = serve(DISK + f"function pwrite() return {first}, {failure} end")
    client = server.connect()
    with pytest.raises(nbd.Error) as error:
        client.pwrite(bytes(512), 0)
    (line,) = server.errors()
    assert (error.value.errno, words in line) == (errno, True), line
    assert client.pread(512, 0) == b"x" * 512


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("callback", ["pwrite", "flush", "trim", "zero", "cache"])
@pytest.mark.parametrize("body", ["return nil, {}", "return pcall(error, 'why')"])
def test_each_request_without_a_return_value(serve, language, version, callback, body):
    script = f"API_VERSION = {version}\n" + language.script("errno", "disk", body="")
    for name in ("pwrite", "flush", "trim", "zero", "cache"):
        script += language.define(name, body if name == callback else "", version=version)
    client = serve(script).connect()
    requests = {
        "pwrite": lambda: client.pwrite(bytes(512), 0),
        "flush": client.flush,
        "trim": lambda: client.trim(512, 0),
        "zero": lambda: client.zero(512, 0),
        "cache": lambda: client.cache(512, 0),
    }
    for name, request in requests.items():
        if name != callback:
            request()
    with pytest.raises(nbd.Error) as error:
        requests[callback]()
    assert error.value.errno == "EIO"


def test_a_read_into_a_buffer_that_returns_false_and_an_error(serve):
    server = serve("""
        API_VERSION = 2
        function open(readonly) return {} end
        function get_size(h) return 65536 end
        function pread(h, buf, offset, flags)
            return pcall(nbdkit.error, "ENOSPC", "not " .. offset)
        end
    """)
    with pytest.raises(nbd.Error) as error:
        server.connect().pread(512, 0)
    assert error.value.errno == "ENOSPC"
    assert server.errors()[0].endswith("not 0")


# None of these is a failure.
SUCCESSES = [
    "return", "return nil", "return nil, nil", "return nil, nil, nil", "return true, 'why'",
    "return false", "return true, 28", "return 5, 'why'", "return 'why', 28",
    "return pcall(string.len, '')", "return 0, {}",
]  # fmt: skip


@pytest.mark.parametrize("body", SUCCESSES)
def test_what_is_returned_and_means_nothing(serve, body):
    server = serve(DISK + f"function pwrite() {body} end function flush() {body} end")
    client = server.connect()
    client.pwrite(bytes(512), 0)
    client.flush()
    assert server.errors() == []


@pytest.mark.parametrize(
    "body, errno",
    [
        ("local e = { errno = 28 } return nil, e.mesage, e.errno", "ENOSPC"),
        ("return nil, nil, 'ENOSPC'", "ENOSPC"),
        ("return nil, nil, nil, 28", "EIO"),
    ],
)
def test_a_failure_whose_message_is_missing(serve, body, errno):
    server = serve(DISK + f"function pwrite() {body} end")
    with pytest.raises(nbd.Error) as error:
        server.connect().pwrite(bytes(512), 0)
    assert error.value.errno == errno
    assert server.errors()[0].endswith("error value is nil")


def test_false_and_nil_is_what_pcall_returns_of_an_error_that_is_nil(serve):
    server = serve(DISK + "function pwrite() return pcall(error) end")
    with pytest.raises(nbd.Error):
        server.connect().pwrite(bytes(512), 0)
    assert server.errors()[0].endswith("error value is nil")


def test_set_error_counts_where_the_failure_has_no_errno(serve, language):
    for body, errno in {
        "nbdkit.set_error('ENOSPC') return nil, {}": "ENOSPC",
        "nbdkit.set_error('ENOSPC') return nil, 'exit', 1": "ENOSPC",
        "nbdkit.set_error('EPERM') return nil, nbdkit.errno.ENOSPC": "ENOSPC",
        "nbdkit.set_error('EPERM') return nil, { errno = 28 }": "ENOSPC",
    }.items():
        assert failed_read(serve, language, body)[0] == errno


@pytest.mark.parametrize("failure", ["{ message = 'not from here' }", "'not from here'"])
@pytest.mark.parametrize("first", ["nil", "false"])
def test_preconnect_keeps_a_client_out(serve, first, failure):
    server = serve(DISK + f"function preconnect() return {first}, {failure} end")
    with pytest.raises(nbd.Error):
        server.connect()
    assert any("preconnect: not from here" in line for line in server.errors())


SIZE = """
    function config(key, value)
        local ok, size = pcall(nbdkit.parse_size, value)
        %s
        disk_size = size
    end
"""


@pytest.mark.parametrize(
    "body", ["if not ok then return nil, size end", "if not ok then return ok, size end"]
)
def test_config_keeps_nbdkit_from_starting(language, write_script, tmp_path, body):
    script = write_script(DISK + SIZE % body)
    result = nbdkit.run(language.plugin, script, "size=junk", cwd=tmp_path)
    assert result.returncode == 1
    # The first line is nbdkit's own.
    assert "config: nbdkit.parse_size: " in nbdkit.error_lines(result.stderr)[-1]


@pytest.mark.parametrize("step", ["config_complete", "get_ready", "after_fork"])
@pytest.mark.parametrize("body", ["return nil, { message = 'no' }", "return pcall(error, 'no', 0)"])
def test_steps_of_the_start_keep_nbdkit_from_starting(expect_failure, step, body):
    assert expect_failure(DISK + f"function {step}() {body} end") == f"{step}: no"


@pytest.mark.skipif(under_test().engine in ("lua51", "luajit"), reason="os.execute returns a number")
@pytest.mark.parametrize(
    "body, words",
    [
        ("return os.execute('exit 28')", "exit status 28"),
        ("return os.execute('kill -9 $$')", "killed by signal 9"),
        ("return io.popen('exit 28'):close()", "exit status 28"),
    ],
)
def test_how_a_process_ended(serve, body, words):
    server = serve(DISK + f"function pwrite() {body} end function flush() os.execute('exit 1') end")
    client = server.connect()
    client.flush()
    with pytest.raises(nbd.Error) as error:
        client.pwrite(bytes(512), 0)
    assert error.value.errno == "EIO"
    assert server.errors()[0].endswith(words)


CAUGHT = "local _, caught = pcall(nbdkit.error, 'EPERM', 'inner words') "


@pytest.mark.parametrize(
    "body, errno, words",
    [
        ("error({ errno = 'ENOSPC', message = caught })", "ENOSPC", "inner words"),
        ("error({ errno = 'ENOSPC', message = { message = caught } })", "ENOSPC", "inner words"),
        ("error({ message = caught })", "EIO", "inner words"),
        ("error({ errno = 'ENOSPC', message = 42 })", "ENOSPC", "42"),
        ("error({ errno = 'ENOSPC', message = {} })", "ENOSPC", "message = table"),
        ("local e = { errno = 28 } e.message = e error(e)", "ENOSPC", "message = table"),
        ("nbdkit.error('ENOSPC', caught)", "ENOSPC", "inner words"),
        ("nbdkit.error('ENOSPC', 42)", "ENOSPC", "42"),
        ("nbdkit.error('ENOSPC', 0.5)", "ENOSPC", "0.5"),
        ("nbdkit.error('ENOSPC', { code = 5 })", "ENOSPC", "{code = 5}"),
        ("nbdkit.error('ENOSPC', io.stdout)", "ENOSPC", "file (0x"),
        ("error(setmetatable({ message = 'full' }, { __index = { errno = 28 } }))", "ENOSPC", "full"),
    ],
)  # fmt: skip
def test_an_error_that_is_the_message_of_another(serve, language, body, errno, words):
    found, line = failed_read(serve, language, CAUGHT + body)
    assert (found, words in line) == (errno, True), line


def test_messages_of_the_debug_log(serve, language):
    server = serve(
        DISK + "function pwrite() nbdkit.debug(42) nbdkit.debug(-0.5) " + CAUGHT
        + "nbdkit.debug(caught) end",
        verbose=True,
    )  # fmt: skip
    server.connect().pwrite(bytes(512), 0)
    log = server.log().decode()
    for words in ("debug: 42\n", "debug: -0.5\n", "inner words\n"):
        assert words in log
