"""Buffers: a method in a compiled loop still does what it did the first time."""

import struct

import pytest

import evaluating
from checks import NUMBERS

# More iterations than any compiler for Lua waits before it compiles a loop.
TIMES = 500

LOOP = f"for n = 1, {TIMES} do {{}} end "

# Every bit pattern here is a NaN that could be taken for a value of another type.
NANS = [bits + payload for bits in (0x7FF8 << 48, 0xFFF8 << 48) for payload in (0, 1 << 47, 12345)]

NANS += [0xFFFFFFFFFFFFFFFF, 0xFFFE000000001234, 0xFFFB800000000000, 0x7FF0000000000001]


@pytest.fixture
def lua(serve, language):
    return evaluating.evaluator(serve, language)


@pytest.mark.parametrize("name, format", NUMBERS)
def test_numbers(lua, name, format):
    size = struct.calcsize(format)
    data = struct.pack(format, 101) * TIMES
    lua.run(f"buf = nbdkit.buffer({len(data)})")
    at = f"(n - 1) * {size}"
    lua.run(LOOP.format(f"buf:write{name}({at}, 101) assert(buf:read{name}({at}) == 101)"))
    assert lua.bytes("return buf:tostring()") == data


@pytest.mark.parametrize("name, format", NUMBERS)
def test_past_the_end(lua, name, format):
    size = struct.calcsize(format)
    lua.run(f"buf = nbdkit.buffer({size * 100})")
    for method, value in (("read", ""), ("write", ", 0")):
        line = lua.error(LOOP.format(f"buf:{method}{name}((n - 1) * {size}{value})"))
        expected = f"offset {size * 100} and {size} bytes from there are past the end of the buffer"
        assert expected in line, line


@pytest.mark.parametrize("name", ["f32", "f64", "f32be", "f64be"])
def test_bytes_that_are_no_number_to_the_engine(lua, name):
    for bits in NANS:
        data = bits.to_bytes(8, "big" if name.endswith("be") else "little")
        literal = "".join(f"\\{byte:03}" for byte in data)
        lua.run(f'buf, count = nbdkit.buffer("{literal}"), 0')
        body = f"if type(buf:read{name}(0)) == 'number' then count = count + 1 end"
        lua.run(LOOP.format(body))
        assert lua.value("return count") == str(TIMES), hex(bits)


def test_what_only_looks_like_a_buffer(lua):
    lua.run("read = nbdkit.buffer(8).readu8")
    lua.run(LOOP.format("assert(read(nbdkit.buffer(8), 0) == 0)"))
    for thing in ("{}", "5", "'text'", "io.stdout", "newproxy and newproxy(true) or io.stdout"):
        line = lua.error(LOOP.format(f"read(n < 400 and nbdkit.buffer(8) or ({thing}), 0)"))
        assert "expected a buffer" in line, line


IN_PLACE = """
    API_VERSION = 2
    function open() return {} end
    function get_size() return 1048576 end
    function pread(h, buf, offset)
        if offset >= 524288 then
            assert(kept:readu8(0))
        end
        for at = #buf - 8, 0, -16 do buf:writei64be(at, offset + at) end
        kept = buf
    end
    function pwrite(h, buf)
        for at = 0, #buf - 1 do assert(buf:readu8(at) == at % 251) end
        buf:writeu8(0, 1)
    end
"""


def test_requests(serve):
    disk = serve(IN_PLACE)
    client = disk.connect()
    for offset in (0, 8192, 16384):
        words = struct.unpack(">512q", client.pread(4096, offset))
        assert words == tuple(offset + at if at // 8 % 2 else 0 for at in range(0, 4096, 8))
    with pytest.raises(Exception, match="pread"):
        client.pread(4096, 524288)
    with pytest.raises(Exception, match="pwrite"):
        client.pwrite(bytes(at % 251 for at in range(4096)), 0)
    gone, read_only = disk.errors()
    assert "this buffer is gone" in gone
    assert "this buffer is read-only" in read_only
