"""Random requests of many connections at once on one disk: every reply has to be possible.

Each connection owns lanes of the disk, whose bytes it knows exactly. Next to them are blocks that
all connections write, always completely and each with its own pattern: a read must return a single
pattern from its first byte to its last, and not one that had already been replaced.
"""

import itertools
import os
import random
import struct
import threading
import time

import nbd
import pytest

import nbdkit
from crowd import InFlight, at_once

SECONDS = float(os.environ.get("NBDKIT_SCRIPT_CONSISTENCY_SECONDS", "5"))

CONNECTIONS = 6
LANES_EACH = 6
# Not a multiple of anything, so that a page of the disk holds bytes of several connections.
LANE = 43_210
LANES_END = CONNECTIONS * LANES_EACH * LANE
# Within one page, within a few, and longer than anything the disk could lock at once.
SHARED = [512, 4096, 65_536, 200_000, 1_500_000]
SIZE = LANES_END + sum(SHARED)
WRITER = struct.Struct("<IIQ")

# One order of all events, for all threads.
clock = itertools.count(1)


class SharedBlock:
    """The patterns that may be read from a block that all connections write."""

    def __init__(self, number, offset, length):
        self.number, self.offset, self.length = number, offset, length
        self.lock = threading.Lock()
        # When each pattern was certainly there; zeroes are the pattern (0, 0).
        self.written = {(0, 0): 0}
        self.zeroes_in_flight = 0
        # When the latest of all completed writes began. Anything that had ended before it is gone.
        self.replaced_before = 0

    def pattern(self, writer, sequence):
        one = WRITER.pack(writer, self.number, sequence)
        return (one * (self.length // len(one) + 1))[: self.length]

    def begin(self, key):
        with self.lock:
            if key == (0, 0):
                self.zeroes_in_flight += 1
            else:
                self.written[key] = None
            return next(clock)

    def end(self, key, began):
        with self.lock:
            if key == (0, 0):
                self.zeroes_in_flight -= 1
            self.written[key] = next(clock)
            self.replaced_before = max(self.replaced_before, began)

    def check(self, data, replaced_before):
        """Whether these bytes may be read, if `replaced_before` is from before the request."""
        writer, number, sequence = WRITER.unpack_from(data)
        key = (writer, sequence)
        if key == (0, 0):
            assert data == bytes(self.length), f"block {self.number}: torn zeroes"
        else:
            assert data == self.pattern(*key), f"block {self.number}: torn"
            assert number == self.number
        with self.lock:
            assert key in self.written, f"block {self.number}: {key} was never written"
            ended = self.written[key]
            if ended is None or (key == (0, 0) and self.zeroes_in_flight):
                return
            assert ended >= replaced_before, f"block {self.number}: {key} had been replaced"


class Worker:
    """A connection and its requests in flight: one in each lane, one in a block."""

    def __init__(self, number, client, blocks, seed, end):
        self.number, self.blocks, self.end = number, blocks, end
        self.random = random.Random(seed)
        self.requests = InFlight(client)
        lanes = range(number - 1, CONNECTIONS * LANES_EACH, CONNECTIONS)
        self.lanes = {lane: bytearray(LANE) for lane in lanes}
        self.sequence = itertools.count(1)
        self.answers = 0
        self.read = 0

    def run(self):
        for lane in self.lanes:
            self.next_in_lane(lane)
        if self.blocks:
            self.next_in_block()
        self.requests.wait_for_all()
        for lane, model in self.lanes.items():
            self.check_lane(lane, model, range(LANE))
        self.requests.wait_for_all()
        return self.answers, self.read

    def answered(self, then, *arguments):
        self.answers += 1
        if time.monotonic() < self.end:
            then(*arguments)

    def next_in_lane(self, lane):
        model = self.lanes[lane]
        start = self.random.randrange(LANE)
        longest = self.random.choice([16, 600, 5000, LANE])
        stop = min(LANE, start + self.random.randint(1, longest))
        offset, count = lane * LANE + start, stop - start
        what = self.random.choice(["write", "write", "zero", "trim", "read", "read", "extents"])

        def done():
            self.answered(self.next_in_lane, lane)

        if what == "write":
            model[start:stop] = self.random.randbytes(count)
            self.requests.pwrite(model[start:stop], offset, done)
        elif what == "zero":
            model[start:stop] = bytes(count)
            flags = self.random.choice([0, nbd.CMD_FLAG_NO_HOLE])
            self.requests.zero(count, offset, done, flags)
        elif what == "trim":
            model[start:stop] = bytes(count)
            self.requests.trim(count, offset, done)
        elif what == "read":
            self.check_lane(lane, model, range(start, stop), done)
        else:
            self.check_extents(lane, model, range(start, stop), done)

    def check_lane(self, lane, model, part, done=lambda: None):
        expected = bytes(model[part.start : part.stop])

        def check(data):
            assert data == expected, f"lane {lane}, {part}: {difference(data, expected)}"
            self.read += 1
            done()

        self.requests.pread(len(part), lane * LANE + part.start, check)

    def check_extents(self, lane, model, part, done):
        def check(extents):
            position = part.start
            for length, kind in extents:
                end = min(position + length, part.stop)
                if kind & nbd.STATE_ZERO:
                    zeroes = bytes(end - position)
                    assert model[position:end] == zeroes, f"lane {lane}: data in a hole"
                position = end
            assert position > part.start
            done()

        self.requests.block_status(len(part), lane * LANE + part.start, check)

    def next_in_block(self):
        block = self.random.choice(self.blocks)
        what = self.random.choice(["write", "write", "zero", "trim", "read", "read", "read"])
        if what == "read":
            replaced_before = block.replaced_before

            def check(data):
                block.check(data, replaced_before)
                self.read += 1
                self.answered(self.next_in_block)

            self.requests.pread(block.length, block.offset, check)
            return
        key = (self.number, next(self.sequence)) if what == "write" else (0, 0)
        began = block.begin(key)

        def done():
            block.end(key, began)
            self.answered(self.next_in_block)

        if what == "write":
            self.requests.pwrite(block.pattern(*key), block.offset, done)
        elif what == "zero":
            self.requests.zero(block.length, block.offset, done)
        else:
            self.requests.trim(block.length, block.offset, done)


def difference(data, expected):
    first = next(index for index in range(len(expected)) if data[index] != expected[index])
    count = sum(a != b for a, b in zip(data, expected, strict=True))
    return f"{count} of {len(data)} bytes differ, the first at {first}"


def test_the_check_of_shared_blocks_sees_what_is_wrong():
    block = SharedBlock(1, 0, 4096)
    zeroes, old, new = bytes(4096), block.pattern(1, 1), block.pattern(2, 1)
    block.check(zeroes, 0)
    with pytest.raises(AssertionError, match="never written"):
        block.check(old, 0)
    began = block.begin((1, 1))
    block.check(old, 0)
    block.check(zeroes, 0)
    block.end((1, 1), began)
    with pytest.raises(AssertionError, match="replaced"):
        block.check(zeroes, block.replaced_before)
    block.end((2, 1), block.begin((2, 1)))
    block.check(new, block.replaced_before)
    with pytest.raises(AssertionError, match="replaced"):
        block.check(old, block.replaced_before)
    for torn in (new[:2048] + old[2048:], new[:-1] + b"?", zeroes[:-1] + b"x"):
        with pytest.raises(AssertionError, match="torn"):
            block.check(torn, 0)


@pytest.mark.parametrize(
    "model, interpreters", [("parallel", 4), ("parallel", 16), ("serialize_requests", 4)]
)
def test_random_requests(start, language, write_script, numbers, model, interpreters):
    # The time is for all cases of this test together.
    seconds = SECONDS / 3
    server = start(
        language.plugin,
        f"interpreters={interpreters}",
        write_script(language.script("shared_disk")),
        f"model={model}",
        f"size={SIZE}",
    )
    offsets = itertools.accumulate(SHARED, initial=LANES_END)
    blocks = [
        SharedBlock(number, offset, length)
        for number, (offset, length) in enumerate(zip(offsets, SHARED, strict=False), start=1)
    ]
    answers, read = check(server, numbers, blocks, seconds)
    print(f"{model}, {interpreters} interpreters: {answers} answers, {read} of them checked reads")


@pytest.mark.parametrize("interpreters", [4, 16])
def test_random_requests_on_a_file(start, language, tmp_path, numbers, interpreters):
    path = tmp_path / "disk.img"
    server = start(
        language.plugin, f"interpreters={interpreters}", language.example("file"),
        f"file={path}", f"size={SIZE}",
    )  # fmt: skip
    # No blocks that all write: a file does not keep a write apart from a read at the same place.
    answers, read = check(server, numbers, [], SECONDS / 3)
    print(f"a file, {interpreters} interpreters: {answers} answers, {read} of them checked reads")


def check(server, numbers, blocks, seconds):
    """Random requests for this long; the numbers of all answers and of the reads among them."""
    server.watchdog.cancel()
    server.watchdog = threading.Timer(seconds + 2 * nbdkit.DEADLINE, server.kill)
    server.watchdog.start()
    end = time.monotonic() + seconds
    workers = [
        Worker(number, server.connect(), blocks, numbers.randrange(2**32), end)
        for number in range(1, CONNECTIONS + 1)
    ]
    done = at_once(*(worker.run for worker in workers))
    answers, read = (sum(column) for column in zip(*done, strict=True))
    # Every connection got its turn, not just at the end.
    assert all(count > 20 for count, _ in done), done
    assert read > CONNECTIONS * LANES_EACH
    assert server.stop() == (0, b"")
    return answers, read
