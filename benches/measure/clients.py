"""The programs that send requests to a server, and what they measure.

A job returns how fast it was, in its unit, and how many requests it sent, if it counts them.
"""

import contextlib
import filecmp
import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import processors
from extent import MEBIBYTE


@dataclass(frozen=True)
class Fio:
    """A job of fio, by its nbd engine."""

    what: str
    direction: str  # fio's rw=
    block: int
    depth: int
    jobs: int = 1
    one_processor: bool = False  # for fio and the server
    flush: bool = False  # at the end
    once: bool = False  # over the disk, however long that takes

    counts_requests = True
    has_aim = property(lambda self: not self.one_processor)
    writes = property(lambda self: "write" in self.direction)
    unit = property(lambda self: "requests/s" if self.block == 4096 else "MiB/s")

    def run(self, server, extent):
        if self.once and extent.seconds:
            length = []
        elif extent.seconds:
            length = ["--time_based", f"--runtime={extent.seconds * 1000:g}ms"]
        else:
            length = [f"--io_size={self.block * self.depth}"]
        command = [
            *("fio", "--name=requests", "--ioengine=nbd", f"--uri={server.uri}"),
            *(f"--rw={self.direction}", f"--bs={self.block}", f"--iodepth={self.depth}"),
            *(f"--numjobs={self.jobs}", "--group_reporting", f"--size={extent.disk}"),
            *(*length, f"--end_fsync={int(self.flush)}", "--output-format=json"),
        ]
        # It would leave files in its directory.
        with processors.on_one(server.pid) if self.one_processor else contextlib.nullcontext():
            finished = subprocess.run(
                command, capture_output=True, text=True, cwd=server.directory.name
            )
        # Its engine says something before it.
        start = finished.stdout.find("\n{")
        if finished.returncode or start < 0:
            raise RuntimeError(f"fio, {self.what}: {finished.stdout[:500]}{finished.stderr[:500]}")
        job = json.loads(finished.stdout[start:])["jobs"][0]
        if job["error"]:
            raise RuntimeError(f"fio, {self.what}: error {job['error']}")
        result = job["write" if self.writes else "read"]
        speed = result["iops"] if self.unit == "requests/s" else result["bw_bytes"] / MEBIBYTE
        return speed, result["total_ios"]


class Transfer:
    """A job that moves a number of bytes, in requests that nobody counts."""

    unit = "MiB/s"
    counts_requests = False
    has_aim = True


@dataclass(frozen=True)
class CopyTo(Transfer):
    """A whole disk, written by nbdcopy."""

    what: str = "nbdcopy to it"

    def run(self, server, extent):
        return copy_speed(self.source(extent), server.uri, self.size(extent)), None

    def source(self, extent):
        return random_file(extent.disk)

    def size(self, extent):
        return extent.disk


@dataclass(frozen=True)
class CopyFrom(Transfer):
    """A whole disk, read by nbdcopy, be there something on it or not."""

    what: str = "nbdcopy from it"

    def run(self, server, extent):
        return copy_speed(server.uri, "null:", extent.disk, "--no-extents"), None


def copy_speed(source, target, size, *options):
    start = time.monotonic()
    copy(source, target, *options)
    return size / MEBIBYTE / (time.monotonic() - start)


def copy(source, target, *options):
    subprocess.run(["nbdcopy", *options, "--", str(source), str(target)], check=True)


_files = {}


def random_file(size):
    """A file that a disk can be filled with, made once and gone when we end."""
    if size not in _files:
        file = _files[size] = tempfile.NamedTemporaryFile(prefix="nbdkit-bench-")
        for _ in range(0, size, MEBIBYTE):
            file.write(os.urandom(MEBIBYTE))
        file.flush()
    return _files[size].name


def same_content(server, other):
    """Whether a server's disk reads as a file, or as the disk of another server.

    A script that answers with something else than its peer measures something else.
    """
    with tempfile.TemporaryDirectory(prefix="nbdkit-bench-") as directory:
        copies = []
        for number, source in enumerate((server, other)):
            if isinstance(source, str):
                copies.append(Path(source))
            else:
                copies.append(Path(directory) / str(number))
                copy(source.uri, copies[-1])
        return filecmp.cmp(*copies, shallow=False)


def on_one_processor(direction):
    """A job of one request at a time, where it makes no difference who runs on which processor."""
    what = f"{direction}s of 4 KiB, depth 1, on one processor"
    return Fio(what, f"rand{direction}", 4096, 1, one_processor=True)


def shapes(direction):
    """The jobs for reads or for writes."""
    verb = f"{direction}s of"
    return [
        Fio(f"{verb} 4 KiB, depth 1", f"rand{direction}", 4096, 1),
        Fio(f"{verb} 4 KiB, depth 16", f"rand{direction}", 4096, 16),
        Fio(f"{verb} 4 KiB, 4 jobs of depth 16", f"rand{direction}", 4096, 16, 4),
        Fio(f"{verb} 256 KiB in order, depth 8", direction, 256 * 1024, 8),
    ]
