#!/usr/bin/python3
"""What a client sees of NAME.LANGUAGE. Needs libnbd for Python: python3-libnbd on Debian.

PLUGIN=./target/release/libnbdkit_LANGUAGE.so ./test.py tries it with a plugin that is not installed.
"""

import os
import sys

import nbd

os.chdir(os.path.dirname(os.path.abspath(__file__)))
PLUGIN = os.environ.get("PLUGIN", "script-LANGUAGE")
NBDKIT = ["nbdkit", "-s", "--exit-with-parent", PLUGIN, "NAME.LANGUAGE"]


def client(*parameters):
    """A server and its only client: the server ends with it."""
    h = nbd.NBD()
    h.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
    h.connect_command([*NBDKIT, *parameters])
    return h


def test_it_has_the_size_that_was_asked_for():
    assert client("size=1M").get_size() == 1 << 20


def test_what_is_written_is_read():
    h = client("size=1M")
    assert h.pread(8, 0) == bytes(8)
    h.pwrite(b"new data", 4096)
    h.flush()
    assert h.pread(10, 4095) == b"\0new data\0"


def test_what_is_trimmed_is_a_hole():
    h = client("size=1M")
    h.pwrite(b"x" * 65536, 0)
    h.trim(65536, 0)
    seen = []
    h.block_status(1 << 20, 0, lambda context, offset, extents, error: seen.extend(extents))
    assert seen == [1 << 20, nbd.STATE_HOLE | nbd.STATE_ZERO]


def test_it_needs_a_size():
    try:
        client()
    except nbd.Error:
        return
    raise AssertionError("it serves without a size")


if __name__ == "__main__":
    for name, test in list(globals().items()):
        if name.startswith("test_"):
            test()
            print(f"ok: {name.removeprefix('test_').replace('_', ' ')}")
    sys.exit()
