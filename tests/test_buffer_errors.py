"""Misused buffers: a clear error with its place in the script, and no harm done."""

import re

import nbd
import pytest

import evaluating
from languages import only, under_test

READS = "i8 u8 i16 u16 i32 u32 i64 f32 f64 i16be u16be i32be u32be i64be f32be f64be".split()
SIZES = {name: int(re.search(r"\d+", name)[0]) // 8 for name in READS}


def found(lua, tcl):
    """How a message describes an unexpected value."""
    return only(lua=lua, tcl=f'"{tcl}"')


STRING = found("string", "x")


@pytest.fixture
def evaluate(serve, language):
    evaluate = evaluating.evaluator(serve, language)
    evaluate.run(language.new_buffer("buf", b"0123456789abcdef"))
    for size in (4, 16, 17):
        evaluate.run(language.new_buffer(f"of{size}", size))
    return evaluate


@pytest.fixture
def message(evaluate, language):
    """The message of a failing method call, after its name; `{name}` stands for a variable."""

    def message(name, *arguments):
        def argument(value):
            if isinstance(value, str) and value.startswith("{"):
                return language.variable(value.strip("{}"))
            return value

        line = evaluate.message(language.method("buf", name, *map(argument, arguments)))
        named = f"buffer{only(lua=':', tcl=' ')}{name}: "
        assert line.startswith(named), line
        return line.removeprefix(named)

    return message


def unharmed(evaluate):
    language = evaluate.language
    return evaluate.answer(language.method("buf", "tostring")) == "0123456789abcdef"


@pytest.mark.parametrize("name", READS)
def test_each_read_and_write_ends_where_the_buffer_does(evaluate, message, language, name):
    size = SIZES[name]
    last = 16 - size
    read = language.method("of16", f"read{name}", last)
    evaluate.run(language.method("of16", f"write{name}", last, read))
    for offset in (last + 1, 16, 17, 2**31, 2**32, 2**40):
        line = (
            f"offset {offset} and {size} bytes from there are past the end of the buffer, "
            "which has 16 bytes"
        )
        assert message(f"read{name}", offset) == line
        assert message(f"write{name}", offset, 1) == line
    assert unharmed(evaluate)


@pytest.mark.parametrize("name", READS)
@pytest.mark.parametrize(
    "offset, shown",
    [
        (-1, "-1"),
        (-16, "-16"),
        (0.5, "0.5"),
        (-0.5, "-0.5"),
        (float("inf"), "inf"),
        (float("-inf"), "-inf"),
        (2.0**63, "92233720368547"),
        *only(lua=[(float("nan"), "NaN")], tcl=[]),
    ],
)
def test_offset_that_counts_no_bytes(evaluate, message, name, offset, shown):
    for call in ((f"read{name}", offset), (f"write{name}", offset, 1)):
        line = message(*call)
        assert line.startswith(f"argument 1, the offset: found {shown}"), line
        assert line.endswith(", expected a whole number from 0 on")
    assert unharmed(evaluate)


def test_huge_number_does_not_push_the_rest_out_of_the_message(message):
    for number in (1e300, -1e300, 1e-300):
        line = message("readu8", number)
        assert line.endswith(", expected a whole number from 0 on"), line


OWN, NAME = "the end of the buffer, which has 4 bytes", only(
    lua="a buffer", tcl="the name of a buffer"
)  # fmt: skip


@pytest.mark.parametrize(
    "call, line",
    [
        (("readu8",), "argument 1: found nothing, expected a number"),
        (("readu8", "x"), f"argument 1: found {STRING}, expected a number"),
        (("readu8", 0, 0), "2 arguments, expected at most 1"),
        (("writeu8", 0), "argument 2: found nothing, expected a number"),
        (("writeu8", 0, "x"), f"argument 2: found {STRING}, expected a number"),
        (("writeu8", 0, 0.5), "argument 2, the value: found 0.5, expected a whole number"),
        (("writei64", 0, float("inf")), "argument 2, the value: found inf, expected a whole"),
        (("writei64", 0, float("-inf")), "argument 2, the value: found -inf, expected a whole"),
        (("writei64", 0, 1e19),
         "argument 2, the value: found 10000000000000000000, expected a whole number"),
        (("writef64", 0, "x"), f"argument 2: found {STRING}, expected a number"),
        (("writeu8", 0, 1, 2), "3 arguments, expected at most 2"),
        (("readstring",), "argument 1: found nothing, expected a number"),
        (("readstring", 0), "argument 2: found nothing, expected a number"),
        (("readstring", 0, -1),
         "argument 2, the count: found -1, expected a whole number from 0 on"),
        (("readstring", 0, 17), "offset 0 and 17 bytes from there are past the end"),
        (("readstring", 16, 1), "offset 16 and 1 bytes from there are past the end"),
        (("readstring", 17, 0), "offset 17 and 0 bytes from there are past the end"),
        (("readstring", 2**52, 2**52), "offset 4503599627370496 and 4503599627370496 bytes"),
        (("readstring", 0, 1, 2), "3 arguments, expected at most 2"),
        (("writestring", 0), "argument 2: found nothing, expected a string"),
        (("writestring", 14, "abc"), "offset 14 and 3 bytes from there are past the end"),
        (("writestring", 17, ""), "offset 17 and 0 bytes from there are past the end"),
        (("writestring", 0, "abc", 4), "the count is 4, but the string has 3 bytes"),
        (("writestring", 0, "abc", -1), "argument 3, the count: found -1, expected a whole"),
        (("writestring", 0, "abc", "x"), f"argument 3: found {STRING}, expected a number"),
        (("writestring", 0, "a", 1, 1), "4 arguments, expected at most 3"),
        (("copy",), "argument 1: found nothing, expected a number"),
        (("copy", 0), f"argument 2: found nothing, expected {NAME}"),
        (("copy", 0, "x"), f"argument 2: found {STRING}, expected {NAME}"),
        (("copy", 1, "{buf}"), "offset 1 and 16 bytes from there are past the end"),
        (("copy", 1, "{of16}"), "offset 1 and 16 bytes from there are past the end"),
        (("copy", 0, "{of17}"), "offset 0 and 17 bytes from there are past the end"),
        (("copy", 0, "{buf}", 17), "offset 17 and 0 bytes from there are past the end"),
        (("copy", 0, "{of4}", 5), f"offset 5 and 0 bytes from there are past {OWN}"),
        (("copy", 0, "{of4}", 2, 3), f"offset 2 and 3 bytes from there are past {OWN}"),
        (("copy", 0, "{buf}", 8, 9), "offset 8 and 9 bytes from there are past the end"),
        (("copy", -1, "{buf}"), "argument 1, the target offset: found -1"),
        (("copy", 0, "{buf}", -1), "argument 3, the source offset: found -1"),
        (("copy", 0, "{buf}", 0, -1), "argument 4, the count: found -1"),
        (("copy", 0, "{buf}", 0, 1, 1), "5 arguments, expected at most 4"),
        (("fill",), "argument 1: found nothing, expected a number"),
        (("fill", 0), "argument 2: found nothing, expected a number"),
        (("fill", 0, "x"), f"argument 2: found {STRING}, expected a number"),
        (("fill", 0, 0.5), "argument 2, the byte: found 0.5, expected a whole number"),
        (("fill", 17, 0), "offset 17 and 0 bytes from there are past the end"),
        (("fill", 0, 0, 17), "offset 0 and 17 bytes from there are past the end"),
        (("fill", 0, 0, -1), "argument 3, the count: found -1"),
        (("fill", 0, 0, 1, 1), "4 arguments, expected at most 3"),
        (("tostring", 1), "1 arguments, expected at most 0"),
    ],
)  # fmt: skip
def test_wrong_arguments(evaluate, message, call, line):
    said = message(*call)
    assert said.startswith(line), said
    assert unharmed(evaluate)


@pytest.mark.parametrize(
    "arguments, line",
    [
        ((), "0 arguments, expected 1: a size in bytes"),
        ((1, 2), "2 arguments, expected 1: a size in bytes"),
        ((-1,), "argument 1, the size: found -1, expected a whole number from 0 on"),
        ((1.5,), "argument 1, the size: found 1.5, expected a whole number"),
        ((float("inf"),), "argument 1, the size: found inf, expected a whole number"),
    ],
)
def test_sizes_that_are_none(evaluate, language, arguments, line):
    said = evaluate.message(language.call("buffer", *arguments))
    assert said.startswith(f"{language.function('buffer')}: {line}"), said


def test_a_failed_copy_or_write_changes_nothing(evaluate, message):
    for call in (("copy", 8, "{buf}", 0, 9), ("writestring", 10, "xxxxxxx"), ("fill", 9, 0, 8)):
        message(*call)
        assert unharmed(evaluate)


@pytest.mark.parametrize("use", under_test().pieces("buffer_errors", "uses of a kept buffer"))
def test_buffer_of_a_request_that_is_over(serve, language, use):
    use = language.pieces("buffer_errors", "uses of a kept buffer")[use]
    evaluate = evaluating.evaluator(serve, language)
    keep = language.script("buffer_errors", "keep").strip()
    # From a write that succeeded, from one that failed, and from another connection.
    evaluate.run(keep)
    is_gone(evaluate, use)
    evaluate.error(keep + only(lua=" ", tcl="; ") + language.error("failed"))
    is_gone(evaluate, use)
    is_gone(evaluating.Evaluator(evaluate.server, language, 2), use)
    # All of them are gone, not just the last.
    evaluate.run(only(lua="first = kept ", tcl="set ::first $::kept; ") + keep)
    is_gone(evaluate, use.replace("kept", "first"))


def is_gone(evaluate, use):
    line = evaluate.error(use)
    assert re.search(GONE, line), line


GONE = only(
    lua=r"^code:1: buffer:\w+: this buffer is gone: "
    r"it was nbdkit's, and its callback has returned$",
    # Its command no longer exists.
    tcl=r'invalid command name "::nbdkit::buffer\d+"$|found "::nbdkit::buffer\d+", expected ',
)


def test_buffer_of_a_read_that_is_kept(serve, language):
    script = language.script("buffer_errors", "kept by a read")
    server = serve(script)
    first, second = server.connect(), server.connect()
    assert first.pread(512, 0) == b"\x66" * 512
    for client, offset, text in ((first, 512, "0x55"), (second, 1024, "writeu8")):
        with pytest.raises(nbd.Error):
            client.pread(512, offset)
        line = server.errors()[-1]
        number = 1 if client is first else 2
        assert line.startswith(language.logged("pread", language.place(script, text), number))
        assert re.search(GONE.removeprefix("^code:1: "), line), line
        assert client.pread(512, 0) == b"\x66" * 512


@pytest.mark.parametrize("size", [2**30, 2**40, 2**52, 8 * 10**15])
def test_size_that_there_is_no_memory_for(serve, language, size):
    evaluate = evaluating.evaluator(serve, language, prefix=("prlimit", f"--as={512 << 20}"))
    for _ in range(2):
        line = evaluate.error(language.call("buffer", size))
        assert re.search("memory|too big|too long|too large|overflow", line), line
        evaluate.run(language.new_buffer("made", 2**20))
        assert evaluate.answer(language.method("made", "len")) == "1048576"


def test_copy_within_a_request_when_memory_is_short(serve, language):
    script = language.script("buffer_errors", "all memory")
    server = serve(script, prefix=("prlimit", f"--as={512 << 20}"))
    client = server.connect()
    assert client.pread(32 << 20, 0) == b"a" * (32 << 20)
    try:
        assert client.pread(32 << 20, 32 << 20) == b"a" * (32 << 20)
    except nbd.Error as error:
        assert error.errno in ("EIO", "ENOMEM")
    # Whatever happened, it affected one request.
    assert client.pread(512, 0) == b"a" * 512
