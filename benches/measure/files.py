"""A disk in a file: the example scripts, beside nbdkit's file plugin and a script in Python.

Each side has a file of its own, in the same directory, which is not in memory.
"""

import contextlib
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import plugins
from clients import CopyFrom, CopyTo, copy_speed, shapes
from contest import Peer, Side
from extent import MEBIBYTE
from served import contest_of_servers

EXAMPLES = Path("examples")  # from the repository, where everything runs


def measure(extent):
    jobs = [CopyTo(), *shapes("read"), *shapes("write"), CopyFrom()]
    small = [Fill(), *(job for job in jobs if getattr(job, "block", 0) == 4096)]
    for language, plugin, least in (("lua", plugins.LUA, 0.95), ("tcl", plugins.TCL, 0.85)):
        with files(extent.disk) as file:
            ours = script(language, plugin, file)
            yield from contest_of_servers(
                f"file.{language}", ours, (Peer(official(file), ("at least", least)),), jobs, extent
            )
        with files(extent.sparse) as file:
            # Comparing such disks would take longer than the jobs.
            ours = replace(script(language, plugin, file), same_disk=False)
            peer = replace(official(file), same_disk=False)
            sparse = [SparseTo(), SparseFrom()]
            yield from contest_of_servers(
                f"file.{language}, sparse",
                ours,
                (Peer(peer, ("at least", least)),),
                sparse,
                extent,
            )
    with files(extent.disk) as file:
        python = Side(
            "nbdkit-python-plugin",
            plugins.PYTHON,
            (f"{plugins.SCRIPTS}/file.py", f"file={file('python')}"),
        )
        yield from contest_of_servers(
            "file.lua",
            script("lua", plugins.LUA, file),
            (Peer(python, ("at least", 2.0)),),
            small,
            extent,
        )


class Fill(CopyTo):
    """Puts something there to be read. How fast is of no interest."""

    has_aim = False


@contextlib.contextmanager
def files(size):
    """Makes the file of a name, a hole of this size."""

    def file(name):
        path = Path(directory) / name
        path.touch()
        os.truncate(path, size)
        return path

    # /tmp may be in memory.
    with tempfile.TemporaryDirectory(prefix="nbdkit-bench-", dir="/var/tmp") as directory:
        yield file


def script(language, plugin, file):
    name = f"file.{language}"
    return Side(name, plugin, (f"{EXAMPLES}/{language}/{name}", f"file={file(name)}"))


def official(file):
    return Side("nbdkit-file-plugin", plugins.FILE, (f"file={file('official')}",))


@dataclass(frozen=True)
class SparseTo(CopyTo):
    """A file with 5 % data, written by nbdcopy."""

    what: str = "nbdcopy to it, 5 % data"

    def source(self, extent):
        return sparse_file(extent.sparse)

    def size(self, extent):
        return extent.sparse


@dataclass(frozen=True)
class SparseFrom(CopyFrom):
    """The same, read by nbdcopy into a file."""

    what: str = "nbdcopy from it, 5 % data"

    def run(self, server, extent):
        with tempfile.NamedTemporaryFile(prefix="nbdkit-bench-", dir="/var/tmp") as target:
            return copy_speed(server.uri, target.name, extent.sparse), None


_sparse = {}


def sparse_file(size):
    """One MiB of data in every twenty, made once and gone when we end."""
    if size not in _sparse:
        file = _sparse[size] = tempfile.NamedTemporaryFile(prefix="nbdkit-bench-", dir="/var/tmp")
        os.truncate(file.name, size)
        for offset in range(0, size, 20 * MEBIBYTE):
            os.pwrite(file.fileno(), os.urandom(MEBIBYTE), offset)
    return _sparse[size].name
