"""Runs the requests on the disks, and collects what went wrong."""

import re
import select
from collections import defaultdict
from dataclasses import dataclass, field

import raw_nbd
from raw_nbd import BLOCK_STATUS, READ, WRITE_ZEROES, Connection, Refused

from . import requests as asked
from .expected import Expected

# How often a server may die over the requests of one pack. All the rest of that kind would end it
# as well.
PATIENCE = 3
# How many disks one server serves; its log grows with each failing request.
DISKS = 25
# How long that may take, in seconds. A missing reply is noticed much earlier.
LIFETIME = 1800


@dataclass
class Report:
    requests: int = 0
    disks: int = 0
    ended: int = 0
    # Their number and the first one, grouped by similarity.
    kinds: dict = field(default_factory=lambda: defaultdict(lambda: [0, None]))

    def wrong(self, kind, example):
        entry = self.kinds[kind]
        entry[0] += 1
        entry[1] = entry[1] or example

    def summary(self):
        return (
            f"{self.requests} requests, {self.disks} disks, {self.ended} servers ended,"
            f" {len(self.kinds)} kinds of wrong"
        )

    def __str__(self):
        lines = [self.summary()]
        for kind, (count, example) in sorted(self.kinds.items()):
            lines.append(f"{count} x {kind}; the first: {example}")
        return "\n".join(lines)


class Sweep:
    """`start` starts a server for a disk, which may also serve others of its version."""

    def __init__(self, start, report, all_disks_alike=True):
        self.start = start
        self.report = report
        self.disks_each = DISKS if all_disks_alike else 0
        self.server = None
        self.served = 0

    def disk(self, disk, errnos, with_large):
        """All requests on one disk."""
        self.report.disks += 1
        if self.server and self.served >= self.disks_each:
            self.stop()
        self.served += 1
        for command in asked.COMMANDS:
            for pack in asked.packs(command, disk, errnos, with_large):
                if not self.pack(disk, pack):
                    return
        self.pack(disk, [asked.right_read(disk)] * (disk.size > 0))

    def pack(self, disk, pack):
        """Sends requests; false if there is no such disk."""
        for _ in range(PATIENCE):
            if pack:
                done = self.some(disk, pack)
                if done is None:
                    return False
                pack = pack[done:]
        return True

    def some(self, disk, pack):
        """Sends requests, and returns how many were handled; None if there is no disk."""
        if self.server is None:
            self.server = self.start(disk)
        try:
            connection = Connection(self.server.socket, disk.export)
        except Refused:
            if self.has_ended():
                self.ended("a connection", disk, None)
            elif not {"fails", "7"} & set(disk.answers.values()):
                self.report.wrong("a client is refused", disk)
            return None
        try:
            expected = Expected(disk, connection.size, connection.flags)
            if connection.size != disk.size:
                self.report.wrong("a wrong size", f"{disk}: {connection.size}")
            replies = connection.ask(pack)
        finally:
            connection.finish()
        for number, (request, reply) in enumerate(zip(pack, replies, strict=True)):
            if reply is None:
                self.ended(raw_nbd.NAMES[request.command], disk, request)
                return number + 1
            self.report.requests += 1
            self.check(disk, expected, request, reply, pack, replies, number)
        return len(pack)

    # --- replies ---

    def check(self, disk, expected, request, reply, pack, replies, number):
        errors = expected.errors(request)
        if reply.error not in errors:
            name = raw_nbd.NAMES[request.command]
            wanted = " or ".join(map(str, sorted(errors)))
            kind = f"{name}: error {reply.error}, not {wanted}"
            return self.report.wrong(kind, f"{disk}: {request}: {self.why(request)}")
        if reply.error:
            return
        if request.command == READ and request.count != asked.NOTES.count:
            if reply.data != asked.content(request.offset, request.count):
                self.report.wrong("read: other data", f"{disk}: {request}")
        if request.command == BLOCK_STATUS and not plausible(request, reply.extents):
            self.report.wrong("block_status: odd extents", f"{disk}: {request}: {reply.extents}")
        is_noted = pack[number + 1 : number + 2] == [asked.NOTES] and not disk.returns_text
        if request.command == WRITE_ZEROES and is_noted:
            noted = replies[number + 1]
            if noted and not zeroed(request, noted.data or b""):
                text = noted.data.rstrip(b"\0").decode().replace("\n", ", ")
                self.report.wrong("write_zeroes: not all of it", f"{disk}: {request}: {text}")

    @staticmethod
    def why(request):
        code, callbacks = asked.failing(request.offset)
        return f"{', '.join(sorted(callbacks)) or 'nothing'} fails with {code}"

    # --- the server ---

    def has_ended(self):
        ended, _, _ = select.select([self.server.pidfd], [], [], 1)
        return bool(ended)

    def ended(self, where, disk, request):
        """The server has died, or has hung up, over this request."""
        log = self.server.log()[-4000:].decode(errors="replace").strip().split("\n")
        said = re.search(r"nbdkit: (.*)", log[-1])
        said = said[1] if said else log[-1]
        if self.has_ended():
            self.report.ended += 1
            code = self.server.process.wait(raw_nbd.DEADLINE)
            kind = f"{where}: the server ended with {code}: {said}"
        else:
            kind = f"{where}: the server hung up: {said}"
        why = f"{request}: {self.why(request)}" if request else "at the beginning"
        self.report.wrong(kind, f"{disk}: {why}")
        self.discard()

    def stop(self):
        """Ends a server that has served well, as its user would."""
        if self.server is None:
            return
        code, log = self.server.stop()
        if code != 0:
            last = log[-200:].decode(errors="replace")
            self.report.wrong(f"the server ended with {code}", last)
        self.discard()

    def discard(self):
        self.server.discard()
        self.server, self.served = None, 0


def plausible(request, extents):
    lengths = extents[::2]
    if not lengths or 0 in lengths:
        return False
    return not request.flags & raw_nbd.REQ_ONE or len(lengths) == 1 and lengths[0] <= request.count


def zeroed(request, noted):
    """Whether the script's record zeroes the whole range."""
    calls = [line.split() for line in noted.rstrip(b"\0").decode().split("\n") if line]
    done = [(int(offset), int(count)) for name, offset, count in calls if name == "pwrite"]
    if not done:
        # Then `zero` did it, whose call has just succeeded.
        return any(name == "zero" for name, _, _ in calls)
    at = request.offset
    for offset, count in sorted(done):
        if offset > at:
            return False
        at = max(at, offset + count)
    return at >= request.offset + request.count
