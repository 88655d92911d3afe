"""Buffers: what each method of nbdkit.buffer reads and writes."""

import math
import struct

import pytest

import evaluating

# The suffix of a method, what Python's struct calls it, and whether it has a big-endian form.
FORMATS = {
    "i8": "b",
    "u8": "B",
    "i16": "h",
    "u16": "H",
    "i32": "i",
    "u32": "I",
    "i64": "q",
    "f32": "f",
    "f64": "d",
}
METHODS = [(name, "<" + format) for name, format in FORMATS.items()] + [
    (name + "be", ">" + format) for name, format in FORMATS.items() if not name.endswith("8")
]


@pytest.fixture
def lua(serve, language):
    return evaluating.evaluator(serve, language)


def literal(data):
    return '"' + "".join(f"\\{byte:03}" for byte in data) + '"'


def bounds(name):
    bits = int(name.removesuffix("be")[1:])
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if name[0] == "i" else (0, 2**bits - 1)


def integers(name, language):
    least, greatest = bounds(name)
    values = [least, least + 1, 0, 1, 2, greatest // 3, greatest - 1, greatest]
    if name.startswith("i"):
        values += [-1, -2]
    if not language.integers:
        values = [value for value in values if abs(value) <= 2**53]
    return values


# Lua 5.3 and later have no way to write the least integer as it is.
def number(value):
    return f"({value + 1} - 1)" if value < 0 else str(value)


@pytest.mark.parametrize("name, format", [m for m in METHODS if m[0][0] != "f"])
def test_integers(lua, language, name, format):
    size = struct.calcsize(format)
    for value in integers(name, language):
        data = struct.pack(format, value)
        around = literal(b"\xaa" + data + b"\xbb")
        assert lua.value(f"return nbdkit.buffer({around}):read{name}(1)") == str(value)
        lua.run(f'buf = nbdkit.buffer(string.rep("#", {size + 2}))')
        lua.run(f"buf:write{name}(1, {number(value)})")
        assert lua.bytes("return buf:tostring()") == b"#" + data + b"#"


@pytest.mark.parametrize("name, format", [m for m in METHODS if m[0][0] == "f"])
@pytest.mark.parametrize(
    "value, code",
    [
        (0.0, "0"),
        (1.0, "1"),
        (-0.5, "-0.5"),
        (65535.25, "65535.25"),
        (-(2.0**100), "-2 ^ 100"),
        (math.inf, "1/0"),
        (-math.inf, "-1/0"),
    ],
)
def test_floats(lua, name, format, value, code):
    data = struct.pack(format, value)
    lua.run(f"buf = nbdkit.buffer({len(data)})")
    lua.run(f"buf:write{name}(0, {code})")
    assert lua.bytes("return buf:tostring()") == data
    assert lua.value(f"return buf:read{name}(0) == {code}") == "true"


@pytest.mark.parametrize("name, format", [m for m in METHODS if m[0][0] == "f"])
def test_floats_that_are_rounded_or_no_number(lua, name, format):
    lua.run(f"buf = nbdkit.buffer({struct.calcsize(format)})")
    lua.run(f"buf:write{name}(0, 0/0)")
    assert lua.value(f"local x = buf:read{name}(0) return x ~= x") == "true"
    lua.run(f"buf:write{name}(0, 0.1)")
    assert lua.bytes("return buf:tostring()") == struct.pack(format, 0.1)
    (rounded,) = struct.unpack(format, struct.pack(format, 0.1))
    assert float(lua.value(f"return buf:read{name}(0)")) == rounded


@pytest.mark.parametrize("name, format", [m for m in METHODS if m[0][0] != "f"])
def test_integer_that_is_too_large_loses_its_upper_bits(lua, language, name, format):
    size = struct.calcsize(format)
    least, greatest = bounds(name)
    outside = [greatest + 1, greatest + 2, least - 1, -greatest - 5, 2**40 + 0x1234567, -(2**52)]
    edge = 2**63 if language.integers else 2**53
    for value in [value for value in outside if -edge < value < edge]:
        lua.run(f"buf = nbdkit.buffer({size})")
        lua.run(f"buf:write{name}(0, {number(value)})")
        expected = (value % 2 ** (8 * size)).to_bytes(
            size, "big" if format[0] == ">" else "little"
        )
        assert lua.bytes("return buf:tostring()") == expected, value


def test_floats_that_are_whole_do_for_integers(lua):
    lua.run("buf = nbdkit.buffer(8.0) buf:writeu16(2.0, 258.0)")
    assert lua.bytes("return buf:tostring()") == b"\0\0\x02\x01\0\0\0\0"
    assert lua.value("return buf:readu16(4 / 2)") == "258"


def test_what_is_read_is_an_integer_where_the_engine_has_them(lua, language):
    if not language.integers:
        assert lua.value("return math.type == nil") == "true"
        return
    lua.run("buf = nbdkit.buffer(8)")
    kinds = {name: lua.value(f"return math.type(buf:read{name}(0))") for name, _ in METHODS}
    assert kinds == {name: "float" if name[0] == "f" else "integer" for name, _ in METHODS}
    assert lua.value("return math.type(#buf), math.type(buf:len())") == "integer integer"


@pytest.mark.parametrize("name, order", [("i64", "<"), ("i64be", ">")])
def test_an_integer_that_a_double_would_round_is_an_error(lua, language, name, order):
    exact, inexact = [2**53, -(2**53), 2**53 - 1], [2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]
    read = {
        value: f"local buf = nbdkit.buffer({literal(struct.pack(order + 'q', value))})"
        f"local found = buf:read{name}(0) return found"
        for value in exact + inexact
    }
    for value in exact + (inexact if language.integers else []):
        assert lua.value(read[value]) == str(value)
    for value in [] if language.integers else inexact:
        assert lua.error(read[value]).startswith(f"code:1: {value} is past 2^53")


def test_each_method_agrees_with_string_pack(lua, language):
    if language.release < (5, 3):
        assert lua.value("return string.pack == nil") == "true"
        return
    formats = {"i": "i", "u": "I", "f": {"32": "f", "64": "d"}}
    for name, _ in METHODS:
        bits = name.removesuffix("be")[1:]
        kind = formats["f"][bits] if name[0] == "f" else formats[name[0]] + str(int(bits) // 8)
        format = (">" if name.endswith("be") else "<") + kind
        assert lua.value(f"""
            local bytes = string.char(0x12, 0xb4, 0x56, 0xf8, 0x9a, 0x3c, 0x7e, 0xf0)
            local buf, copy = nbdkit.buffer(bytes), nbdkit.buffer(8)
            local value = buf:read{name}(0)
            copy:write{name}(0, value)
            return value == string.unpack("{format}", bytes),
                copy:readstring(0, {int(bits) // 8}) == string.pack("{format}", value)
        """) == "true true", name


def test_making_buffers(lua):
    assert lua.bytes("return nbdkit.buffer(5):tostring()") == bytes(5)
    assert lua.bytes("return nbdkit.buffer(0):tostring()") == b""
    assert lua.bytes('return nbdkit.buffer("a\\0b\\255"):tostring()') == b"a\0b\xff"
    assert lua.bytes('return nbdkit.buffer("16"):tostring()') == b"16"
    assert lua.bytes('return nbdkit.buffer(""):tostring()') == b""
    assert lua.value("return #nbdkit.buffer(4097), nbdkit.buffer('abc'):len()") == "4097 3"
    assert lua.value("""
        for i = 1, 200 do
            local buf = nbdkit.buffer(1000)
            if buf:tostring() ~= string.rep("\\0", 1000) then return "not zero" end
            buf:fill(0, 0x55)
            if i % 10 == 0 then collectgarbage() end
        end
        return "always zero"
    """) == "always zero"


def test_two_buffers_share_nothing(lua):
    assert lua.value("""
        local text = "abc"
        local one, other = nbdkit.buffer(text), nbdkit.buffer(text)
        one:writeu8(0, 0x7a)
        return text, one:tostring(), other:tostring(), one == other, one == one
    """) == "abc zbc abc false true"


def test_what_a_buffer_looks_like(lua):
    assert lua.value("return type(nbdkit.buffer(1))") == "userdata"
    assert lua.value("return tostring(nbdkit.buffer('secret'))") == "nbdkit.buffer"
    # Its metatable is out of reach, so that a script cannot turn other values into buffers.
    assert lua.value("return getmetatable(nbdkit.buffer(1))") == "nbdkit.buffer"
    assert "table expected" in lua.error("setmetatable(nbdkit.buffer(1), {})")
    assert lua.value("return nbdkit.buffer(1).no_such_method") == "nil"
    assert "attempt to" in lua.error("nbdkit.buffer(1).readu8 = print")


def test_strings(lua):
    lua.run('buf = nbdkit.buffer("0123456789")')
    assert lua.value("return buf:readstring(0, 10)") == "0123456789"
    assert lua.value("return buf:readstring(3, 4)") == "3456"
    assert lua.value("return buf:readstring(10, 0)") == ""
    lua.run('buf:writestring(2, "ab")')
    lua.run('buf:writestring(5, "cdefgh", 2)')
    lua.run('buf:writestring(10, "")')
    lua.run('buf:writestring(0, "ZZZ", 0)')
    lua.run('buf:writestring(8, "\\0\\255", nil)')
    assert lua.bytes("return buf:tostring()") == b"01ab4cd7\0\xff"


def test_filling(lua):
    lua.run("buf = nbdkit.buffer(8)")
    for code, expected in {
        "buf:fill(0, 0x61)": b"aaaaaaaa",
        "buf:fill(6, 0x62)": b"aaaaaabb",
        "buf:fill(2, 0x63, 3)": b"aacccabb",
        "buf:fill(0, 0x7a, 0)": b"aacccabb",
        "buf:fill(8, 0x7a)": b"aacccabb",
        "buf:fill(0, 256 + 0x64, 1)": b"dacccabb",
        "buf:fill(0, -1, 1)": b"\xffacccabb",
        "buf:fill(1, 101.0, nil)": b"\xffeeeeeee",
    }.items():
        lua.run(code)
        assert lua.bytes("return buf:tostring()") == expected, code


@pytest.mark.parametrize(
    "code, expected",
    [
        ("to:copy(0, from)", b"abcdef...."),
        ("to:copy(4, from)", b"....abcdef"),
        ("to:copy(1, from, 2)", b".cdef....."),
        ("to:copy(8, from, 3, 2)", b"........de"),
        ("to:copy(0, from, nil, 2)", b"ab........"),
        ("to:copy(0, from, 6)", b".........."),
        ("to:copy(10, from, 0, 0)", b".........."),
        ("to:writestring(0, '0123456789') to:copy(2, to, 0, 6)", b"0101234589"),
        ("to:writestring(0, '0123456789') to:copy(0, to, 2)", b"2345678989"),
        ("to:writestring(0, '0123456789') to:copy(3, to, 3)", b"0123456789"),
        ("to:writestring(0, '0123456789') to:copy(9, to, 0, 1)", b"0123456780"),
    ],
)
@pytest.mark.parametrize("where", ["own", "lent"])
def test_copying(serve, code, expected, where):
    target = "to = nbdkit.buffer(10)" if where == "own" else "to = buf"
    client = serve(f"""
        API_VERSION = 2
        function open(readonly) return {{}} end
        function get_size(h) return 65536 end
        function pread(h, buf, offset, flags)
            local from, to = nbdkit.buffer("abcdef")
            {target}
            to:fill(0, 0x2e)
            {code}
            if to ~= buf then buf:copy(0, to) end
        end
    """).connect()
    assert client.pread(10, 0) == expected


def test_the_bytes_on_the_disk_are_those_of_struct(serve):
    # Without any Lua on the other side: each method writes into the client's own read.
    values = {"i8": -2, "u8": 254, "i16": -300, "u16": 65000, "i32": -70000, "u32": 4000000000}
    values |= {"i64": -(2**52) - 1, "f32": 0.15625, "f64": -1e-300}
    writes, expected = [], b""
    for name, format in METHODS:
        value = values[name.removesuffix("be")]
        writes.append(f"buf:write{name}({len(expected)}, {value!r})")
        expected += struct.pack(format, value)
    client = serve(f"""
        API_VERSION = 2
        function open(readonly) return {{}} end
        function get_size(h) return 65536 end
        function pread(h, buf, offset, flags) {" ".join(writes)} end
    """).connect()
    assert client.pread(len(expected), 0) == expected
