"""The time from the exec of nbdkit until a client has read its first sector.

The socket is there before nbdkit, which gets it as from systemd (LISTEN_FDS). So the client
connects at once and waits, and does not have to try again and again.
"""

import os
import signal
import socket
import struct
import tempfile
import time
from pathlib import Path

import plugins
from contest import Contest, Peer, Side, interleave
from in_process import READY
from nbd_client import Connection

LISTEN_FD = 3  # where systemd's protocol has the first socket


def execute(arguments, listener, started):
    """In the child: writes down when it begins, and becomes nbdkit."""
    try:
        os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
        os.write(started, struct.pack("d", time.monotonic()))
        # Only now, for the pipe may have had that number.
        os.dup2(listener, LISTEN_FD)
        os.set_inheritable(LISTEN_FD, True)  # if it had the number already
        os.execvp("nbdkit", ["nbdkit", "--exit-with-parent", *arguments])
    finally:
        os._exit(127)


def first_sector(side):
    """Milliseconds."""
    with tempfile.TemporaryDirectory(prefix="nbdkit-bench-") as directory:
        path = Path(directory) / "socket"
        read_end, write_end = os.pipe()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            pid = os.fork()
            if pid == 0:
                execute(side.arguments, listener.fileno(), write_end)
        os.close(write_end)
        try:
            # Ours is closed, so if nbdkit ends, the client learns of it.
            connection = Connection(path)
            connection.send_read(512, 0)
            connection.receive_read(512)
            end = time.monotonic()
            connection.close()
            (start,) = struct.unpack("d", os.read(read_end, 8))
        finally:
            os.close(read_end)
            os.kill(pid, signal.SIGTERM)
            os.waitpid(pid, 0)
    return (end - start) * 1000


def measure(extent):
    contest = Contest(
        "Lua: from exec to the first sector",
        "ms",
        Side("ours", plugins.LUA, (READY,)),
        (Peer(Side("nbdkit-lua-plugin", plugins.OFFICIAL_LUA, (READY,)), ("at most", 1.1)),),
    )
    yield from interleave(contest, extent.starts, first_sector)
