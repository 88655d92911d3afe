"""What a callback may get wrong while it serves: one line in the log, and the server goes on."""

import re

import nbd
import pytest

# Reads at offset 0 go wrong, all others do not.
DISK = """
    local function bad(h, count, offset)
        %s
    end
    function open(readonly) return 1 end
    function get_size(h) return 65536 end
    function pread(h, count, offset)
        if offset == 0 then return bad(h, count, offset) end
        return string.rep("x", count)
    end
"""


def goes_on(server, client):
    """Whether a connection still works, and the server for others."""
    assert client.pread(512, 512) == b"x" * 512
    other = server.connect()
    assert other.pread(4096, 4096) == b"x" * 4096
    other.shutdown()
    assert client.pread(512, 1024) == b"x" * 512


def failed_read(serve, body, count=512):
    """Serves a disk whose first read is `body`, and returns the line in the log about it."""
    server = serve(DISK % body)
    client = server.connect()
    with pytest.raises(nbd.Error) as error:
        client.pread(count, 0)
    assert error.value.errno == "EIO"
    goes_on(server, client)
    code, _ = server.stop()
    lines = server.errors()
    assert code == 0
    assert len(lines) == 1, lines
    prefix = "nbdkit: lua[1]: error: pread: "
    assert lines[0].startswith(prefix), lines
    return lines[0].removeprefix(prefix)


@pytest.mark.parametrize(
    "body, kind",
    [
        ("return", "nil"),
        ("return {}", "table"),
        ("return true", "boolean"),
        ("return print", "function"),
        ("return coroutine.create(function() end)", "thread"),
        ("return io.stdout", "userdata"),
    ],
)
def test_read_that_is_no_string(serve, body, kind):
    line = failed_read(serve, body)
    assert line.startswith("return value is not a string") and kind in line


@pytest.mark.parametrize("length", [0, 1, 100, 511])
def test_read_that_is_too_short_says_how_short(serve, length):
    line = failed_read(serve, f'return string.rep("y", {length})')
    assert line == f"returned {length} bytes, expected 512"


def test_read_that_is_too_long_is_cut(serve):
    server = serve(DISK % 'return string.rep("y", count) .. string.rep("z", 100000)')
    client = server.connect()
    assert client.pread(512, 0) == b"y" * 512
    goes_on(server, client)
    assert server.errors() == []


def test_read_that_is_a_number_is_its_text(serve):
    # As everywhere in Lua, and in the official plugin.
    server = serve(DISK % "return 1234567")
    client = server.connect()
    assert client.pread(7, 0) == b"1234567"
    assert client.pread(3, 0) == b"123"
    assert server.errors() == []


def test_error_in_a_callback_of_a_c_function(serve, language):
    # LuaJIT crashes over this without nbdkit as well: it does not count its own calls of C there.
    calls_itself = "return (('x'):rep(9):gsub('.', function() return bad() end))"
    shallow = "return (('x'):rep(9):gsub('.', function() error('inside', 0) end))"
    if language.engine == "luajit":
        assert failed_read(serve, shallow) == "inside"
    else:
        assert "C stack overflow" in failed_read(serve, calls_itself)


@pytest.mark.parametrize(
    "body, line",
    [
        ('error("text")', "disk.lua:3: text"),
        ('error("text", 0)', "text"),
        ('error("")', "disk.lua:3:"),
        ("error(42)", "42"),
        ("error(-0.5)", "-0.5"),
        ("error('50% of 100%s %n')", "disk.lua:3: 50% of 100%s %n"),
        ("error(nil)", "error value is nil"),
        ("error()", "error value is nil"),
        ("error(true)", "error value is a boolean"),
        ("error(print)", "error value is a function"),
        ("error({})", "error value is a table"),
        ("error({ code = 5 })", "error value is a table: {code = 5}"),
        ('error({ "first" })', "first"),
        ("error(setmetatable({}, { __tostring = function() return 'own text' end }))", "own text"),
        ("error(setmetatable({}, { __tostring = function() error('deep') end }))", "__tostring"),
        ("error(setmetatable({}, { __tostring = function() return 5 end }))", "5"),
        ("error(setmetatable({}, { __index = function() error('deep') end }))", "table"),
        ("error(setmetatable({}, { __pairs = function() error('deep') end }))", "table"),
        ("error(setmetatable({}, { __metatable = false }))", "table"),
        ("error(io.stdout)", "file (0x"),
        ("error(coroutine.create(function() end))", "error value is a thread"),
        (r"error('a\0b', 0)", r"a\0b"),
        (r"error('two\n  lines\n', 0)", "two lines"),
        (r"error('\27[31mred\r', 0)", r"\x1b[31mred"),
        (r"error('caf\195\169 \255\254', 0)", "caf\u00e9 \\xff\\xfe"),
        ("local x = nil; x.y = 1", "disk.lua:3: attempt to index"),
        ("undefined_function()", "disk.lua:3: attempt to call"),
        ("assert(false)", "assertion failed!"),
        ("assert(io.open('/nonexistent/file'))", "/nonexistent/file: No such file or directory"),
        ("local function f() return 1 + f() end f()", "stack overflow"),
        ("local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end "
         "return t.x", "overflow"),
        ("coroutine.yield(1)", "attempt to yield"),
        ("return coroutine.wrap(function() error('inside', 0) end)()", "inside"),
        ("load = load or loadstring error(load('= 1'))", ""),
        ("string.rep('x', -1):bad()", "attempt to call"),
    ],
)  # fmt: skip
def test_errors_of_every_kind(serve, body, line):
    found = failed_read(serve, body)
    # The longer ones are Lua's, whose words differ a little from release to release.
    assert line in found, found
    # Nothing of mlua, or of a Rust value, is for the eyes of whoever wrote the script.
    assert not re.search(r"runtime error|stack traceback|Error\(|RuntimeError|\[C\]", found)


def test_userdata_with_tostring(serve, language):
    if language.release < (5, 2):
        make = "newproxy(true)"
    else:
        # Any userdata will do, and only files are at hand.
        make = "io.tmpfile()"
    line = failed_read(
        serve,
        f"local u = {make}; local m = getmetatable(u); local old = m.__tostring "
        "m.__tostring = function() return 'a userdata says' end "
        "error(u)",
    )
    assert line == "a userdata says"


def test_a_megabyte_of_text_is_cut(serve):
    line = failed_read(serve, 'error(string.rep("long ", 200000), 0)')
    assert line.startswith("long long long ")
    assert 1000 < len(line) < 5000
    assert line.endswith("(cut: 1000000 bytes in all)")


@pytest.mark.parametrize(
    "size, said",
    [
        ("nil", "nil"),
        ('"hello"', '"hello"'),
        ("{}", "table"),
        ("true", "boolean"),
        ("-1", "-1"),
        ("-512.0", "-512"),
        ("0.5", "0.5"),
        ("1e300", ""),
        ("2 ^ 63", ""),
        ("-2 ^ 63 - 2048", ""),
        ("0/0", "NaN"),
        ("1/0", "inf"),
        ("-1/0", "-inf"),
        ('"0x"', '"0x"'),
        ('""', '""'),
    ],
)
def test_size_that_is_none(serve, size, said):
    script = DISK % "" + f"""
        local sizes = {{ {size} }}
        local size = {size}
        local asked = 0
        -- The first client has bad luck, the second has not.
        function get_size(h)
            asked = asked + 1
            if asked == 1 then return size end
            return 65536
        end
    """
    server = serve(script)
    with pytest.raises(nbd.Error):
        server.connect()
    goes_on(server, server.connect())
    code, _ = server.stop()
    assert code == 0
    (line,) = server.errors()
    prefix = "nbdkit: lua[1]: error: get_size: "
    assert line.startswith(prefix)
    assert said.lower() in line.removeprefix(prefix).lower()


@pytest.mark.parametrize("callback", ["can_write", "can_flush", "can_trim", "is_rotational"])
@pytest.mark.parametrize(
    "answer, said",
    [
        ("return", "nil"),
        ("return 1", "number"),
        ("return 'true'", "string"),
        ("return {}", "table"),
        ("error('cannot say')", "disk.lua:17: cannot say"),
    ],
    ids=["nil", "number", "string", "table", "error"],
)
def test_answer_that_is_no_boolean(serve, callback, answer, said):
    script = DISK % "" + f"""
        function pwrite(h, buf, offset) end
        local asked = 0
        function {callback}(h)
            asked = asked + 1
            if asked > 1 then return true end
            {answer}
        end
    """
    server = serve(script)
    with pytest.raises(nbd.Error):
        server.connect()
    goes_on(server, server.connect())
    code, _ = server.stop()
    assert code == 0
    (line,) = server.errors()
    prefix = f"nbdkit: lua[1]: error: {callback}: "
    assert line.startswith(prefix)
    text = line.removeprefix(prefix)
    assert said in text.replace("integer", "number")
    if "error" not in answer:
        assert text.startswith("return value is not a boolean")


def test_open_that_fails(serve):
    script = DISK % "" + """
        local opened = 0
        function open(readonly)
            opened = opened + 1
            if opened == 1 then error("not yet") end
            return 1
        end
    """
    server = serve(script)
    with pytest.raises(nbd.Error):
        server.connect()
    goes_on(server, server.connect())
    assert server.stop() == (0, b"nbdkit: lua[1]: error: open: disk.lua:15: not yet\n")


def test_close_that_fails(serve):
    server = serve(DISK % "" + 'function close(h) error("no end") end\n')
    goes_on(server, server.connect())
    code, _ = server.stop()
    assert code == 0
    lines = sorted(server.errors())
    assert lines == [f"nbdkit: lua[{n}]: error: close: disk.lua:11: no end" for n in (1, 2)]


@pytest.mark.parametrize("name", ["pwrite", "flush", "trim", "zero"])
def test_each_other_request_that_fails(serve, name):
    defined = "".join(
        f"""
        function {each}(h, count, offset)
            if "{each}" == "{name}" then error({{ "no", "text" }}) end
        end
        """
        for each in ("pwrite", "flush", "trim", "zero")
    )
    server = serve(DISK % "" + defined)
    client = server.connect()
    requests = {
        "pwrite": lambda: client.pwrite(bytes(512), 0),
        "flush": lambda: client.flush(),
        "trim": lambda: client.trim(512, 0),
        "zero": lambda: client.zero(512, 0),
    }
    with pytest.raises(nbd.Error) as error:
        requests[name]()
    assert error.value.errno == "EIO"
    for other in requests.keys() - {name}:
        requests[other]()
    goes_on(server, client)
    (line,) = server.errors()
    assert line.startswith(f"nbdkit: lua[1]: error: {name}: error value is a table")
