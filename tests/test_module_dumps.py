"""Bytes and the current time in nbdkit's log, through functions of newer nbdkit versions."""

import re
import subprocess

import pytest

import evaluating
from languages import only

# The version that has each function, and valid arguments.
NEWER = {
    "debug_hexdump": ((1, 46), (b"abc",)),
    "debug_hexdiff": ((1, 48), (b"abc", b"abd")),
    "timestamp": ((1, 48), ()),
}


def running_version():
    output = subprocess.run(["nbdkit", "--dump-config"], capture_output=True, check=True, text=True)
    return tuple(map(int, re.search(r"^version=(\d+)\.(\d+)", output.stdout, re.M).groups()))


def needs(name):
    if running_version() < NEWER[name][0]:
        pytest.skip(f"this nbdkit has no nbdkit_{name}")


@pytest.fixture
def evaluate(serve, language):
    return evaluating.evaluator(serve, language, verbose=True)


def dumped(evaluate, code):
    """The parts of the log's lines that the code wrote: prefixes, offsets, bytes and texts."""
    before = len(evaluate.server.log())
    evaluate.run(code)
    log = evaluate.server.log()[before:].decode()
    return re.findall(r"debug: (.*[0-9a-f]{8}: .*\|)$", log, re.M)


@pytest.mark.parametrize("name", NEWER)
def test_an_older_nbdkit_is_told_which_one_it_needs(evaluate, language, name):
    version, arguments = NEWER[name]
    call = language.call(name, *arguments)
    if running_version() >= version:
        assert evaluate.errno(call) is None
        return
    needed = ".".join(map(str, version))
    assert evaluate.message(call) == (
        f"{language.function(name)}: nbdkit_{name} is not in this nbdkit: it needs nbdkit {needed}"
    )
    # ENOTSUP, as nbdkit translates it except for a fast zero.
    assert evaluate.errno(call) == "EINVAL"


@pytest.mark.parametrize(
    "call, message",
    [
        (("timestamp", 1), "1 arguments, expected at most 0"),
        (("debug_hexdump",), "argument 1: found nothing, expected bytes"),
        (("debug_hexdump", b"a", "", 0, 0), "4 arguments, expected at most 3"),
        (("debug_hexdump", b"a", "", "x"), "argument 3 (the offset): found "),
        (("debug_hexdump", b"a", "", -1),
         "argument 3 (the offset): found a negative number, expected 0 or more"),
        (("debug_hexdiff", b"a"), "argument 2: found nothing, expected bytes"),
        (("debug_hexdiff", b"a", b"b", "", 0, 0), "5 arguments, expected at most 4"),
    ],
)  # fmt: skip
def test_wrong_arguments(evaluate, language, call, message):
    line = evaluate.message(language.call(*call))
    assert line.startswith(f"{language.function(call[0])}: {message}"), line


def test_values_that_are_not_data_are_refused(evaluate, language):
    values = only(lua={"nil": "nil", "{}": "table", "5": "5", "nbdkit.disk('d', 512)": "userdata"},
                  tcl={r"\u20ac": "the character U+20AC"})  # fmt: skip
    for value, shown in values.items():
        code = only(lua=f"nbdkit.debug_hexdump({value}, 'x')", tcl=f"nbdkit::debug_hexdump {value} x")
        assert f"argument 1: found {shown}, expected " in evaluate.message(code)


def test_a_dump(evaluate, language):
    needs("debug_hexdump")
    data = bytes(range(0x30, 0x50)) + b"\xff\x00"
    rows = [
        "30 31 32 33 34 35 36 37  38 39 3a 3b 3c 3d 3e 3f  |0123456789:;<=>?|",
        "40 41 42 43 44 45 46 47  48 49 4a 4b 4c 4d 4e 4f  |@ABCDEFGHIJKLMNO|",
        f"ff 00{' ' * 45}|..{' ' * 14}|",
    ]
    for arguments, offsets in [
        ((data,), ["00000000", "00000010", "00000020"]),
        ((data, "disk: "), ["disk: 00000000", "disk: 00000010", "disk: 00000020"]),
        ((data, "", 512), ["00000200", "00000210", "00000220"]),
    ]:
        found = dumped(evaluate, language.call("debug_hexdump", *arguments))
        assert [line.split(": ")[-1].rstrip() for line in found] == [row.rstrip() for row in rows]
        assert [line.rpartition(": ")[0] for line in found] == offsets
    assert dumped(evaluate, language.call("debug_hexdump", b"")) == []


def test_a_difference(evaluate, language):
    needs("debug_hexdiff")
    found = dumped(evaluate, language.call("debug_hexdiff", b"one two", b"one tOo", "at: ", 16))
    assert [line[:14] for line in found] == ["at: -00000010:", "at: +00000010:"]
    assert "74 77 6f" in found[0] and "4f" in found[1] and "74" not in found[1]
    line = evaluate.message(language.call("debug_hexdiff", b"abc", b"abcd"))
    assert line == (
        f"{language.function('debug_hexdiff')}: found 3 and 4 bytes, expected the same length"
    )


def test_a_prefix_with_a_nul_byte_is_refused(evaluate, language):
    needs("debug_hexdump")
    line = evaluate.message(language.call("debug_hexdump", b"abc", b"a\0b"))
    assert line.endswith("the prefix has a NUL byte in it")


def test_the_last_offsets(evaluate, language):
    needs("debug_hexdump")
    last = 2**63 - 1 if language.holds(2**63 - 1) else 2**53
    assert len(dumped(evaluate, language.call("debug_hexdump", b"abc", "", last))) in (1, 2)


def test_the_time_of_day(evaluate, language):
    needs("timestamp")
    times = [evaluate.answer(language.call("timestamp")) for _ in range(2)]
    for text in times:
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", text), text
    assert times[0] <= times[1]
