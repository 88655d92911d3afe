"""A server for a case, and its clients, until something is wrong or everything is done."""

import concurrent.futures
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nbdkit
from raw_nbd import READ, Connection, Refused, Request

from . import traffic
from .memory import Memory

VALGRIND = ["valgrind", "-q", "--error-exitcode=99", "--num-callers=30"]
# What no log may contain, whatever the script does.
BAD = re.compile(rb"panicked|internal error|Assertion|FATAL|^==\d+==", re.MULTILINE)
# How long a case may take, in seconds. A missing reply is noticed much earlier.
LIFETIME = 600
# The size of each read when the whole disk is read.
STEP = 64 << 10


class Wrong(Exception):
    """What is wrong, in one line."""


@dataclass
class Outcome:
    requests: int = 0
    wrong: str | None = None
    round: int | None = None
    log: bytes = b""


def play(case):
    outcome = Outcome()
    with tempfile.TemporaryDirectory(prefix="nbdkit-fuzz-") as directory:
        script = Path(directory) / f"disk.{case.engine.dialect.extension}"
        script.write_text(case.script)
        server = nbdkit.Nbdkit(
            "-t", str(case.threads), case.engine.plugin, f"interpreters={case.interpreters}",
            str(script), cwd=directory, prefix=VALGRIND if case.under_valgrind else (),
            lifetime=LIFETIME,
        )  # fmt: skip
        try:
            server.wait_ready()
            # Tcl has a thread for its event loop once a script has waited.
            server.threads_when_idle += case.engine.language == "tcl"
            Game(case, server, outcome).run()
            code, log = server.stop()
            if code != 0:
                raise Wrong(f"the server ended with {code}")
            if found := BAD.search(log):
                raise Wrong(f"the log has {found[0].decode()!r}")
        except (Wrong, AssertionError, TimeoutError, subprocess.TimeoutExpired) as error:
            outcome.wrong = str(error) or type(error).__name__
            if server.process.poll() is not None:
                outcome.wrong += f" (it has ended with {server.process.returncode})"
            outcome.log = server.log()
        finally:
            server.discard()
    return outcome


class Game:
    def __init__(self, case, server, outcome):
        self.case = case
        self.server = server
        self.outcome = outcome
        self.memory = Memory(case.good)
        self.clients = [traffic.Client(case, number) for number in case.clients]
        self.connections = {}

    def run(self):
        case = self.case
        with concurrent.futures.ThreadPoolExecutor(max(len(self.clients), 1)) as threads:
            for number in case.rounds:
                self.outcome.round = number
                for answered in self.round(threads, number):
                    self.outcome.requests += len(answered)
                    if None in (reply for _, reply in answered):
                        request = next(request for request, reply in answered if reply is None)
                        raise Wrong(f"no answer to {request}")
                if wrong := next(traffic.judge(case, self.memory, self.answered), None):
                    raise Wrong(wrong)
        self.outcome.round = None
        self.read_all()
        for connection in self.connections.values():
            connection.finish()

    def round(self, threads, number):
        """All clients send at once; returns each one's replies."""
        packs = {}
        for client in self.clients:
            client.begin(number)
            self.connect(client)
            packs[client.number] = client.pack(self.connections[client.number].flags)
        waiting = {
            number: threads.submit(self.connections[number].ask, pack)
            for number, pack in packs.items()
        }
        each = [
            list(zip(packs[number], future.result(), strict=True))
            for number, future in waiting.items()
        ]
        self.answered = [pair for answered in each for pair in answered]
        return each

    def connect(self, client):
        connection = self.connections.get(client.number)
        if connection and not client.comes_anew():
            return
        if connection:
            connection.finish()
        export = client.export()
        lists = client.numbers.random() < 0.3
        try:
            connection = Connection(self.server.socket, export, lists)
        except Refused as refused:
            if export != "refused":
                raise Wrong(f"export {export!r} is refused: {refused}") from refused
            connection = self.connect_plainly()
        self.connections[client.number] = connection

    def connect_plainly(self):
        try:
            return Connection(self.server.socket)
        except Refused as refused:
            raise Wrong(f"a client is refused: {refused}") from refused

    def read_all(self):
        """At the end, with no more requests, all known bytes must be there."""
        for connection in self.connections.values():
            connection.finish()
        self.connections = {0: self.connect_plainly()}
        good = self.case.good
        step = min(STEP, self.case.longest)
        requests = [Request(READ, 0, at, min(step, good - at)) for at in range(0, good, step)]
        replies = self.connections[0].ask(requests)
        self.outcome.requests += len(requests)
        if None in replies:
            raise Wrong("no answer at the end")
        answered = list(zip(requests, replies, strict=True))
        if wrong := next(traffic.judge(self.case, self.memory, answered), None):
            raise Wrong(f"at the end: {wrong}")
