"""The examples `file`: what they offer, holes, and that nothing is lost that was acknowledged."""

import os
import random
import re
import signal
import subprocess

import nbd
import pytest

import nbdkit
from crowd import InFlight

MIB = 1 << 20


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "disk.img")


@pytest.fixture
def serve_file(start, language, path):
    """The example `file`, with a file that it makes."""
    return lambda *options, **more: start(
        *options, language.plugin, language.example("file"), f"file={path}", f"size={16 * MIB}", **more
    )


def test_what_the_example_offers(serve_file, start, language, path):
    client = serve_file().connect()
    assert client.get_size() == 16 * MIB and not client.is_read_only()
    offers = [client.can_fua(), client.can_flush(), client.can_trim(), client.can_zero()]
    assert all([*offers, client.can_fast_zero(), client.can_multi_conn(), client.can_cache()])
    client.cache(MIB, 0)
    before = os.stat(path).st_mtime_ns
    readonly = start("-r", language.plugin, language.example("file"), f"file={path}").connect()
    assert readonly.is_read_only() and readonly.pread(512, 0) == bytes(512)
    assert os.stat(path).st_mtime_ns == before


def lengths(text):
    """The words of `nbdinfo --map`: the length and the type of each extent."""
    return [(int(line.split()[1]), int(line.split()[2])) for line in text.splitlines()]


def test_holes_after_a_trim(serve_file, path):
    server = serve_file()
    client = server.connect()
    for offset in range(0, 16 * MIB, MIB):
        client.pwrite(b"x" * MIB, offset)
    client.flush()

    def used():
        words = subprocess.run(["du", "-k", path], capture_output=True, text=True, check=True)
        return int(words.stdout.split()[0])

    def mapped():
        command = ["nbdinfo", "--map", server.uri]
        return lengths(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    full = used()
    assert full >= 16 << 10 and mapped() == [(16 * MIB, 0)]
    client.trim(4 * MIB, 4 * MIB)
    client.zero(4 * MIB, 12 * MIB)
    client.flush()
    assert used() <= full - (8 << 10)
    assert mapped() == [(4 * MIB, 0), (4 * MIB, 3), (4 * MIB, 0), (4 * MIB, 3)]
    assert client.pread(4 * MIB, 4 * MIB) == bytes(4 * MIB)


def traced(calls):
    """What a server does with its file and its client, in the order of the trace."""
    patterns = {
        "write": r"pwrite64\(", "sync": r"fdatasync\(.*\) += 0", "reply": r"(sendto|sendmsg|write)\(",
    }  # fmt: skip
    for line in calls:
        yield from (name for name, pattern in patterns.items() if re.search(pattern, line))


def test_data_are_durable_before_the_reply(serve_file, tmp_path):
    trace = tmp_path / "trace"
    if subprocess.run(["strace", "-o", trace, "true"], capture_output=True).returncode != 0:
        pytest.skip("strace may not trace here")
    calls = "trace=pwrite64,fdatasync,sendto,sendmsg,write,socket"
    # With one thread for a connection, all calls are in one order.
    server = serve_file("-t", "1", prefix=("strace", "-f", "-qq", "-e", calls, "-o", str(trace)))
    client = server.connect()

    def seen(request):
        """What the server did for a request, until it was answered."""
        before = len(trace.read_text().splitlines())
        request()
        # strace writes a call's line when it returns, and a reply may be here before that.
        found = []

        def answered():
            found[:] = traced(trace.read_text().splitlines()[before:])
            return "reply" in found

        nbdkit.wait_until(answered, "the reply")
        return found[: found.index("reply")]

    assert seen(lambda: client.pwrite(b"x" * 4096, 0)) == ["write"]
    assert seen(lambda: client.pwrite(b"x" * 4096, 0, nbd.CMD_FLAG_FUA)) == ["write", "sync"]
    assert seen(client.flush) == ["sync"]
    assert seen(lambda: client.trim(4096, 0, nbd.CMD_FLAG_FUA)) == ["sync"]
    assert seen(lambda: client.zero(4096, 0, nbd.CMD_FLAG_FUA)) == ["sync"]
    client.shutdown()
    # strace ends with it.
    os.kill(server.pid, signal.SIGTERM)
    server.process.wait(nbdkit.DEADLINE)


BLOCK = 4096
BLOCKS = 2000
ROUNDS = int(os.environ.get("NBDKIT_SCRIPT_KILLS", "10"))


def content(block, count):
    """What is in a block after so many writes."""
    return random.Random(block * 1_000_003 + count).randbytes(BLOCK) if count else bytes(BLOCK)


class Load:
    """Writes and flushes of one connection, until the server is killed."""

    def __init__(self, client, numbers, blocks, answered):
        self.requests = InFlight(client)
        self.numbers, self.blocks, self.answered = numbers, blocks, answered
        # How often each block has been written that a request is writing now.
        self.writing = {}

    def another(self):
        """Sends a request, and one more after each answer."""
        numbers = self.numbers
        if numbers.random() < 0.1:
            self.requests.waiting[self.requests.client.aio_flush()] = self.another
            return
        block = numbers.choice([block for block in self.blocks if block not in self.writing])
        self.writing[block] = count = self.answered[block] + 1
        data = content(block, count)
        flags = numbers.choice([0, 0, nbd.CMD_FLAG_FUA])
        cookie = self.requests.client.aio_pwrite(data, block * BLOCK, flags=flags)

        def done(data=data):
            # The bytes must live until here.
            del self.writing[block]
            self.answered[block] = count
            self.another()

        self.requests.waiting[cookie] = done

    def go_on(self):
        """Takes what answers there are, at least once."""
        requests = self.requests
        assert requests.client.poll(nbdkit.DEADLINE * 1000)
        for cookie in list(requests.waiting):
            if requests.client.aio_command_completed(cookie):
                requests.waiting.pop(cookie)()


def test_no_write_that_was_answered_is_lost_by_sigkill(serve_file, numbers, path):
    answered = [0] * BLOCKS
    for _ in range(ROUNDS):
        server = serve_file()
        loads = [
            Load(server.connect(), numbers, range(first, BLOCKS, 3), answered) for first in range(3)
        ]
        for load in loads * 4:
            load.another()
        for _ in range(numbers.randrange(100)):
            for load in loads:
                load.go_on()
        # In the middle of what is in flight.
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait(nbdkit.DEADLINE)
        server.connections.clear()

        writing = {block: count for load in loads for block, count in load.writing.items()}
        assert writing
        with open(path, "r+b") as system:
            for block, count in enumerate(answered):
                found = system.read(BLOCK)
                if found != content(block, count):
                    # Without an answer, a part of it may be there. It is written anew, to be known.
                    assert block in writing, f"block {block}: write {count} is lost"
                    system.seek(block * BLOCK)
                    system.write(content(block, count))
                    system.seek((block + 1) * BLOCK)
    assert sum(answered) > ROUNDS
