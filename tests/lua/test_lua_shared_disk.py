"""`nbdkit.disk` as a value of Lua."""

import pytest

from evaluating import evaluator


@pytest.fixture
def lua(serve, language):
    return evaluator(serve, language)


def test_what_a_disk_looks_like(lua):
    lua.run("a = nbdkit.disk('a', 1000)")
    assert lua.value("return tostring(a)") == "nbdkit.disk"


WRONG = {
    "nbdkit.disk()": "argument 1",
    "nbdkit.disk(5, 5)": "argument 1",
    "nbdkit.disk('new')": "argument 2",
    "nbdkit.disk('new', -1)": "argument 2, the size: found -1",
    "nbdkit.disk('new', 1.5)": "argument 2, the size: found 1.5",
    "nbdkit.disk('new', 0/0)": "argument 2, the size: found ",
    "nbdkit.disk('new', 1e300)": "argument 2, the size: found 1e300",
    "nbdkit.disk('new', '10')": "argument 2",
    "nbdkit.disk('new', 1, 2)": "arguments",
    "d.pread(1, 0)": "disk:pread: found 1, expected a disk",
    "d.pread({}, 1, 0)": "disk:pread: found table, expected a disk",
    "d.size()": "disk:size: found nothing, expected a disk",
    "d.pread(nbdkit.buffer(1), 1, 0)": "disk:pread: found userdata, expected a disk",
    "d:pread()": "disk:pread: argument 1: found nothing, expected a buffer",
    "d:pwrite()": "disk:pwrite: argument 1: found nothing, expected a buffer",
    "d:pread(1, 2000)": "offset 2000 and 1 bytes from there are past the end of the disk",
    "nbdkit.set_error(1e300)": "found 1e300, expected",
    "d:pread(1)": "argument",
    "d:pread(-1, 0)": "found -1, expected a whole number from 0 on",
    "d:pread(1, -1)": "found -1, expected a whole number from 0 on",
    "d:pread(0.5, 0)": "found 0.5, expected a whole number from 0 on",
    "d:pread('1', 0)": "argument",
    "d:pread(1, 0, 0)": "arguments",
    "d:pwrite(5, 0)": "argument",
    "d:pwrite({}, 0)": "argument",
    "d:pwrite(d, 0)": "argument",
    "d:pwrite('x')": "argument",
    "d:pwrite('x', 0, 0)": "arguments",
    "d:zero(1)": "argument",
    "d:zero('x', 0)": "argument",
    "d:trim(nil, 0)": "argument",
    "d:extents(1, 1.5)": "found 1.5",
    "d:size(1)": "arguments",
}


def test_wrong_arguments_are_refused(lua):
    lua.run("d = nbdkit.disk('d', 1000) d:pwrite(string.rep('k', 1000), 0)")
    for code, message in WRONG.items():
        line = lua.error("\n" + code)
        assert line.startswith("code:2: ") and message in line, (code, line)
    assert lua.value("return d:pread(1000, 0) == string.rep('k', 1000)") == "true"
    # None of these has created a disk.
    assert lua.value("return nbdkit.disk('new', 77):size()") == "77"


def test_strings_and_buffers(lua):
    assert lua.values(
        "d = nbdkit.disk('d', 2 ^ 20) d:pwrite('string', 0) return d:pread(6, 0)",
        "local b = nbdkit.buffer(4) b:writestring(0, 'abcd') d:pwrite(b, 2) return d:pread(8, 0)"
        ":sub(1, 6)",
        "local b = nbdkit.buffer(4) d:pread(b, 2) return b:tostring()",
        "local b = nbdkit.buffer(100000) d:pwrite(string.rep('z', 70000), 60000) "
        "d:pread(b, 59999) return (b:tostring():gsub('[^z]', '')):len(), #b",
        "d:pwrite('', 2 ^ 20) return d:pread(0, 2 ^ 20) == '', #d:extents(0, 0)",
        "return select('#', d:pwrite('x', 0)), select('#', d:zero(1, 0))",
    ) is not None
    assert lua.value("return d:pread(6, 0)") == "\0tabcd"
