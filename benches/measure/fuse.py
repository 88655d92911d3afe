"""Programs that mount a file system."""

import contextlib
import ctypes
import os
import subprocess
import tempfile
import time
from functools import cache

from server import DEADLINE, end

MNT_DETACH = 2


@cache
def can_mount():
    """Whether FUSE file systems can be mounted here: only by root, and in few containers."""
    libc = ctypes.CDLL(None)
    try:
        fuse = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        return False
    with tempfile.TemporaryDirectory(prefix="nbdkit-bench-") as directory:
        options = f"fd={fuse},rootmode=40000,user_id=0,group_id=0".encode()
        failed = libc.mount(b"test", directory.encode(), b"fuse", ctypes.c_ulong(0), options)
        os.close(fuse)
        if not failed:
            libc.umount2(directory.encode(), MNT_DETACH)
    return not failed


@contextlib.contextmanager
def mounted(command, directory):
    """A program that mounts a file system as long as it runs."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + DEADLINE
        while not os.path.ismount(directory):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} mounts nothing")
            time.sleep(0.002)
        yield
    finally:
        if os.path.ismount(directory):
            subprocess.run(["umount", directory], check=True)
        end(process)
