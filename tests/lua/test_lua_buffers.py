"""Buffers as values of Lua: what is special about its numbers, strings and userdata."""

import struct

import pytest

import evaluating
from checks import NUMBERS


@pytest.fixture
def lua(serve, language):
    return evaluating.evaluator(serve, language)


def literal(data):
    return '"' + "".join(f"\\{byte:03}" for byte in data) + '"'


@pytest.mark.parametrize("name, format", [m for m in NUMBERS if m[0][0] == "f"])
def test_floats_that_are_rounded_or_no_number(lua, name, format):
    lua.run(f"buf = nbdkit.buffer({struct.calcsize(format)})")
    lua.run(f"buf:write{name}(0, 0/0)")
    assert lua.value(f"local x = buf:read{name}(0) return x ~= x") == "true"
    lua.run(f"buf:write{name}(0, 0.1)")
    assert lua.bytes("return buf:tostring()") == struct.pack(format, 0.1)
    (rounded,) = struct.unpack(format, struct.pack(format, 0.1))
    assert float(lua.value(f"return buf:read{name}(0)")) == rounded


def test_whole_floats_count_as_integers(lua):
    lua.run("buf = nbdkit.buffer(8.0) buf:writeu16(2.0, 258.0)")
    assert lua.bytes("return buf:tostring()") == b"\0\0\x02\x01\0\0\0\0"
    assert lua.value("return buf:readu16(4 / 2)") == "258"


def test_what_is_read_is_an_integer_where_the_engine_has_them(lua, language):
    if not language.integers:
        assert lua.value("return math.type == nil") == "true"
        return
    lua.run("buf = nbdkit.buffer(8)")
    kinds = {name: lua.value(f"return math.type(buf:read{name}(0))") for name, _ in NUMBERS}
    assert kinds == {name: "float" if name[0] == "f" else "integer" for name, _ in NUMBERS}
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
        assert lua.error(read[value]).startswith(f"code:1: {value} is too large: integers are exact up to 9007199254740992")


def test_each_method_agrees_with_string_pack(lua, language):
    if language.release < (5, 3):
        assert lua.value("return string.pack == nil") == "true"
        return
    formats = {"i": "i", "u": "I", "f": {"32": "f", "64": "d"}}
    for name, _ in NUMBERS:
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