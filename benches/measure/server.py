"""A real nbdkit on a Unix socket, which ends when we do, whatever happens."""

import ctypes
import os
import subprocess
import tempfile
import time
from pathlib import Path

# Nothing here takes anywhere near as long.
DEADLINE = 30


class Server:
    """Serves the plugin of a side, for a `with` statement."""

    def __init__(self, side):
        self.side = side

    def __enter__(self):
        # The address of a Unix socket may be only 107 bytes long.
        self.directory = tempfile.TemporaryDirectory(prefix="nbdkit-bench-")
        self.socket = Path(self.directory.name) / "socket"
        pid_file = Path(self.directory.name) / "pid"
        self.process = subprocess.Popen(
            # The kernel ends it even if we are killed.
            ["nbdkit", "--exit-with-parent", "-U", self.socket, "-P", pid_file]
            + self.side.arguments,
            env={**os.environ, **dict(self.side.environment)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            end = time.monotonic() + DEADLINE
            # nbdkit writes the file when clients can connect.
            while not pid_file.exists():
                if self.process.poll() is not None:
                    raise RuntimeError(f"nbdkit with {self.side.plugin} did not start")
                if time.monotonic() > end:
                    raise TimeoutError(f"nbdkit with {self.side.plugin} does not get ready")
                time.sleep(0.002)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        end(self.process)
        self.directory.cleanup()

    @property
    def uri(self):
        return f"nbd+unix:///?socket={self.socket}"

    @property
    def pid(self):
        return self.process.pid

    @property
    def processor_time(self):
        """What it has used up to now, in seconds."""
        return processor_time(self.pid)


def processor_time(pid):
    """Of all threads of a process, those that have ended included, in seconds.

    It is user and system time, as in /proc/PID/stat, but that counts in hundredths of a second.
    """
    clock = ctypes.c_int()
    error = ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock))
    if error:
        raise OSError(error, f"process {pid}: {os.strerror(error)}")
    return time.clock_gettime(clock.value)


def end(process):
    """Ends a child, gently at first."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
