"""An NBD client that sends whatever it is told, where libnbd would refuse or end the process.

It negotiates structured replies and base:allocation, and sends requests without waiting for earlier
replies. It does not need libnbd, so thousands of requests take next to no time.
"""

import select
import socket
import struct
from dataclasses import dataclass

READ, WRITE, DISCONNECT, FLUSH, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS = range(8)
NAMES = ["read", "write", "disconnect", "flush", "trim", "cache", "write_zeroes", "block_status"]

# Flags of requests.
FUA, NO_HOLE, DF, REQ_ONE, FAST_ZERO = 1, 2, 4, 8, 16

# Flags of an export.
READ_ONLY, SEND_FLUSH, SEND_FUA, SEND_TRIM = 1 << 1, 1 << 2, 1 << 3, 1 << 5
SEND_WRITE_ZEROES, SEND_CACHE, SEND_FAST_ZERO = 1 << 6, 1 << 10, 1 << 11

# Errors of the protocol.
EPERM, EIO, ENOMEM, EINVAL, ENOSPC, EOVERFLOW, ENOTSUP, ESHUTDOWN = 1, 5, 12, 22, 28, 75, 95, 108

OPTION_MAGIC = b"IHAVEOPT"
OPTION_REPLY_MAGIC = 0x3E889045565A9
OPT_LIST, OPT_GO, OPT_STRUCTURED_REPLY, OPT_SET_META_CONTEXT = 3, 7, 8, 10
REP_ACK, REP_INFO, REP_META_CONTEXT = 1, 3, 4
INFO_EXPORT = 0

REQUEST_MAGIC, SIMPLE_REPLY, STRUCTURED_REPLY = 0x25609513, 0x67446698, 0x668E33EF
DONE = 1
OFFSET_DATA, OFFSET_HOLE, STATUS = 1, 2, 5
ERROR_TYPE = 1 << 15

REQUEST = struct.Struct(">IHHQQI")
SIMPLE = struct.Struct(">IIQ")
STRUCTURED = struct.Struct(">IHHQI")

# Nothing takes as long, even on a busy machine.
DEADLINE = 60


class Refused(Exception):
    """The server has refused the client."""


class Gone(Exception):
    """The server has closed the connection before all requests were answered."""


@dataclass(frozen=True, slots=True)
class Request:
    command: int
    flags: int = 0
    offset: int = 0
    count: int = 0
    # The data to write; None means `count` zeroes.
    data: bytes | None = None

    def __str__(self):
        known = self.command < len(NAMES)
        name = NAMES[self.command] if known else f"command {self.command}"
        return f"{name} of {self.count} bytes at {self.offset}, flags {self.flags}"

    def packed(self, cookie):
        head = REQUEST.pack(
            REQUEST_MAGIC, self.flags, self.command, cookie, self.offset, self.count
        )
        if self.command != WRITE:
            return head
        return head + (bytes(self.count) if self.data is None else self.data)


@dataclass(slots=True)
class Reply:
    # An error of the protocol; 0 for none.
    error: int = 0
    # The data that was read.
    data: bytes | None = None
    # Lengths and types, alternating.
    extents: tuple = ()


class Connection:
    """`export` is its name, text or bytes; `lists` asks for the exports first."""

    def __init__(self, path, export="", lists=False):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(DEADLINE)
        self.received = bytearray()
        try:
            self.socket.connect(str(path))
            self.negotiate(export.encode() if isinstance(export, str) else export, lists)
        except (OSError, Gone) as error:
            self.close()
            raise Refused(str(error)) from error
        except BaseException:
            self.close()
            raise
        self.socket.setblocking(False)

    def close(self):
        self.socket.close()

    def finish(self):
        """Ends the connection as a client should."""
        self.socket.settimeout(DEADLINE)
        try:
            self.socket.sendall(Request(DISCONNECT).packed(0))
        except OSError:
            pass
        self.close()

    # --- the beginning ---

    def negotiate(self, export, lists):
        greeting = self.take(18)
        if greeting[:16] != b"NBDMAGIC" + OPTION_MAGIC:
            raise Refused(f"{greeting!r} is not how an NBD server begins")
        self.socket.sendall(struct.pack(">I", 3))
        if lists:
            self.option(OPT_LIST, b"", may_fail=True)
        self.option(OPT_STRUCTURED_REPLY, b"")
        named = struct.pack(">I", len(export)) + export
        context = b"base:allocation"
        query = struct.pack(">II", 1, len(context)) + context
        self.option(OPT_SET_META_CONTEXT, named + query)
        for kind, data in self.option(OPT_GO, named + struct.pack(">H", 0)):
            if kind == REP_INFO and struct.unpack_from(">H", data)[0] == INFO_EXPORT:
                self.size, self.flags = struct.unpack_from(">QH", data, 2)

    def option(self, option, data, may_fail=False):
        """Sends an option, and returns its replies."""
        self.socket.sendall(OPTION_MAGIC + struct.pack(">II", option, len(data)) + data)
        replies = []
        while True:
            magic, of, kind, length = struct.unpack(">QIII", self.take(20))
            if magic != OPTION_REPLY_MAGIC or of != option:
                raise Refused(f"a reply to option {of} of magic {magic:#x}, not to {option}")
            replies.append((kind, self.take(length)))
            if kind == REP_ACK or may_fail and kind & 1 << 31:
                return replies
            if kind & 1 << 31:
                raise Refused(f"option {option} failed with {kind:#x}")

    def take(self, count):
        while len(self.received) < count:
            more = self.socket.recv(1 << 16)
            if not more:
                raise Gone("the server has closed the connection")
            self.received += more
        taken = bytes(self.received[:count])
        del self.received[:count]
        return taken

    # --- requests ---

    def ask(self, requests):
        """Sends all of them, and returns the replies in the order of the requests.

        If the server ends before the last one, missing replies are None.
        """
        replies = [None] * len(requests)
        missing = len(requests)
        unsent = memoryview(b"".join(map(Request.packed, requests, range(len(requests)))))
        poll = select.poll()
        poll.register(self.socket)
        try:
            while missing:
                wanted = select.POLLIN | (select.POLLOUT if unsent else 0)
                poll.modify(self.socket, wanted)
                if not poll.poll(DEADLINE * 1000):
                    raise TimeoutError(f"{missing} requests were not answered")
                if unsent:
                    try:
                        unsent = unsent[self.socket.send(unsent[: 1 << 18]) :]
                    except BlockingIOError:
                        pass
                try:
                    more = self.socket.recv(1 << 20)
                except BlockingIOError:
                    continue
                if not more:
                    break
                self.received += more
                missing -= self.replies(replies)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return replies

    def replies(self, replies):
        """Takes all complete replies, and returns how many requests they finish."""
        received, at, ended = self.received, 0, 0
        while len(received) - at >= SIMPLE.size:
            magic, error, cookie = SIMPLE.unpack_from(received, at)
            if magic == SIMPLE_REPLY:
                # Without structured replies, data would follow.
                assert replies[cookie] is None, f"a second answer to request {cookie}"
                replies[cookie] = Reply(error)
                at += SIMPLE.size
                ended += 1
                continue
            assert magic == STRUCTURED_REPLY, f"a reply with magic {magic:#x}"
            if len(received) - at < STRUCTURED.size:
                break
            _, flags, kind, cookie, length = STRUCTURED.unpack_from(received, at)
            begin = at + STRUCTURED.size
            if len(received) < begin + length:
                break
            assert flags == DONE, "a reply in several chunks"
            assert replies[cookie] is None, f"a second answer to request {cookie}"
            replies[cookie] = chunk(kind, bytes(received[begin : begin + length]))
            at = begin + length
            ended += 1
        del received[:at]
        return ended


def chunk(kind, payload):
    if kind & ERROR_TYPE:
        return Reply(struct.unpack_from(">I", payload)[0])
    if kind == OFFSET_DATA:
        return Reply(data=payload[8:])
    if kind == OFFSET_HOLE:
        return Reply(data=bytes(struct.unpack_from(">I", payload, 8)[0]))
    assert kind == STATUS, f"a chunk of type {kind}"
    return Reply(extents=struct.unpack(f">{(len(payload) - 4) // 4}I", payload[4:]))
