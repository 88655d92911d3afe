"""Starts real nbdkit servers, and ends them whatever happens to the test in between."""

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import nbd

# Nothing here takes nearly as long. It only has to be long enough for a busy machine.
DEADLINE = 180


def wait_until(condition, what):
    """Polls, because nobody tells us when a file appears or a log grows."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {DEADLINE} seconds for {what}")
        time.sleep(0.002)


def error_lines(log):
    """The log without what `nbdkit -v` adds, as a list of lines.

    Bytes that are not UTF-8 become surrogates, so that different logs never look the same. Only a
    line feed ends a line here: a stray carriage return must show.
    """
    text = log.decode("utf-8", "surrogateescape")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    debug = re.compile(r"nbdkit: ([^ ]+: )?debug: ")
    return [line for line in lines if not debug.match(line)]


class Nbdkit:
    """One nbdkit process, serving on a Unix socket in its own directory.

    It runs in the foreground unless `daemon` is true, when it starts as it would for a user: the
    command returns once the server is ready. `prefix` is a command that runs nbdkit. `stdin` is what
    it reads from standard input. The server is killed after `lifetime` seconds.
    """

    def __init__(
        self,
        *arguments,
        cwd,
        verbose=False,
        daemon=False,
        prefix=(),
        env=None,
        stdin=b"",
        lifetime=2 * DEADLINE,
    ):
        # Not pytest's tmp_path: the address of a Unix socket is limited to 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="nbdkit-test-"))
        self.socket = self.directory / "socket"
        self.pid_file = self.directory / "pid"
        self.log_file = self.directory / "log"
        self.connections = []
        self.pidfd = None
        options = [] if daemon else ["-f"]
        options += ["-v"] if verbose else []
        options += ["-U", str(self.socket), "-P", str(self.pid_file)]
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                [*prefix, "nbdkit", *options, *arguments],
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        with contextlib.suppress(BrokenPipeError), self.process.stdin as pipe:
            pipe.write(stdin)
        self.daemon = daemon
        self.arguments = arguments
        # A hanging server would also hang the test that waits for its reply.
        self.watchdog = threading.Timer(lifetime, self.kill)
        self.watchdog.daemon = True
        self.watchdog.start()

    def wait_ready(self):
        """nbdkit writes its process id when clients can connect."""

        def ready():
            return self.pid_file.exists() and self.pid_file.read_text().endswith("\n")

        def dead():
            # The command that starts a daemon succeeds when the daemon is about to be ready.
            return self.process.poll() is not None and not (
                self.daemon and self.process.returncode == 0
            )

        wait_until(lambda: ready() or dead(), "nbdkit to start")
        if dead():
            raise AssertionError(f"nbdkit did not start:\n{self.log()}")
        self.pid = int(self.pid_file.read_text())
        self.pidfd = os.pidfd_open(self.pid)
        if any(str(argument).endswith(".so") for argument in self.arguments):
            # Our plugins start a thread about now, which must not be mistaken for a connection's.
            wait_until(lambda: "watcher" in self.threads() or dead(), "the watcher to begin")
        self.threads_when_idle = len(self.threads())
        return self

    def peak_memory(self):
        """Its peak memory so far, in bytes."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)[1]) << 10

    def threads(self):
        """The names of the server's threads; empty if it has gone."""
        names = []
        for task in Path(f"/proc/{self.pid}/task").glob("*/comm"):
            with contextlib.suppress(OSError):
                names.append(task.read_text().strip())
        return names

    def wait_idle(self):
        """Waits until nbdkit has finished with all connections, which their clients have ended.

        nbdkit has a thread for each. A signal that arrives while one is ending can make nbdkit
        exit without calling `close`.
        """
        wait_until(
            lambda: len(self.threads()) <= self.threads_when_idle, "connections to close"
        )

    @property
    def uri(self):
        return f"nbd+unix:///?socket={self.socket}"

    def log(self):
        """The server's output so far, as bytes."""
        return self.log_file.read_bytes()

    def errors(self):
        return error_lines(self.log())

    def connect(self, strict=True):
        """A client that has opened the default export.

        Without `strict`, libnbd even sends requests that the server did not offer.
        """
        client = nbd.NBD()
        if not strict:
            client.set_strict_mode(0)
        client.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
        self.connections.append(client)
        client.connect_uri(self.uri)
        return client

    def disconnect(self):
        """Ends all connections made by `connect`, as a client should."""
        for client in self.connections:
            try:
                client.shutdown()
            except nbd.Error:
                pass  # The test has ended it already, or the server has.
        self.connections.clear()
        self.wait_idle()

    def stop(self, disconnect=True):
        """Ends the server and returns its exit code and its log.

        We cannot see the exit code of a daemon, so it is None.
        """
        if disconnect:
            self.disconnect()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(DEADLINE)
        if self.daemon and self.pidfd is not None:
            try:
                signal.pidfd_send_signal(self.pidfd, signal.SIGTERM)
            except ProcessLookupError:
                pass
            ended, _, _ = select.select([self.pidfd], [], [], DEADLINE)
            assert ended, "the daemon did not end"
        code = None if self.daemon else self.process.returncode
        return code, self.log()

    def kill(self):
        if self.pidfd is not None:
            try:
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process.poll() is None:
            self.process.kill()

    def discard(self):
        """For the end of a test: leaves no process and no file behind."""
        self.watchdog.cancel()
        self.connections.clear()
        if self.daemon and self.pidfd is None and self.process.wait(DEADLINE) == 0:
            # The daemon exists even if the test never got as far as knowing it.
            self.wait_ready()
        self.kill()
        self.process.wait(DEADLINE)
        if self.pidfd is not None:
            os.close(self.pidfd)
        shutil.rmtree(self.directory, ignore_errors=True)


def end(servers):
    """For the end of a test: ends all these servers, even if one of them cannot be stopped."""
    unclean = []
    with contextlib.ExitStack() as stack:
        for server in servers:
            stack.callback(server.discard)
        for server in servers:
            # A test that stopped its server has already checked this; the others have not.
            if server.process.poll() is not None or server.daemon:
                continue
            try:
                code, log = server.stop()
            except Exception as error:
                code, log = error, server.log()
            if code != 0:
                unclean.append((code, log))
    assert not unclean, f"a server did not end cleanly: {unclean}"


def run(*arguments, cwd, prefix=(), env=None):
    """Runs an nbdkit that should end by itself, and returns its result."""
    with tempfile.TemporaryDirectory(prefix="nbdkit-test-") as directory:
        return subprocess.run(
            [*prefix, "nbdkit", "-f", "-U", f"{directory}/socket", *arguments],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE,
        )
