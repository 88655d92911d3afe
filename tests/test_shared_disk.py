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
from languages import under_test

PAGE = 64 << 10
MIB = 1 << 20


@pytest.fixture
def evaluate(serve, language):
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


@pytest.fixture
def disks(evaluate, language):
    """Makes disks in variables and calls their methods."""

    class Disks:
        def make(self, variable, name, size):
            evaluate.run(language.assign(variable, language.call("disk", name, size)))

        def do(self, variable, method, *arguments):
            evaluate.run(language.method(variable, method, *arguments))

        def bytes(self, variable, count, offset):
            call = language.method(variable, "pread", count, offset)
            return evaluate.bytes(language.answer(call))

        def size(self, variable):
            return int(evaluate.answer(language.method(variable, "size")))

        def extents(self, variable, count, offset):
            """The number of extents."""
            extents = language.literal(language.method(variable, "extents", count, offset))
            counting = language.script("shared_disk_calls", "how many", list=extents)
            return int(evaluate.value(counting))

    return Disks()


def past_the_end(offset, count, size):
    return (
        f"offset {offset} and {count} bytes from there are past the end of the disk, "
        f"which has {size} bytes"
    )


def test_a_name_is_one_disk(disks):
    disks.make("a", "a", 1000)
    disks.make("b", "b", 1000)
    disks.do("a", "pwrite", b"written", 10)
    disks.make("again", "a", 1000)
    assert disks.bytes("again", 7, 10) == b"written"
    assert disks.bytes("b", 7, 10) == bytes(7)
    for name, size in ((b"", 1), (b"x\0y", 2), (b"nothing", 0)):
        disks.make("other", name, size)
        assert disks.size("other") == size
    assert disks.bytes("other", 0, 0) == b""


def test_a_disk_outlives_the_value_and_has_one_size(disks, evaluate, language):
    evaluate.run(language.script("shared_disk_calls", "written and let go"))
    assert evaluate.message(language.call("disk", "a", 1001)).endswith(
        'the disk "a" has 1000 bytes, and 1001 were asked for'
    )
    disks.make("a", "a", 1000)
    assert disks.bytes("a", 4, 0) == b"kept"


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
    script = tmp_path / f"disk.{language.extension}"
    script.write_text(language.script("shared_disk_calls", "one byte more in each"))
    line = expect_failure(script.read_text())
    assert line.startswith("instance 2 of ") and line.endswith(
        'the disk "d" has 1001 bytes, and 1002 were asked for'
    )
    # The file is fine: with one interpreter it starts.
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
    # Part of a page becomes zeroes, and a whole page a hole.
    client.trim(PAGE // 2, PAGE)
    assert extents()[:2] == [(PAGE, True), (PAGE, False)]
    client.zero(PAGE, PAGE)
    assert extents()[0] == (10 * PAGE, True)
    assert client.pread(size - 1, 0) == bytes(size - 1)


def test_a_last_page_that_is_a_short_one_becomes_a_hole_as_well(disks):
    size = PAGE + 100
    disks.make("d", "short", size)
    disks.do("d", "pwrite", b"x", PAGE)
    disks.do("d", "trim", size, 0)
    assert disks.extents("d", size, 0) == 1
    disks.do("d", "pwrite", b"x", PAGE + 99)
    disks.do("d", "zero", 100, PAGE)
    assert disks.extents("d", size, 0) == 1


def resident(server):
    """The memory that the server uses, in bytes."""
    status = Path(f"/proc/{server.pid}/status").read_text()
    return int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)[1]) * 1024


@pytest.mark.parametrize("request_", ["trim", "zero"])
def test_trimmed_memory_goes_back_to_the_system(disk, request_):
    server = disk(1 << 40)
    client = server.connect()
    client.pwrite(b"x" * MIB, 1 << 39)
    before = resident(server)
    for index in range(64):
        client.pwrite(b"x" * MIB, index * MIB)
    written = resident(server)
    assert written - before > 60 * MIB
    getattr(client, request_)(64 * MIB, 0)
    # Half of it is more than the buffers of requests could account for.
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


def test_the_largest_disk(disk, disks, evaluate, language):
    largest = 2**63 - 1 if language.integers else 2**53 - 1
    if language.integers:
        disks.make("d", "largest", largest)
        assert disks.size("d") == largest
        disks.do("d", "pwrite", b"end", largest - 3)
        assert disks.bytes("d", 3, largest - 3) == b"end"
        disks.do("d", "zero", largest - 3, 0)
        disks.do("d", "pwrite", b"x", 2**62)
        assert disks.extents("d", largest, 0) == 4
        assert "past the end" in evaluate.error(language.method("d", "pread", 1, largest))
    else:
        for past in (2**53, 2**53 + 2, 2**63):
            line = evaluate.error(language.call("disk", "largest", past))
            assert "the size: found " in line
            assert "floating point numbers are not exact past 2^53 - 1" in line
        disks.make("d", "largest", largest)
        disks.do("d", "pwrite", b"end", largest - 3)
        assert disks.bytes("d", 3, largest - 3) == b"end"
    # nbdkit's own limit is a little lower than a disk's.
    client = disk(min(largest, 2**53 - 1) // PAGE * PAGE // 2).connect()
    assert client.pread(4, client.get_size() - 4) == bytes(4)


def test_buffers_and_bytes(disks, evaluate, language):
    disks.make("d", "d", 2**20)
    for variable, contents in (("b", b"abcd"), ("long", 100000)):
        evaluate.run(language.new_buffer(variable, contents))
    disks.do("d", "pwrite", b"string", 0)
    evaluate.run(language.disk_with_buffer("d", "pwrite", "b", 2))
    assert disks.bytes("d", 8, 0) == b"stabcd\0\0"
    evaluate.run(language.method("b", "fill", 0, 0))
    evaluate.run(language.disk_with_buffer("d", "pread", "b", 1))
    assert evaluate.bytes(language.answer(language.method("b", "tostring"))) == b"tabc"
    evaluate.run(language.disk_with_buffer("d", "pread", "long", 0))
    assert evaluate.answer(language.method("long", "len")) == "100000"
    disks.do("d", "pwrite", b"", 2**20)
    assert disks.bytes("d", 0, 2**20) == b""
    assert disks.extents("d", 0, 0) == 0
    assert disks.bytes("d", 6, 0) == b"stabcd"


def test_nbdkits_own_buffers(disk):
    client = disk(MIB, interpreters=2).connect()
    data = random.Random(1).randbytes(3 * PAGE + 5)
    client.pwrite(data, PAGE - 3)
    assert client.pread(len(data), PAGE - 3) == data
    assert client.pread(1, MIB - 1) == b"\0"


OUT_OF_RANGE = [
    (("pread", 1, 1000), (1000, 1)),
    (("pread", 1001, 0), (0, 1001)),
    (("pread", 2**50, 1), (1, 2**50)),
    (("pread", 0, 1001), (1001, 0)),
    (("pwrite", b"ab", 999), (999, 2)),
    (("pwrite", b"", 1001), (1001, 0)),
    (("zero", 1001, 0), (0, 1001)),
    (("trim", 1, 1000), (1000, 1)),
    (("extents", 1001, 0), (0, 1001)),
    (("extents", 0, 2**52), (2**52, 0)),
]


def test_requests_out_of_range_are_refused(disks, evaluate, language):
    disks.make("d", "d", 1000)
    disks.do("d", "pwrite", b"k" * 1000, 0)
    for call, (offset, count) in OUT_OF_RANGE:
        line = evaluate.message(language.method("d", *call))
        assert line.endswith(past_the_end(offset, count, 1000)), call
    for size, method, offset in ((2, "pread", 999), (1001, "pwrite", 0)):
        evaluate.run(language.new_buffer("b", size))
        line = evaluate.message(language.disk_with_buffer("d", method, "b", offset))
        assert line.endswith(past_the_end(offset, size, 1000)), method
    assert disks.bytes("d", 1000, 0) == b"k" * 1000


@pytest.mark.parametrize("way", under_test().pieces("shared_disk_calls", "wrong calls"))
def test_wrong_calls_are_refused_and_change_nothing(disks, evaluate, language, way):
    disks.make("d", "d", 1000)
    disks.do("d", "pwrite", b"k" * 1000, 0)
    message = evaluate.message(language.pieces("shared_disk_calls", "wrong calls")[way])
    # The message names what was expected.
    assert re.search("expected|wrong # args", message), message
    assert disks.bytes("d", 1000, 0) == b"k" * 1000
    # None of these has created a disk.
    disks.make("new", "new", 77)
    assert disks.size("new") == 77


def test_more_than_there_is_memory_is_an_error_and_not_the_end(disks, evaluate, language):
    disks.make("d", "d", 2**52)
    # LuaJIT has its own wording for it, and Tcl a limit.
    line = evaluate.error(language.method("d", "pread", 2**51, 0))
    assert re.search("memory|userdata length overflow|more than a value of Tcl holds", line), line
    assert len(disks.bytes("d", 10, 0)) == 10


@pytest.mark.parametrize("length", [4096, PAGE + 100, 3 * MIB + 5])
@pytest.mark.parametrize("model", ["parallel", "serialize_requests"])
def test_overlapping_requests_are_never_torn(disk, model, length):
    # Writes of one letter each, some of them shifted, overlap with reads of the common part.
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
            # Long enough for it to change meanwhile.
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
