"""nbdkit on a socket that the test has bound, so that it can use any free TCP port."""

import contextlib
import os
import signal
import socket
import subprocess

import nbdkit


@contextlib.contextmanager
def tcp_server(family, host, *arguments, cwd, error=b""):
    """Serves with these arguments; yields the address. The protocol is systemd's, on fd 3. The
    server's log has this error, or nothing."""
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        listener.listen()
        wrapper = 'exec 3<&"$0"; LISTEN_PID=$$ LISTEN_FDS=1 exec nbdkit -f "$@"'
        with subprocess.Popen(
            ["bash", "-c", wrapper, str(listener.fileno()), *map(str, arguments)],
            cwd=cwd,
            pass_fds=[listener.fileno()],
            env=os.environ,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as server:
            try:
                yield listener.getsockname()
            finally:
                server.send_signal(signal.SIGTERM)
                try:
                    code = server.wait(nbdkit.DEADLINE)
                finally:
                    server.kill()
            log = server.stderr.read()
            assert code == 0 and (error in log if error else not log), (code, log)
