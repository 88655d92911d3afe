"""Clients that die, a server that is told to end, and errors, each under load."""

import functools
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import nbd
import pytest

import languages
import nbdkit
from crowd import InFlight, at_once

SIZE = 8 << 20
BLOCK = 4096
# Dying clients read and write before this offset, and the others check what is after it.
BORDER = SIZE // 2

KILLS_EACH = 150

@pytest.fixture
def disk(start, language, write_script, tmp_path):
    """The script `shared_disk`, and its interpreters' counts of `open` and `close` at the end."""

    class Disk:
        notes = tmp_path / "notes"

        def __init__(self, model, interpreters, addition="", options=()):
            text = language.script("shared_disk")
            # At its end, each interpreter reports what happened in it.
            text += language.script("faults_under_load", "counting", notes=self.notes)
            self.server = start(
                *options, language.plugin, f"interpreters={interpreters}",
                write_script(text + addition), f"model={model}", f"size={SIZE}",
            )  # fmt: skip

        def counts(self):
            lines = self.notes.read_text().splitlines()
            return [tuple(map(int, line.split())) for line in lines]

    return Disk


@pytest.mark.parametrize("model, interpreters", [("parallel", 4), ("serialize_requests", 4)])
def test_clients_that_are_killed(disk, model, interpreters):
    # One thread per connection. If several reply to a client that has gone, nbdkit 1.32 fails an
    # assertion (sock >= 0 in connections.c), with any plugin.
    disk = disk(model, interpreters, options=["-t", "1"])
    server = disk.server
    content = random.Random(1).randbytes(SIZE - BORDER)
    server.connect().pwrite(content, BORDER)
    running = [True]

    def kill():
        program = Path(__file__).with_name("dying_clients.py")
        words = [server.uri, KILLS_EACH, 64, 0, BORDER]
        subprocess.run(
            [sys.executable, program, *map(str, words)], check=True, timeout=2 * nbdkit.DEADLINE
        )

    def kill_all():
        try:
            at_once(kill, kill)
        finally:
            running.clear()

    def check(seed):
        numbers = random.Random(seed)
        client = server.connect()
        reads = 0
        while running or reads < 10:
            begin = numbers.randrange(len(content) - BLOCK)
            assert client.pread(BLOCK, BORDER + begin) == content[begin : begin + BLOCK]
            if reads % 20 == 0:
                # One that arrives while others leave.
                client.shutdown()
                client = server.connect()
            reads += 1

    at_once(kill_all, *(functools.partial(check, seed) for seed in range(3)))
    client = server.connect()
    assert client.pread(len(content), BORDER) == content
    # The writes of the dead clients are there completely or not at all.
    assert set(client.pread(BORDER, 0)) <= {0, ord("k")}
    code, log = server.stop()
    assert code == 0
    # nbdkit may log that a client has gone. The script logs nothing.
    assert b"disk." not in log and b"panicked" not in log, log
    counts = disk.counts()
    assert len(counts) == interpreters
    assert all(opened == closed for opened, closed in counts), counts
    assert sum(opened for opened, _ in counts) > 2 * KILLS_EACH


@pytest.mark.parametrize("round_", range(3))
@pytest.mark.parametrize("model, interpreters", [
    ("parallel", 16), ("serialize_requests", 16), ("serialize_all_requests", 1),
])  # fmt: skip
def test_a_server_that_is_told_to_end_under_load(disk, model, interpreters, round_):
    disk = disk(model, interpreters)
    server = disk.server
    clients = [server.connect() for _ in range(6)]
    answered = [0] * len(clients)

    def load(index):
        requests = InFlight(clients[index])
        numbers = random.Random(index)

        def another(data=b"x"):
            answered[index] += 1
            offset = numbers.randrange(SIZE - BLOCK)
            if answered[index] % 2:
                requests.pread(BLOCK, offset, another)
            else:
                requests.pwrite(b"w" * BLOCK, offset, another)

        with pytest.raises(nbd.Error):
            for _ in range(16):
                another()
            while True:
                requests.wait_for_some()

    def end():
        nbdkit.wait_until(lambda: min(answered) > 100, "all clients to be at work")
        server.process.send_signal(signal.SIGTERM)
        return server.process.wait(nbdkit.DEADLINE)

    code, *_ = at_once(end, *(functools.partial(load, index) for index in range(len(clients))))
    assert code == 0, server.log()
    assert b"disk." not in server.log() and b"panicked" not in server.log(), server.log()
    # `cleanup` ran in every one, once.
    assert len(disk.counts()) == interpreters


def test_a_server_that_is_told_to_end_while_requests_sleep(disk, language):
    disk = disk("parallel", 8, language.script("faults_under_load", "sleeping"))
    client = disk.server.connect()
    buffers = [bytearray(512) for _ in range(7)]
    sleeping = [client.aio_pread(buffer, 0) for buffer in buffers]

    def all_asleep():
        try:
            client.pwrite(b"x", 0)
        except nbd.Error:
            return False
        return True

    nbdkit.wait_until(all_asleep, "seven requests")
    disk.server.process.send_signal(signal.SIGTERM)
    # They wake up and fail. nbdkit then still waits until the client sends more, or leaves.
    errors = set()
    while sleeping:
        client.poll(nbdkit.DEADLINE * 1000)
        for cookie in list(sleeping):
            try:
                assert not client.aio_command_completed(cookie)
            except nbd.Error as error:
                errors.add(error.errno)
                sleeping.remove(cookie)
    assert errors == {"ESHUTDOWN"}
    disk.server.connections.clear()
    del client, all_asleep
    assert disk.server.process.wait(nbdkit.DEADLINE) == 0
    assert len(disk.counts()) == 8


@pytest.mark.parametrize("model", ["parallel", "serialize_requests", "serialize_all_requests"])
def test_a_storm_of_errors(disk, language, model):
    disk = disk(model, 4, language.script("faults_under_load", "storm"))

    def storm(number):
        client = disk.server.connect()
        outcomes = []
        for index in range(300):
            offset = (number * 300 + index) * 10
            try:
                client.pwrite(b"%010d" % offset, offset)
                outcomes.append((offset % 3, None))
                assert client.pread(10, offset) == b"%010d" % offset
            except nbd.Error as error:
                outcomes.append((offset % 3, error.errno))
        return outcomes

    results = at_once(*(functools.partial(storm, number) for number in range(8)))
    for outcomes in results:
        assert set(outcomes) == {(0, "EIO"), (1, "ENOSPC"), (2, None)}
    code, log = disk.server.stop()
    assert code == 0
    # A line for each, and all of them complete.
    errors = [line for line in nbdkit.error_lines(log) if "error: pwrite: " in line]
    assert len(errors) == len(nbdkit.error_lines(log)) == 8 * 200
    assert sum(line.endswith("storm") for line in errors) == 8 * 100
    assert all(opened == closed for opened, closed in disk.counts())


def test_a_storm_of_panics(start):
    server = start(languages.rust_plugin("panicking"), "panic=pread")

    def storm():
        client = server.connect()
        for _ in range(300):
            with pytest.raises(nbd.Error) as error:
                client.pread(512, 0)
            assert error.value.errno == "EIO"
            assert client.pread(512, 512) == b"x" * 512
        client.shutdown()

    at_once(*[storm] * 8)
    server.wait_idle()
    assert len([line for line in server.errors() if "panicked at" in line]) == 8 * 300
    assert os.path.exists(f"/proc/{server.pid}")
    assert server.stop()[0] == 0
