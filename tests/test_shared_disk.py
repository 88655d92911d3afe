"""`nbdkit.disk`: a sparse disk in memory, the same one in all interpreters."""

import functools
import itertools
import random
import re
from pathlib import Path

import nbd
import pytest

from crowd import InFlight, at_once
from evaluating import evaluator

PAGE = 64 << 10
MIB = 1 << 20


@pytest.fixture
def lua(serve, language):
    return evaluator(serve, language)


@pytest.fixture
def disk(start, language, write_script):
    """The script `shared_disk`: a disk that clients read and write."""

    def disk(size, model="parallel", interpreters=4):
        return start(
            language.plugin, f"interpreters={interpreters}",
            write_script(language.script("shared_disk")), f"model={model}", f"size={size}",
        )  # fmt: skip

    return disk


def past_the_end(offset, count, size):
    return (
        f"offset {offset} and {count} bytes from there are past the end of the disk, "
        f"which has {size} bytes"
    )


def test_a_name_is_one_disk(lua):
    lua.run("a = nbdkit.disk('a', 1000) b = nbdkit.disk('b', 1000) a:pwrite('written', 10)")
    assert lua.value("return nbdkit.disk('a', 1000):pread(7, 10)") == "written"
    assert lua.bytes("return b:pread(7, 10)") == bytes(7)
    assert lua.values(
        "return a:size(), b:size()",
        "return tostring(a)",
        "return nbdkit.disk('', 1):size(), nbdkit.disk('x\\0y', 2):size()",
        "return nbdkit.disk('nothing', 0):size(), nbdkit.disk('nothing', 0):pread(0, 0) == ''",
    ) == {
        "return a:size(), b:size()": "1000 1000",
        "return tostring(a)": "nbdkit.disk",
        "return nbdkit.disk('', 1):size(), nbdkit.disk('x\\0y', 2):size()": "1 2",
        "return nbdkit.disk('nothing', 0):size(), nbdkit.disk('nothing', 0):pread(0, 0) == ''":
            "0 true",
    }  # fmt: skip


def test_a_disk_outlives_the_value_and_has_one_size(lua):
    lua.run("nbdkit.disk('a', 1000):pwrite('kept', 0) collectgarbage() collectgarbage()")
    line = lua.error("nbdkit.disk('a', 1001)")
    assert line.startswith("code:1: ")
    assert line.endswith('the disk "a" has 1000 bytes, and 1001 were asked for')
    assert lua.value("return nbdkit.disk('a', 1000):pread(4, 0)") == "kept"


def test_all_interpreters_and_connections_see_one_disk(disk):
    server = disk(MIB)
    clients = [server.connect() for _ in range(4)]
    for number, client in enumerate(clients):
        client.pwrite(b"%d" % number * 1000, number * 1000)
        for other in clients:
            requests = InFlight(other)
            for _ in range(8):
                requests.pread(1000, number * 1000, [].append)
            requests.wait_for_all()
            assert other.pread(1000, number * 1000) == b"%d" % number * 1000
    server.disconnect()
    assert server.connect().pread(4, 998) == b"0011"


def test_other_interpreters_may_not_ask_for_another_size(expect_failure, start, language, tmp_path):
    script = tmp_path / "disk.lua"
    script.write_text("""
        nbdkit.disk("d", 1000 + nbdkit.shared:incr("n", 1, 0))
        function thread_model() return "parallel" end
        function open(readonly) return 1 end
        function get_size(h) return 512 end
        function pread(h, count, offset) return string.rep("x", count) end
    """)
    line = expect_failure(script.read_text())
    assert line.startswith("instance 2 of ") and line.endswith(
        'the disk "d" has 1001 bytes, and 1002 were asked for'
    )
    # It is not a matter of the file: with one interpreter it starts.
    assert start(language.plugin, "interpreters=1", script).connect().get_size() == 512


def test_holes_read_as_zeroes_and_are_extents(disk):
    size = 10 * PAGE + 100
    client = disk(size).connect()

    def extents(offset=0, count=size):
        found = []
        requests = InFlight(client)
        requests.block_status(count, offset, found.extend)
        requests.wait_for_all()
        return [(length, kind == nbd.STATE_HOLE | nbd.STATE_ZERO) for length, kind in found]

    assert client.pread(size, 0) == bytes(size)
    assert extents() == [(size, True)]
    client.pwrite(b"x", PAGE + 7)
    client.pwrite(b"y", size - 1)
    assert client.pread(2 * PAGE, PAGE) == bytes(7) + b"x" + bytes(2 * PAGE - 8)
    assert extents() == [(PAGE, True), (PAGE, False), (8 * PAGE, True), (100, False)]
    assert extents(PAGE + 3, PAGE) == [(PAGE - 3, False), (3, True)]
    # A part of a page is made zeroes, and a whole page a hole.
    client.trim(PAGE // 2, PAGE)
    assert extents()[:2] == [(PAGE, True), (PAGE, False)]
    client.zero(PAGE, PAGE)
    assert extents()[0] == (10 * PAGE, True)
    assert client.pread(size - 1, 0) == bytes(size - 1)


def test_a_last_page_that_is_a_short_one_becomes_a_hole_as_well(lua):
    lua.run(f"d = nbdkit.disk('short', {PAGE} + 100) d:pwrite('x', {PAGE})")
    lua.run("d:trim(d:size(), 0)")
    assert lua.value("return #d:extents(d:size(), 0)") == "1"
    lua.run(f"d:pwrite('x', {PAGE} + 99) d:zero(100, {PAGE})")
    assert lua.value("return #d:extents(d:size(), 0)") == "1"


def resident(server):
    """The memory that the server has, in bytes."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[1]) * 1024


@pytest.mark.parametrize("request_", ["trim", "zero"])
def test_what_is_trimmed_is_given_back_to_the_system(disk, request_):
    server = disk(1 << 40)
    client = server.connect()
    client.pwrite(b"x" * MIB, 1 << 39)
    before = resident(server)
    for index in range(64):
        client.pwrite(b"x" * MIB, index * MIB)
    written = resident(server)
    assert written - before > 60 * MIB
    getattr(client, request_)(64 * MIB, 0)
    # Half of it is more than buffers of requests could hide.
    assert resident(server) - before < 32 * MIB
    assert client.pread(MIB, 63 * MIB) == bytes(MIB)
    assert client.pread(MIB, 1 << 39) == b"x" * MIB


def test_reading_holes_takes_no_memory(disk):
    server = disk(1 << 50)
    client = server.connect()
    client.pread(MIB, 0)
    before = resident(server)
    for index in range(200):
        assert client.pread(MIB, index << 40) == bytes(MIB)
        client.zero(1 << 30, index << 40)
    assert resident(server) - before < 32 * MIB


def test_the_largest_disk(disk, lua, language):
    largest = 2**63 - 1 if language.integers else 2**53 - 1
    if language.integers:
        lua.run("d = nbdkit.disk('largest', math.maxinteger)")
        assert lua.value("return d:size() == math.maxinteger") == "true"
        assert lua.value("d:pwrite('end', math.maxinteger - 3) "
                         "return d:pread(3, math.maxinteger - 3)") == "end"  # fmt: skip
        lua.run("d:zero(math.maxinteger - 3, 0) d:pwrite('x', 2 ^ 62)")
        assert lua.value("local e = d:extents(math.maxinteger, 0) return #e, e[2][1] == 2 ^ 62, "
                         "e[4][1] + e[4][2] == math.maxinteger") == "4 true true"  # fmt: skip
        assert "past the end" in lua.error("d:pread(1, math.maxinteger)")
    else:
        assert "the size: found " in lua.error("nbdkit.disk('largest', 2 ^ 53)")
        lua.run("d = nbdkit.disk('largest', 8e15)")
        assert lua.value("d:pwrite('end', 8e15 - 3) return d:pread(3, 8e15 - 3)") == "end"
    # nbdkit's own limit is a little lower than what a disk may have.
    client = disk(min(largest, 2**53 - 1) // PAGE * PAGE // 2).connect()
    assert client.pread(4, client.get_size() - 4) == bytes(4)


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


def test_nbdkits_own_buffers(disk):
    client = disk(MIB, interpreters=2).connect()
    data = random.Random(1).randbytes(3 * PAGE + 5)
    client.pwrite(data, PAGE - 3)
    assert client.pread(len(data), PAGE - 3) == data
    assert client.pread(1, MIB - 1) == b"\0"


OUT_OF_RANGE = {
    "d:pread(1, 1000)": (1000, 1),
    "d:pread(1001, 0)": (0, 1001),
    "d:pread(2 ^ 50, 1)": (1, 2**50),
    "d:pread(0, 1001)": (1001, 0),
    "d:pread(nbdkit.buffer(2), 999)": (999, 2),
    "d:pwrite('ab', 999)": (999, 2),
    "d:pwrite('', 1001)": (1001, 0),
    "d:pwrite(nbdkit.buffer(1001), 0)": (0, 1001),
    "d:zero(1001, 0)": (0, 1001),
    "d:trim(1, 1000)": (1000, 1),
    "d:extents(1001, 0)": (0, 1001),
    "d:extents(0, 2 ^ 52)": (2**52, 0),
}


def test_what_is_out_of_range_is_refused(lua):
    lua.run("d = nbdkit.disk('d', 1000) d:pwrite(string.rep('k', 1000), 0)")
    for code, (offset, count) in OUT_OF_RANGE.items():
        assert lua.error(code).endswith(past_the_end(offset, count, 1000)), code
    assert lua.value("return d:pread(1000, 0) == string.rep('k', 1000)") == "true"


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
    "d.pread(1, 0)": "argument 1",
    "d.pread({}, 1, 0)": "argument 1",
    "d.size()": "argument 1",
    "d.pread(nbdkit.buffer(1), 1, 0)": "argument 1",
    "d:pread()": "argument",
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
    # None of these has made a disk.
    assert lua.value("return nbdkit.disk('new', 77):size()") == "77"


def test_more_than_there_is_memory_is_an_error_and_not_the_end(lua):
    lua.run("d = nbdkit.disk('d', 2 ^ 52)")
    # LuaJIT has a word of its own for it.
    assert re.search("memory|userdata length overflow", lua.error("d:pread(2 ^ 51, 0)"))
    assert lua.value("return #d:pread(10, 0)") == "10"


@pytest.mark.parametrize("length", [4096, PAGE + 100, 3 * MIB + 5])
@pytest.mark.parametrize("model", ["parallel", "serialize_requests"])
def test_overlapping_requests_are_never_torn(disk, model, length):
    # Writes of one letter each, some of them shifted, meet reads of the part that all have.
    shift = length // 3
    server = disk(length + shift, model)
    rounds = max(20, min(300, 30 * MIB // length))
    server.connect().pwrite(b"a" * (length + shift), 0)

    reading = {1, 2}

    def write(number):
        requests = InFlight(server.connect())
        for index in itertools.count(number * 13):
            if not reading:
                break
            start = index % 2 * shift
            if index % 5 == 4:
                requests.zero(length, start, lambda: None)
            else:
                requests.pwrite(bytes([ord("a") + index % 26]) * length, start)
            while len(requests) > 3:
                requests.wait_for_some()
        requests.wait_for_all()

    def read(number):
        seen = set()

        def check(data):
            assert data == data[:1] * len(data), "torn"
            seen.add(data[:1])

        try:
            requests = InFlight(server.connect())
            reads = 0
            # Long enough to have been there while it changed.
            while reads < rounds or len(seen) < 3:
                requests.pread(length - shift, shift, check)
                reads += 1
                while len(requests) > 3:
                    requests.wait_for_some()
            requests.wait_for_all()
        finally:
            reading.remove(number)

    jobs = [functools.partial(job, number) for job in (write, read) for number in (1, 2)]
    at_once(*jobs)
