"""Buffers used wrongly: a clear error with its place in the script, and no harm done."""

import re

import nbd
import pytest

import evaluating

READS = "i8 u8 i16 u16 i32 u32 i64 f32 f64 i16be u16be i32be u32be i64be f32be f64be".split()
SIZES = {name: int(re.search(r"\d+", name)[0]) // 8 for name in READS}

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


@pytest.mark.parametrize("name", READS)
def test_each_read_and_write_ends_where_the_buffer_does(lua, name):
    size = SIZES[name]
    last = 16 - size
    lua.run(f"last = nbdkit.buffer(16) last:write{name}({last}, last:read{name}({last}))")
    for offset in (last + 1, 16, 17, 2**31, 2**32, 2**40):
        line = (
            f"code:1: offset {offset} and {size} bytes from there are past the end of the buffer, "
            "which has 16 bytes"
        )
        assert lua.error(f"buf:read{name}({offset})") == line
        assert lua.error(f"buf:write{name}({offset}, 1)") == line
    assert unharmed(lua)


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize(
    "offset, found",
    [
        ("-1", "-1"),
        ("-16", "-16"),
        ("0.5", "0.5"),
        ("-0.5", "-0.5"),
        ("0/0", "NaN"),
        ("1/0", "inf"),
        ("-1/0", "-inf"),
        ("2 ^ 63", "92233720368547"),
    ],
)
def test_offset_that_counts_no_bytes(lua, name, offset, found):
    for call in (f"buf:read{name}({offset})", f"buf:write{name}({offset}, 1)"):
        line = lua.error(call)
        assert line.startswith(f"code:1: argument 2, the offset: found {found}"), line
        assert line.endswith(", expected a whole number from 0 on")
    assert unharmed(lua)


def test_huge_number_does_not_push_the_rest_out_of_the_message(lua):
    for number in ("1e300", "-1e300", "1e-300"):
        line = lua.error(f"buf:readu8({number})")
        assert line.endswith(", expected a whole number from 0 on"), line


@pytest.mark.parametrize(
    "call, line",
    [
        ("buf:readu8()", "argument 2: found no value, expected a number"),
        ("buf:readu8(nil)", "argument 2: found nil, expected a number"),
        ("buf:readu8('0')", "argument 2: found string, expected a number"),
        ("buf:readu8({})", "argument 2: found table, expected a number"),
        ("buf:readu8(buf)", "argument 2: found userdata, expected a number"),
        ("buf:readu8(0, 0)", "2 arguments, expected at most 1"),
        ("buf:readu8(0, nil)", "2 arguments, expected at most 1"),
        ("buf:writeu8(0)", "argument 3: found no value, expected a number"),
        ("buf:writeu8(0, '1')", "argument 3: found string, expected a number"),
        ("buf:writeu8(0, true)", "argument 3: found boolean, expected a number"),
        ("buf:writeu8(0, 0.5)", "argument 3, the value: expected a whole number"),
        ("buf:writei64(0, 0/0)", "argument 3, the value: expected a whole number"),
        ("buf:writei64(0, 1/0)", "argument 3, the value: expected a whole number"),
        ("buf:writei64(0, -1/0)", "argument 3, the value: expected a whole number"),
        ("buf:writei64(0, 1e19)", "argument 3, the value: expected a whole number"),
        ("buf:writef64(0, '1')", "argument 3: found string, expected a number"),
        ("buf:writeu8(0, 1, 2)", "3 arguments, expected at most 2"),
        ("buf:readstring()", "argument 2: found no value, expected a number"),
        ("buf:readstring(0)", "argument 3: found no value, expected a number"),
        ("buf:readstring(0, -1)",
         "argument 3, the count: found -1, expected a whole number from 0 on"),
        ("buf:readstring(0, 17)", "offset 0 and 17 bytes from there are past the end"),
        ("buf:readstring(16, 1)", "offset 16 and 1 bytes from there are past the end"),
        ("buf:readstring(17, 0)", "offset 17 and 0 bytes from there are past the end"),
        ("buf:readstring(2 ^ 52, 2 ^ 52)", "offset 4503599627370496 and 4503599627370496 bytes"),
        ("buf:readstring(0, 1, 2)", "3 arguments, expected at most 2"),
        ("buf:writestring(0)", "argument 3: found no value, expected a string"),
        ("buf:writestring(0, 5)", "argument 3: found number, expected a string"),
        ("buf:writestring(0, buf)", "argument 3: found userdata, expected a string"),
        ("buf:writestring(14, 'abc')", "offset 14 and 3 bytes from there are past the end"),
        ("buf:writestring(17, '')", "offset 17 and 0 bytes from there are past the end"),
        ("buf:writestring(0, 'abc', 4)", "the count is 4, but the string has 3 bytes"),
        ("buf:writestring(0, 'abc', -1)", "argument 4, the count: found -1, expected a whole"),
        ("buf:writestring(0, 'abc', '1')", "argument 4: found string, expected a number"),
        ("buf:writestring(0, 'a', 1, 1)", "4 arguments, expected at most 3"),
        ("buf:copy()", "argument 2: found no value, expected a number"),
        ("buf:copy(0)", "argument 3: found no value, expected a buffer"),
        ("buf:copy(0, 'abc')", "argument 3: found string, expected a buffer"),
        ("buf:copy(0, io.stdout)", "argument 3: found userdata, expected a buffer"),
        ("buf:copy(1, buf)", "offset 1 and 16 bytes from there are past the end"),
        ("buf:copy(1, nbdkit.buffer(16))", "offset 1 and 16 bytes from there are past the end"),
        ("buf:copy(0, nbdkit.buffer(17))", "offset 0 and 17 bytes from there are past the end"),
        ("buf:copy(0, buf, 17)", "offset 17 and 0 bytes from there are past the end"),
        ("buf:copy(0, nbdkit.buffer(4), 5)",
         "offset 5 and 0 bytes from there are past the end of the buffer, which has 4 bytes"),
        ("buf:copy(0, nbdkit.buffer(4), 2, 3)",
         "offset 2 and 3 bytes from there are past the end of the buffer, which has 4 bytes"),
        ("buf:copy(0, buf, 8, 9)", "offset 8 and 9 bytes from there are past the end"),
        ("buf:copy(-1, buf)", "argument 2, the target offset: found -1"),
        ("buf:copy(0, buf, -1)", "argument 4, the source offset: found -1"),
        ("buf:copy(0, buf, 0, -1)", "argument 5, the count: found -1"),
        ("buf:copy(0, buf, 0, 1, 1)", "5 arguments, expected at most 4"),
        ("buf:fill()", "argument 2: found no value, expected a number"),
        ("buf:fill(0)", "argument 3: found no value, expected a number"),
        ("buf:fill(0, 'x')", "argument 3: found string, expected a number"),
        ("buf:fill(0, 0.5)", "argument 3, the byte: expected a whole number"),
        ("buf:fill(17, 0)", "offset 17 and 0 bytes from there are past the end"),
        ("buf:fill(0, 0, 17)", "offset 0 and 17 bytes from there are past the end"),
        ("buf:fill(0, 0, -1)", "argument 4, the count: found -1"),
        ("buf:fill(0, 0, 1, 1)", "4 arguments, expected at most 3"),
        ("buf:tostring(1)", "1 arguments, expected at most 0"),
        ("buf.tostring()", "argument 1: found no value, expected a buffer"),
        ("buf.len()", "argument 1: found no value, expected a buffer"),
        ("buf.readu8('0123')", "argument 1: found string, expected a buffer"),
        ("buf.readu8(io.stdout, 0)", "argument 1: found userdata, expected a buffer"),
        ("buf.readu8({}, 0)", "argument 1: found table, expected a buffer"),
        ("buf.readu8(0)", "argument 1: found number, expected a buffer"),
        ("buf.writeu8(nil, 0, 0)", "argument 1: found nil, expected a buffer"),
        ("buf.copy('x', 0, buf)", "argument 1: found string, expected a buffer"),
        ("buf.fill(coroutine.create(function() end), 0, 0)", "argument 1: found thread, expected a buffer"),
        ("nbdkit.buffer()", "0 arguments, expected 1: a size in bytes, or a string"),
        ("nbdkit.buffer(1, 2)", "2 arguments, expected 1: a size in bytes, or a string"),
        ("nbdkit.buffer('x', nil)", "2 arguments, expected 1: a size in bytes, or a string"),
        ("nbdkit.buffer(nil)", "argument 1: found nil, expected a"),
        ("nbdkit.buffer({})", "argument 1: found table, expected a"),
        ("nbdkit.buffer(-1)", "argument 1, the size: found -1, expected a whole number from 0 on"),
        ("nbdkit.buffer(1.5)", "argument 1, the size: found 1.5, expected a whole number"),
        ("nbdkit.buffer(0/0)", "argument 1, the size: found NaN, expected a whole number"),
        ("nbdkit.buffer(1/0)", "argument 1, the size: found inf, expected a whole number"),
    ],
)  # fmt: skip
def test_wrong_arguments(lua, call, line):
    assert lua.error(call).startswith(f"code:1: {line}")
    assert unharmed(lua)


def test_a_failed_copy_or_write_changes_nothing(lua):
    for call in ("buf:copy(8, buf, 0, 9)", "buf:writestring(10, 'xxxxxxx')", "buf:fill(9, 0, 8)"):
        lua.error(call)
        assert unharmed(lua)


@pytest.mark.parametrize("use", [
    "kept:readu8(0)", "kept:writeu8(0, 1)", "kept:readstring(0, 0)", "kept:writestring(0, '')",
    "kept:fill(0, 0)", "kept:tostring()", "kept:len()", "return #kept", "kept:copy(0, kept)",
    "kept:copy(0, nbdkit.buffer(1))", "nbdkit.buffer(1):copy(0, kept)",
])  # fmt: skip
def test_buffer_of_a_request_that_is_over(serve, language, use):
    lua = evaluating.evaluator(serve, language)
    # From a write that succeeded, from one that failed, and as another connection's.
    lua.run("kept = select(2, ...)")
    gone = "code:1: this buffer is gone: it was nbdkit's, and its callback has returned"
    assert lua.error(use) == gone
    lua.error("kept = select(2, ...) error('failed')")
    assert lua.error(use) == gone
    assert evaluating.Evaluator(lua.server, 2).error(use) == gone
    # Each is gone, not only the last one.
    lua.run("first = kept kept = select(2, ...)")
    assert lua.error(use.replace("kept", "first")) == gone
    assert lua.value("return tostring(kept)") == "nbdkit.buffer"


def test_buffer_of_a_read_that_is_kept(serve):
    server = serve(DISK + """
        function pread(h, buf, offset, flags)
            if offset == 512 then kept:fill(0, 0x55) end
            buf:fill(0, 0x66)
            if offset == 1024 then kept:writeu8(0, 1) end
            kept = buf
        end
    """)
    first, second = server.connect(), server.connect()
    assert first.pread(512, 0) == b"\x66" * 512
    for client, offset, line in ((first, 512, 7), (second, 1024, 9)):
        with pytest.raises(nbd.Error):
            client.pread(512, offset)
        assert server.errors()[-1] == (
            f"nbdkit: lua[{1 if client is first else 2}]: error: pread: disk.lua:{line}: "
            "this buffer is gone: it was nbdkit's, and its callback has returned"
        )
        assert client.pread(512, 0) == b"\x66" * 512


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


@pytest.mark.parametrize("size", ["2 ^ 30", "2 ^ 40", "2 ^ 52", "8e15"])
def test_size_that_there_is_no_memory_for(serve, language, size):
    lua = evaluating.evaluator(serve, language, prefix=("prlimit", f"--as={512 << 20}"))
    for _ in range(2):
        line = lua.error(f"nbdkit.buffer({size})")
        assert re.search("not enough memory|too big|too long|too large|overflow", line), line
        assert lua.value("return #nbdkit.buffer(2 ^ 20)") == "1048576"


def test_copy_within_a_request_when_memory_is_short(serve):
    server = serve(DISK + """
        local kept = {}
        function pread(h, buf, offset, flags)
            buf:fill(0, 0x61)
            if offset == 0 then return end
            pcall(function() while true do kept[#kept + 1] = nbdkit.buffer(2 ^ 24) end end)
            buf:copy(0, buf, 1)
        end
    """, prefix=("prlimit", f"--as={512 << 20}"))  # fmt: skip
    client = server.connect()
    assert client.pread(32 << 20, 0) == b"a" * (32 << 20)
    try:
        assert client.pread(32 << 20, 32 << 20) == b"a" * (32 << 20)
    except nbd.Error as error:
        assert error.errno in ("EIO", "ENOMEM")
    # Whatever came of that, it was one request.
    assert client.pread(512, 0) == b"a" * 512
