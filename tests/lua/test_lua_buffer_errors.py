"""Misused buffers in Lua: values of other types, collectors and coroutines."""

import pytest

import evaluating

DISK = """
    API_VERSION = 2
    function open(readonly) return {} end
    function get_size(h) return 2 ^ 30 end
"""


@pytest.fixture
def lua(serve, language):
    lua = evaluating.evaluator(serve, language)
    lua.run('buf = nbdkit.buffer("0123456789abcdef")')
    return lua


def unharmed(lua):
    return lua.value("return buf:tostring()") == "0123456789abcdef"


@pytest.mark.parametrize(
    "call, line",
    [
        ("buf:readu8(nil)", "buffer:readu8: argument 1: found nil, expected a number"),
        ("buf:readu8('0')", "buffer:readu8: argument 1: found string, expected a number"),
        ("buf:readu8({})", "buffer:readu8: argument 1: found table, expected a number"),
        ("buf:readu8(buf)", "buffer:readu8: argument 1: found userdata, expected a number"),
        ("buf:readu8(0, nil)", "buffer:readu8: 2 arguments, expected at most 1"),
        ("buf:writeu8(0, '1')", "buffer:writeu8: argument 2: found string, expected a number"),
        ("buf:writeu8(0, true)", "buffer:writeu8: argument 2: found boolean, expected a number"),
        ("buf:writei64(0, 0/0)",
         "buffer:writei64: argument 2, the value: found NaN, expected a whole number"),
        ("buf:writef64(0, '1')", "buffer:writef64: argument 2: found string, expected a number"),
        ("buf:writestring(0, 5)", "buffer:writestring: argument 2: found 5, expected a string"),
        ("buf:writestring(0, buf)",
         "buffer:writestring: argument 2: found userdata, expected a string"),
        ("buf:copy(0, io.stdout)", "buffer:copy: argument 2: found userdata, expected a buffer"),
        ("buf.tostring()", "buffer:tostring: found nothing, expected a buffer"),
        ("buf.len()", "buffer:len: found nothing, expected a buffer"),
        ("buf.readu8('0123')", "buffer:readu8: found string, expected a buffer"),
        ("buf.readu8(io.stdout, 0)", "buffer:readu8: found userdata, expected a buffer"),
        ("buf.readu8({}, 0)", "buffer:readu8: found table, expected a buffer"),
        ("buf.readu8(0)", "buffer:readu8: found 0, expected a buffer"),
        ("buf.writeu8(nil, 0, 0)", "buffer:writeu8: found nil, expected a buffer"),
        ("buf.copy('x', 0, buf)", "buffer:copy: found string, expected a buffer"),
        ("buf.fill(coroutine.create(function() end), 0, 0)",
         "buffer:fill: found thread, expected a buffer"),
        ("nbdkit.buffer('x', nil)",
         "nbdkit.buffer: 2 arguments, expected 1: a size in bytes, or a string"),
        ("nbdkit.buffer(nil)", "nbdkit.buffer: argument 1: found nil, expected a"),
        ("nbdkit.buffer({})", "nbdkit.buffer: argument 1: found table, expected a"),
        ("nbdkit.buffer(0/0)",
         "nbdkit.buffer: argument 1, the size: found NaN, expected a whole number"),
        ("nbdkit.disk(5, 5)", "nbdkit.disk: argument 1: found 5, expected a string"),
        ("nbdkit.disk('d', '5')", "nbdkit.disk: argument 2: found string, expected a number"),
        # A misspelt variable is nil, which does not count as 0 before other arguments.
        ("buf:copy(0, buf, nil, 1)", "buffer:copy: argument 3: found nil, expected a number"),
        ("buf:copy(0, nbdkit.buffer(8), nil, 1)",
         "buffer:copy: argument 3: found nil, expected a number"),
        ("buf:writestring(nil, 'x', 1)",
         "buffer:writestring: argument 1: found nil, expected a number"),
        ("buf:fill(0, nil, 1)", "buffer:fill: argument 2: found nil, expected a number"),
    ],
)  # fmt: skip
def test_wrong_arguments(lua, call, line):
    assert lua.error(call).startswith(f"code:1: {line}")
    assert unharmed(lua)


def test_lent_buffer_in_a_coroutine(serve):
    client = serve(DISK + """
        local writer = coroutine.wrap(function(buf)
            while true do
                local ok = pcall(buf.writestring, buf, 0, "from a coroutine")
                -- It wakes in the next request, when the buffer it has is gone.
                local previous = buf
                buf = coroutine.yield(ok)
                if pcall(previous.readu8, previous, 0) then buf:writestring(0, "still there") end
            end
        end)
        function pread(h, buf, offset, flags)
            if not writer(buf) then error("could not write") end
        end
    """).connect()
    for _ in range(3):
        assert client.pread(20, 0) == b"from a coroutine\0\0\0\0"


def test_lent_buffer_under_a_busy_collector(serve):
    client = serve(DISK + """
        local kept = {}
        function pread(h, buf, offset, flags)
            kept[#kept + 1] = buf
            buf:fill(0, 0x61)
            collectgarbage()
            for i = 1, 50 do nbdkit.buffer(i * 100):fill(0, 0x62) end
            collectgarbage()
            if #kept > 20 then kept = {} end
            buf:writeu8(0, 0x7a)
        end
    """).connect()
    for _ in range(100):
        assert client.pread(512, 0) == b"z" + b"a" * 511