"""The same disk as examples/lua/file.lua, for nbdkit's own Python plugin."""

import os

import nbdkit

API_VERSION = 2


def config(key, value):
    global file
    if key != "file":
        raise RuntimeError(f"unknown parameter {key}")
    file = nbdkit.absolute_path(value) if hasattr(nbdkit, "absolute_path") else os.path.abspath(value)


def thread_model():
    return nbdkit.THREAD_MODEL_PARALLEL


def open(readonly):
    return os.open(file, os.O_CLOEXEC | (os.O_RDONLY if readonly else os.O_RDWR))


def close(h):
    os.close(h)


def get_size(h):
    return os.fstat(h).st_size


def can_multi_conn(h):
    return True


def can_fua(h):
    return nbdkit.FUA_NATIVE


def pread(h, buf, offset, flags):
    if os.preadv(h, [buf], offset) != len(buf):
        raise RuntimeError("a short read")


def pwrite(h, buf, offset, flags):
    if os.pwritev(h, [buf], offset) != len(buf):
        raise RuntimeError("a short write")
    if flags & nbdkit.FLAG_FUA:
        os.fdatasync(h)


def flush(h, flags):
    os.fdatasync(h)
