"""examples/object-store, with a directory and with an S3 server.

script/test builds both, and runs these tests separately.
"""

import os
import random
import signal
import subprocess
import threading
import time

import nbd
import pytest

import languages
import nbdkit
from conftest import failure
from s3_server import S3Server

PLUGIN = languages.rust_plugin("object_store")
SERVER = os.environ.get("NBDKIT_SCRIPT_S3_SERVER")
PIECE = 4096
PIECES = 512
SIZE = PIECE * PIECES


@pytest.fixture
def s3(tmp_path):
    if not SERVER:
        pytest.skip("NBDKIT_SCRIPT_S3_SERVER does not name a server")
    with S3Server(SERVER, tmp_path) as server:
        yield server


@pytest.fixture(params=["directory", "s3"])
def place(request, tmp_path):
    """The disk's address, and the environment that the plugin needs for it."""
    if request.param == "directory":
        return str(tmp_path / "store"), {}
    return "s3://bucket/some/disk", request.getfixturevalue("s3").environment


class Writer(threading.Thread):
    """A client that writes, flushes and reads its own pieces until the server is gone.

    It records what each piece may contain afterwards: the content at the end of the last flush, and
    everything written since. Other clients write other pieces of the same blocks.
    """

    def __init__(self, number, of, seed):
        super().__init__()
        self.pieces = {piece: [bytes(PIECE)] for piece in range(number, PIECES, of)}
        self.random = random.Random(seed * 100 + number)
        self.flushes = self.writes = 0
        self.failure = None

    def begin(self, server):
        threading.Thread.__init__(self)
        self.client = server.connect()
        self.start()

    def run(self):
        try:
            while True:
                self.step()
        except nbd.Error:
            pass  # The server is gone.
        except AssertionError as failure:
            self.failure = failure

    def step(self):
        what = self.random.random()
        piece = self.random.choice(list(self.pieces))
        possible = self.pieces[piece]
        if what < 0.1:
            self.client.flush()
            for possible in self.pieces.values():
                del possible[:-1]
            self.flushes += 1
        elif what < 0.4:
            assert self.client.pread(PIECE, piece * PIECE) == possible[-1], piece
        else:
            fua = nbd.CMD_FLAG_FUA if what > 0.9 else 0
            zero = 0.4 < what < 0.5
            data = bytes(PIECE) if zero else self.random.randbytes(PIECE)
            possible.append(data)
            if zero:
                self.client.trim(PIECE, piece * PIECE)
            else:
                self.client.pwrite(data, piece * PIECE, fua)
            if fua:
                del possible[:-1]
            self.writes += 1

    def check(self, disk):
        """Checks the pieces on the next server, and records that they now contain just this."""
        assert self.failure is None
        for piece, possible in self.pieces.items():
            found = disk[piece * PIECE :][:PIECE]
            assert found in possible, f"piece {piece} was lost"
            possible[:] = [found]


def served(start, place, *parameters):
    address, environment = place
    common = ["size=2M", "block=64K", "cache=512K"]
    server = start(PLUGIN, f"url={address}", *common, *parameters, env=environment)
    ignore_tokio(server)
    return server


def ignore_tokio(server):
    """Leaves out tokio's threads: those for files and DNS stay idle for ten seconds."""
    threads = lambda: sum(not name.startswith("tokio") for name in server.threads())
    idle = threads()
    server.wait_idle = lambda: nbdkit.wait_until(lambda: threads() <= idle, "connections to close")


def test_nbdcopy_there_and_back(place, start, tmp_path):
    image = tmp_path / "image"
    image.write_bytes(random.Random(1).randbytes(SIZE // 2) + bytes(SIZE // 2))
    server = served(start, place)
    subprocess.run(["nbdcopy", "--flush", image, server.uri], check=True)
    back = subprocess.run(["nbdcopy", server.uri, "-"], check=True, stdout=subprocess.PIPE)
    assert back.stdout == image.read_bytes()
    nbdmap = ["nbdinfo", "--map", "--totals", server.uri]
    totals = subprocess.run(nbdmap, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert [line.split()[:2] for line in totals.splitlines()] == [[str(SIZE // 2), "50.0%"]] * 2
    code, log = server.stop()
    assert (code, nbdkit.error_lines(log)) == (0, [])
    # The data is there, and the disk is free.
    assert served(start, place).connect().pread(SIZE, 0) == image.read_bytes()


def test_a_second_server_is_refused(place, start, tmp_path):
    first = served(start, place, "lease=3s")
    client = first.connect()
    client.pwrite(b"first", 0, nbd.CMD_FLAG_FUA)
    address, environment = place
    env = {**os.environ, **environment}
    assert "the disk is in use by a server on" in failure(
        PLUGIN, f"url={address}", cwd=tmp_path, env=env
    )
    reader = served(start, place, "readonly=true")
    assert reader.connect().pread(5, 0) == b"first"

    second = served(start, place, "takeover=true").connect()
    with pytest.raises(nbd.Error) as refused:
        client.flush()
    assert refused.value.errno == "EIO"
    assert "the disk was taken over by a server on" in first.log().decode()
    assert second.pread(5, 0) == b"first"


def test_a_stopped_writer_that_resumes_writes_nothing(place, start):
    old = served(start, place, "lease=3s")
    client = old.connect()
    client.pwrite(b"flushed", 0, nbd.CMD_FLAG_FUA)
    client.pwrite(b"old", 0)
    os.kill(old.pid, signal.SIGSTOP)
    new = served(start, place, "takeover=true").connect()
    assert new.pread(7, 0) == b"flushed"
    new.pwrite(b"new", 0, nbd.CMD_FLAG_FUA)
    os.kill(old.pid, signal.SIGCONT)
    for request in (client.flush, lambda: client.pwrite(b"x", 0), lambda: client.pread(7, 0)):
        with pytest.raises(nbd.Error) as refused:
            request()
        assert refused.value.errno == "EIO"
    assert new.pread(7, 0) == b"newshed"


def test_a_directory_relative_to_where_a_daemon_was_started(start, tmp_path):
    server = start(PLUGIN, "some/disk", "size=1M", daemon=True)
    ignore_tokio(server)
    server.connect().pwrite(b"x", 0, nbd.CMD_FLAG_FUA)
    assert (tmp_path / "some/disk/manifest").is_file()
    server.stop()
    message = failure(PLUGIN, "nothing/here", cwd=tmp_path)
    assert message.startswith(f"get_ready: url=file://{tmp_path}/nothing/here: the directory")


def test_killed_under_load(place, start):
    rounds = 4
    writers = [Writer(number, 4, seed=1) for number in range(4)]
    chance = random.Random(1)
    for number in range(rounds + 1):
        server = served(start, place, "lease=3s", "takeover=true")
        disk = server.connect().pread(SIZE, 0)
        for writer in writers:
            writer.check(disk)
        if number == rounds:
            break
        enough = sum(writer.writes for writer in writers) + chance.randrange(100, 600)
        for writer in writers:
            writer.begin(server)
        nbdkit.wait_until(
            lambda: sum(writer.writes for writer in writers) >= enough, "the clients to write"
        )
        # A client that gets an error ends.
        assert all(writer.is_alive() for writer in writers)
        server.kill()
        for writer in writers:
            writer.join(nbdkit.DEADLINE)
    report("killed", writers, rounds)


def test_s3_is_gone_for_ten_seconds(s3, start):
    place = "s3://bucket/disk", s3.environment
    server = served(start, place)
    writers = [Writer(number, 4, seed=2) for number in range(4)]
    for writer in writers:
        writer.begin(server)
    nbdkit.wait_until(lambda: all(writer.writes > 20 for writer in writers), "them to write")
    s3.end()
    time.sleep(10)
    s3.begin()
    before = [writer.flushes for writer in writers]
    # A client that gets an error ends.
    pairs = list(zip(writers, before, strict=True))
    nbdkit.wait_until(
        lambda: all(writer.flushes > count + 2 for writer, count in pairs), "them to go on"
    )
    assert all(writer.is_alive() for writer in writers)
    server.process.terminate()
    for writer in writers:
        writer.join(nbdkit.DEADLINE)
    assert server.process.wait(nbdkit.DEADLINE) == 0
    disk = served(start, place).connect().pread(SIZE, 0)
    for writer in writers:
        writer.check(disk)
    report("gone for 10 s", writers, 1)


def report(what, writers, rounds):
    writes, flushes = (sum(getattr(w, name) for w in writers) for name in ("writes", "flushes"))
    print(f"{what}: {rounds} times, {writes} writes, {flushes} flushes, lost: 0")
