"""Which error number reaches the client, by each of the ways in which a script may name one."""

import errno
import re

import nbd
import pytest

# What nbdkit 1.32 makes of an errno on the way to the client.
SENT = {
    "EPERM": "EPERM",
    "EROFS": "EPERM",
    "EIO": "EIO",
    "ENOMEM": "ENOMEM",
    "EINVAL": "EINVAL",
    "ENOSPC": "ENOSPC",
    "EFBIG": "ENOSPC",
    "EDQUOT": "ENOSPC",
    "ESHUTDOWN": "ESHUTDOWN",
    # The protocol has ENOTSUP for a fast zero alone, and no others.
    "EOPNOTSUPP": "EINVAL",
    "ENOTSUP": "EINVAL",
    "EOVERFLOW": "EINVAL",
    "ENOENT": "EINVAL",
    "EACCES": "EINVAL",
    "EBUSY": "EINVAL",
    "ETIMEDOUT": "EINVAL",
}

DISK = """
    function open(readonly) return {} end
    function get_size(h) return 65536 end
    function pread(h, count, offset)
        if offset ~= 0 then return string.rep("x", 512) end
        %s
    end
"""


def failed_read(serve, body, **options):
    """The errno of a failed read, and the line in the log about it."""
    server = serve(DISK % body, **options)
    client = server.connect()
    with pytest.raises(nbd.Error) as error:
        client.pread(512, 0)
    assert client.pread(512, 512) == b"x" * 512
    line = [line for line in server.errors() if "error: pread: " in line][-1]
    return error.value.errno, line.removeprefix("nbdkit: lua[1]: error: pread: ")


WAYS = {
    "set_error by name": ('nbdkit.set_error("%s") error("why")', "disk.lua:6: why"),
    "set_error by number": ('nbdkit.set_error(nbdkit.errno.%s) error("why")', "disk.lua:6: why"),
    "error by name": ('nbdkit.error("%s", "why")', "disk.lua:6: why"),
    "error by number": ('nbdkit.error(nbdkit.errno.%s, "why")', "disk.lua:6: why"),
    "a table with a name": ('error({ errno = "%s", message = "why" })', "why"),
    "a table with a number": ('error({ errno = nbdkit.errno.%s, message = "why" })', "why"),
    "nil, message, name": ('return nil, "why", "%s"', "why"),
    "nil, message, number": ('return nil, "why", nbdkit.errno.%s', "why"),
    "set_error and nil, message": ('nbdkit.set_error("%s") return nil, "why"', "why"),
}


@pytest.mark.parametrize("name", SENT)
@pytest.mark.parametrize("way", WAYS)
def test_errno_by_each_way(serve, name, way):
    body, message = WAYS[way]
    assert failed_read(serve, body % name) == (SENT[name], message)


@pytest.mark.parametrize(
    "body, expected",
    [
        ("error('why')", "EIO"),
        ("error({ message = 'why' })", "EIO"),
        ("error({ errno = 0, message = 'why' })", "EIO"),
        ("error({ errno = -28, message = 'why' })", "EIO"),
        ("error({ errno = 2 ^ 40, message = 'why' })", "EIO"),
        ("error({ errno = 28.5, message = 'why' })", "EIO"),
        ("error({ errno = 'ENOSPACE', message = 'why' })", "EIO"),
        ("error({ errno = {}, message = 'why' })", "EIO"),
        ("error({ errno = 28.0, message = 'why' })", "ENOSPC"),
        ("return nil, 'why'", "EIO"),
        ("return nil, 'why', 0", "EIO"),
        ("return nil, 'why', -28", "EIO"),
        ("return nil, 'why', 2 ^ 40", "EIO"),
        ("return nil, 'why', 'ENOSPACE'", "EIO"),
        ("return nil, 'why', {}", "EIO"),
        ("nbdkit.set_error('EPERM') nbdkit.error('ENOSPC', 'why')", "ENOSPC"),
        ("nbdkit.set_error('EPERM') nbdkit.set_error('ENOSPC') error('why')", "ENOSPC"),
        ("nbdkit.set_error('ENOSPC') error({ message = 'why' })", "ENOSPC"),
        # What nobody handled goes on as it is.
        ("local ok, e = pcall(nbdkit.error, 'ENOSPC', 'why') error(e)", "ENOSPC"),
        ("local ok, e = pcall(nbdkit.error, 'ENOSPC', 'why') error(e, 0)", "ENOSPC"),
        ("coroutine.wrap(function() nbdkit.error('ENOSPC', 'why') end)()", "ENOSPC"),
        # What was handled does not.
        ("pcall(nbdkit.error, 'ENOSPC', 'no') error('why')", "EIO"),
        ("pcall(error, { errno = 28 }) error('why')", "EIO"),
        ("pcall(nbdkit.parse_size, 'x') error('why')", "EIO"),
    ],
)
def test_which_of_several_and_what_is_none(serve, body, expected):
    found, line = failed_read(serve, body)
    assert found == expected
    assert "why" in line


def test_error_is_a_table_that_can_be_looked_at(serve):
    server = serve(DISK % """
        local ok, found = pcall(function() nbdkit.error("ENOSPC", "no room") end)
        local plain = rawget(found, "errno") == nbdkit.errno.ENOSPC
        local parts = { tostring(ok), type(found), tostring(plain), found.message, tostring(found) }
        return table.concat(parts, "|") .. string.rep(" ", 512)
    """)
    assert server.connect().pread(512, 0).decode().rstrip() == (
        "false|table|true|disk.lua:7: no room|disk.lua:7: no room"
    )


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "callback", ["pread", "pwrite", "flush", "trim", "zero", "cache", "extents"]
)
@pytest.mark.parametrize(
    "body",
    [
        "nbdkit.error('ENOSPC', 'why')",
        "return nil, 'why', nbdkit.errno.ENOSPC",
        "return nil, 'why', 'ENOSPC'",
        "nbdkit.set_error('ENOSPC') error('why')",
    ],
)
def test_from_every_callback_of_data(serve, version, callback, body):
    defined = "".join(
        f"function {name}(h, ...) {body if name == callback else ''} end\n"
        for name in ("pread", "pwrite", "flush", "trim", "zero", "cache", "extents")
    )
    server = serve(f"API_VERSION = {version}\n{DISK % ''}\n{defined}")
    client = server.connect()
    requests = {
        "pread": lambda: client.pread(512, 0),
        "pwrite": lambda: client.pwrite(bytes(512), 0),
        "flush": client.flush,
        "trim": lambda: client.trim(512, 0),
        "zero": lambda: client.zero(512, 0),
        "cache": lambda: client.cache(512, 0),
        "extents": lambda: client.block_status(512, 0, lambda *_: 0),
    }
    with pytest.raises(nbd.Error) as error:
        requests[callback]()
    assert error.value.errno == "ENOSPC"
    (line,) = server.errors()
    assert re.fullmatch(rf"nbdkit: lua\[1\]: error: {callback}: (disk\.lua:\d+: )?why", line)


@pytest.mark.parametrize("callback", ["open", "get_size"])
@pytest.mark.parametrize(
    "body",
    ["nbdkit.error('ENOSPC', 'why')", "return nil, 'why', 28", "return nil, 'why'", "error('why')"],
)
def test_from_the_start_of_a_connection(serve, callback, body):
    server = serve(f"""{DISK % ''}
        local asked = 0
        function {callback}() asked = asked + 1 if asked == 1 then {body} end return 65536 end
    """)
    with pytest.raises(nbd.Error):
        server.connect()
    assert server.connect().pread(512, 512) == b"x" * 512
    (line,) = server.errors()
    assert re.fullmatch(rf"nbdkit: lua\[1\]: error: {callback}: (disk\.lua:\d+: )?why", line)


def test_open_that_returns_nil_has_nil_for_a_handle(serve):
    server = serve("""
        function open(readonly) return nil end
        function get_size(h) return h == nil and 512 or 0 end
        function pread(h, count, offset) return string.rep(type(h):sub(1, 1), count) end
    """)
    assert server.connect().pread(2, 0) == b"nn"


def test_functions_of_io_fail_the_request_as_they_fail(serve, tmp_path):
    script = """
        API_VERSION = 2
        function open(readonly) return {} end
        function get_size(h) return 65536 end
        function pread(h, buf) end
        function pwrite(h, buf) return io.open("/no/such/file") end
        function flush(h) return os.remove("/no/such/file") end
        function trim(h) return os.rename("/no/such/file", "/no/such/other") end
    """
    server = serve(script)
    client = server.connect()
    for request in (
        lambda: client.pwrite(b"x", 0),
        client.flush,
        lambda: client.trim(512, 0),
    ):
        with pytest.raises(nbd.Error) as error:
            request()
        # ENOENT, which the protocol does not have.
        assert error.value.errno == "EINVAL"
    lines = [line.removeprefix("nbdkit: lua[1]: error: ") for line in server.errors()]
    # os.rename does not say which file in every release of Lua.
    lines[2] = lines[2].replace("/no/such/file: ", "")
    assert lines == [
        "pwrite: /no/such/file: No such file or directory",
        "flush: /no/such/file: No such file or directory",
        "trim: No such file or directory",
    ]


def test_full_device(serve):
    server = serve("""
        function open(readonly)
            local file = assert(io.open("/dev/full", "w"))
            file:setvbuf("no")
            return file
        end
        function close(h) h:close() end
        function get_size(h) return 65536 end
        function pread(h, count) return string.rep("x", count) end
        function pwrite(h, buf, offset) return h:write(buf) end
    """)
    with pytest.raises(nbd.Error) as error:
        server.connect().pwrite(bytes(512), 0)
    assert error.value.errno == "ENOSPC"


def test_set_error_without_an_error_is_forgotten(serve):
    server = serve("""
        function open(readonly) return {} end
        function get_size(h) nbdkit.set_error("EPERM") return 65536 end
        function pread(h, count, offset)
            if offset == 512 then error("why") end
            if offset == 1024 then return "short" end
            nbdkit.set_error("ENOSPC")
            return string.rep("x", count)
        end
        function flush(h) error({ message = "why" }) end
        function trim(h) return nil, "why" end
    """)
    client, other = server.connect(), server.connect()
    for request in (
        lambda: client.pread(512, 512),
        lambda: client.pread(512, 1024),
        lambda: other.pread(512, 512),
        client.flush,
    ):
        assert client.pread(512, 0) == b"x" * 512
        with pytest.raises(nbd.Error) as error:
            request()
        assert error.value.errno == "EIO"


def test_traceback_is_in_the_debug_log_only(serve):
    body = """
        local function deeper() error("why") end
        deeper()
    """
    for verbose in (False, True):
        server = serve(DISK % body, verbose=verbose)
        with pytest.raises(nbd.Error):
            server.connect().pread(512, 0)
        assert server.errors() == ["nbdkit: lua[1]: error: pread: disk.lua:7: why"]
        debug = [line for line in server.log().decode().splitlines() if "debug: " in line]
        assert any("stack traceback" in line for line in debug) is verbose
        assert any("disk.lua:8" in line for line in debug) is verbose


def test_numbers_are_those_of_this_system(serve):
    # Any errno that Python knows: the name and the number are one error.
    for name in ("ENOSPC", "ENOMEM", "EPERM", "ESHUTDOWN"):
        by_number = failed_read(serve, f'nbdkit.error({getattr(errno, name)}, "why")')
        assert by_number == (SENT[name], "disk.lua:6: why")


@pytest.mark.parametrize(
    "body",
    ["error(text, 0)", "error({ message = text })", "nbdkit.error('ENOSPC', text)",
     "return nil, text, 28"],
)  # fmt: skip
def test_message_that_is_larger_than_what_memory_is_left(serve, body):
    # The message is there once; there is no room for it to be there three times.
    server = serve(
        DISK % f"local text = string.rep('long ', 2 ^ 20 * 20) {body}",
        prefix=("prlimit", f"--as={512 << 20}"),
    )
    client = server.connect()
    with pytest.raises(nbd.Error) as error:
        client.pread(512, 0)
    assert error.value.errno in ("EIO", "ENOMEM", "ENOSPC")
    assert client.pread(512, 512) == b"x" * 512
