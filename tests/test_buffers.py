"""Buffers: what each method of nbdkit.buffer reads and writes."""

import math
import struct

import pytest

import evaluating
from checks import NUMBERS
from languages import only


@pytest.fixture
def evaluate(serve, language):
    return evaluating.evaluator(serve, language)


@pytest.fixture
def buffer(evaluate, language):
    """A buffer in the variable `buf`, and calls of its methods."""

    class Buffer:
        def new(self, contents):
            """With these bytes, or this many zeroes."""
            evaluate.run(language.new_buffer("buf", contents))

        def bytes(self):
            return evaluate.bytes(language.answer(language.method("buf", "tostring")))

        def __getattr__(self, method):
            def call(*arguments):
                return evaluate.answer(language.method("buf", method, *arguments))

            return call

    return Buffer()


def bounds(name):
    bits = int(name.removesuffix("be")[1:])
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if name[0] == "i" else (0, 2**bits - 1)


def integers(name, language):
    least, greatest = bounds(name)
    values = [least, least + 1, 0, 1, 2, greatest // 3, greatest - 1, greatest]
    if name.startswith("i"):
        values += [-1, -2]
    return [value for value in values if language.holds(value)]


@pytest.mark.parametrize("name, format", [m for m in NUMBERS if m[0][0] != "f"])
def test_integers(buffer, language, name, format):
    for value in integers(name, language):
        data = struct.pack(format, value)
        buffer.new(b"\xaa" + data + b"\xbb")
        assert getattr(buffer, f"read{name}")(1) == str(value)
        buffer.new(b"#" * (len(data) + 2))
        getattr(buffer, f"write{name}")(1, value)
        assert buffer.bytes() == b"#" + data + b"#"


@pytest.mark.parametrize("name, format", [m for m in NUMBERS if m[0][0] == "f"])
@pytest.mark.parametrize(
    "value", [0.0, 1.0, -0.5, 65535.25, -(2.0**100), 2**20, math.inf, -math.inf]
)
def test_floats(buffer, name, format, value):
    data = struct.pack(format, value)
    buffer.new(len(data))
    getattr(buffer, f"write{name}")(0, value)
    assert buffer.bytes() == data
    assert float(getattr(buffer, f"read{name}")(0)) == value


@pytest.mark.parametrize("name, format", [m for m in NUMBERS if m[0][0] == "f"])
def test_floats_that_are_rounded(buffer, name, format):
    buffer.new(struct.calcsize(format))
    getattr(buffer, f"write{name}")(0, 0.1)
    assert buffer.bytes() == struct.pack(format, 0.1)
    (rounded,) = struct.unpack(format, struct.pack(format, 0.1))
    assert float(getattr(buffer, f"read{name}")(0)) == rounded


@pytest.mark.parametrize("name, format", [m for m in NUMBERS if m[0][0] != "f"])
def test_integer_that_is_too_large_loses_its_upper_bits(buffer, language, name, format):
    size = struct.calcsize(format)
    least, greatest = bounds(name)
    outside = [greatest + 1, greatest + 2, least - 1, -greatest - 5, 2**40 + 0x1234567, -(2**52)]
    edge = 2**63 if language.integers else 2**53
    for value in [value for value in outside if -edge < value < edge]:
        buffer.new(size)
        getattr(buffer, f"write{name}")(0, value)
        expected = (value % 2 ** (8 * size)).to_bytes(
            size, "big" if format[0] == ">" else "little"
        )
        assert buffer.bytes() == expected, value


def test_making_buffers(buffer, evaluate, language):
    for contents, expected in ((5, bytes(5)), (0, b""), (b"a\0b\xff", b"a\0b\xff"), (b"", b"")):
        buffer.new(contents)
        assert buffer.bytes() == expected
        assert buffer.len() == str(len(expected))
    buffer.new(4097)
    assert buffer.len() == "4097"
    # Memory that another buffer used is zeroed again.
    assert evaluate.value(language.script("buffers", "one after the other")) == "always zero"


def test_two_buffers_share_nothing(buffer, evaluate, language):
    evaluate.run(language.new_buffer("other", b"abc"))
    buffer.new(b"abc")
    buffer.writeu8(0, 0x7A)
    assert buffer.bytes() == b"zbc"
    assert evaluate.answer(language.method("other", "tostring")) == "abc"


def test_strings(buffer):
    buffer.new(b"0123456789")
    assert buffer.readstring(0, 10) == "0123456789"
    assert buffer.readstring(3, 4) == "3456"
    assert buffer.readstring(10, 0) == ""
    buffer.writestring(2, b"ab")
    buffer.writestring(5, b"cdefgh", 2)
    buffer.writestring(10, b"")
    buffer.writestring(0, b"ZZZ", 0)
    buffer.writestring(8, b"\0\xff")
    assert buffer.bytes() == b"01ab4cd7\0\xff"


def test_filling(buffer):
    buffer.new(8)
    for arguments, expected in {
        (0, 0x61): b"aaaaaaaa",
        (6, 0x62): b"aaaaaabb",
        (2, 0x63, 3): b"aacccabb",
        (0, 0x7A, 0): b"aacccabb",
        (8, 0x7A): b"aacccabb",
        (0, 256 + 0x64, 1): b"dacccabb",
        (0, -1, 1): b"\xffacccabb",
        only(lua=(1, 101.0, None), tcl=(1, 101)): b"\xffeeeeeee",
    }.items():
        buffer.fill(*arguments)
        assert buffer.bytes() == expected, arguments


DIGITS = ("writestring", 0, b"0123456789")


@pytest.mark.parametrize(
    "calls, expected",
    [
        ([("copy", 0, "from")], b"abcdef...."),
        ([("copy", 4, "from")], b"....abcdef"),
        ([("copy", 1, "from", 2)], b".cdef....."),
        ([("copy", 8, "from", 3, 2)], b"........de"),
        ([("copy", 0, "from", 0, 2)], b"ab........"),
        ([("copy", 0, "from", 6)], b".........."),
        ([("copy", 10, "from", 0, 0)], b".........."),
        ([DIGITS, ("copy", 2, "to", 0, 6)], b"0101234589"),
        ([DIGITS, ("copy", 0, "to", 2)], b"2345678989"),
        ([DIGITS, ("copy", 3, "to", 3)], b"0123456789"),
        ([DIGITS, ("copy", 9, "to", 0, 1)], b"0123456780"),
    ],
)
@pytest.mark.parametrize("where", ["own", "lent"])
def test_copying(serve, language, calls, expected, where):
    code = ""
    for name, *arguments in calls:
        # A string is a variable.
        arguments = [language.variable(a) if isinstance(a, str) else a for a in arguments]
        code += language.method("to", name, *arguments) + "\n"
    client = serve(language.script("buffers", f"copying: {where}", code=code)).connect()
    assert client.pread(10, 0) == expected


def test_the_bytes_on_the_disk_are_those_of_struct(serve, language):
    # Compared without any language: each method writes into the client's own read.
    values = {"i8": -2, "u8": 254, "i16": -300, "u16": 65000, "i32": -70000, "u32": 4000000000}
    values |= {"i64": -(2**52) - 1, "f32": 0.15625, "f64": -1e-300}
    writes, expected = "", b""
    for name, format in NUMBERS:
        value = values[name.removesuffix("be")]
        writes += language.method("to", f"write{name}", len(expected), value) + "\n"
        expected += struct.pack(format, value)
    client = serve(language.script("buffers", "writing", code=writes)).connect()
    assert client.pread(len(expected), 0) == expected
