"""The example in an object store: beside nbdkit's file plugin in the same directory, and beside
s3backer on the same S3 server.

s3backer mounts an object as a file, which nbdkit's file plugin serves. Both sides use blocks of the
same size, and the same amount of memory for them.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import plugins
import s3_server
from clients import CopyFrom, CopyTo, Fio, Transfer, copy_speed
from contest import Peer, Side
from extent import MEBIBYTE
from files import files, official
from fuse import can_mount, mounted
from s3_server import S3Server
from served import contest_of_servers

BLOCK = 64 << 10
CACHE = 16 * MEBIBYTE
DROP_CACHES = Path("/proc/sys/vm/drop_caches")


def measure(extent):
    with files(extent.disk) as file:
        place = file("store")
        # It is to be a directory.
        place.unlink()
        ours = store(f"url={place}", extent)
        yield from contest_of_servers("directory", ours, (Peer(official(file)),), jobs(), extent)
    with contextlib.ExitStack() as stack:
        server = s3(stack)
        url = f"url=s3://{s3_server.BUCKET}/ours/disk"
        ours = store(url, extent, tuple(server.environment.items()))
        peer = Side("s3backer", plugins.FILE, lacks=lacking())
        if not peer.missing:
            peer = replace(peer, parameters=(f"file={s3backer(stack, server, extent)}",))
        yield from contest_of_servers("S3", ours, (Peer(peer, ("at least", 1.0)),), jobs(), extent)


def lacking():
    """What s3backer needs and is not here, or None."""
    if not shutil.which("s3backer"):
        return "s3backer is not installed"
    return None if can_mount() else "this needs FUSE, and root"


def jobs():
    found = [
        FlushedCopyTo(),
        ColdReads("reads of 4 KiB, depth 16", "randread", 4096, 16),
        # Once: the kernel would keep what it has read of s3backer's file.
        ColdReads("reads of 256 KiB in order, depth 8", "read", 256 << 10, 8, once=True),
        Fio("writes of 4 KiB, depth 16, and a flush", "randwrite", 4096, 16, flush=True),
        Fio("writes of 256 KiB in order, depth 8, and a flush", "write", 256 << 10, 8, flush=True),
        ColdCopyFrom(),
    ]
    return [*found, FileSystem()] if can_mount() and shutil.which("nbdfuse") else found


def store(url, extent, environment=()):
    shape = (f"size={extent.disk}", f"block={BLOCK}", f"cache={CACHE}")
    parameters = (url, *shape, "takeover=true", "lease=5s")
    return Side("object store", plugins.OBJECT_STORE, parameters, environment=environment)


def s3(stack):
    """A server; script/bench has built the program."""
    # /tmp may be in memory.
    directory = tempfile.TemporaryDirectory(prefix="nbdkit-bench-", dir="/var/tmp")
    program = os.environ["NBDKIT_SCRIPT_S3_SERVER"]
    return stack.enter_context(S3Server(program, stack.enter_context(directory)))


def s3backer(stack, server, extent):
    """The file that s3backer makes of another disk on this server."""
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="nbdkit-bench-"))
    command = [
        *("s3backer", "-f", f"--accessId={s3_server.KEY}", f"--accessKey={s3_server.SECRET}"),
        # With --region=, it would look for the bucket at a host of its own.
        *("--authVersion=aws4", f"--baseURL={server.url}/"),
        # Its defaults wait between two writes of a block, for stores of old.
        *("--md5CacheSize=0", "--md5CacheTime=0", "--minWriteDelay=0"),
        *("--prefix=theirs/", f"--blockSize={BLOCK}", f"--size={extent.disk}"),
        *(f"--blockCacheSize={CACHE // BLOCK}", "--force", s3_server.BUCKET, directory),
    ]
    stack.enter_context(mounted(command, directory))
    return Path(directory) / "file"


def forget():
    """Has the kernel forget what it has read, also from s3backer's file."""
    if os.access(DROP_CACHES, os.W_OK):
        os.sync()
        DROP_CACHES.write_text("1")


class Cold:
    """Reads of what only the store has, as far as that can be had."""

    def run(self, server, extent):
        forget()
        return super().run(server, extent)


class ColdReads(Cold, Fio):
    pass


class ColdCopyFrom(Cold, CopyFrom):
    pass


@dataclass(frozen=True)
class FlushedCopyTo(CopyTo):
    what: str = "nbdcopy to it, and a flush"

    def run(self, server, extent):
        return copy_speed(self.source(extent), server.uri, self.size(extent), "--flush"), None


@dataclass(frozen=True)
class FileSystem(Transfer):
    """A new file system with a tree of files in it: a quarter of the disk."""

    what: str = "mke2fs with a tree of files"

    def run(self, server, extent):
        size = extent.disk // 4
        with tempfile.TemporaryDirectory(prefix="nbdkit-bench-") as directory:
            disk = Path(directory) / "nbd"
            command = ["mke2fs", "-qF", "-d", tree(size), disk]
            with mounted(["nbdfuse", "--", directory, server.uri], directory):
                start = time.monotonic()
                subprocess.run(command, check=True)
                return size / MEBIBYTE / (time.monotonic() - start), None


_trees = {}


def tree(size):
    """Files from 1 to 64 KiB, made once and gone when we end."""
    if size not in _trees:
        made = _trees[size] = tempfile.TemporaryDirectory(prefix="nbdkit-bench-")
        number, left = 0, size
        while left > 0:
            length = min(left, 1024 << number % 7)
            Path(made.name, f"file-{number}").write_bytes(os.urandom(length))
            left -= length
            number += 1
    return _trees[size].name
