"""The requests of clients: those that must succeed, must fail, or may do either."""

import raw_nbd
from raw_nbd import BLOCK_STATUS, CACHE, FLUSH, READ, TRIM, WRITE, WRITE_ZEROES, Request

from .case import CELL, FAILS
from .memory import Write

EXPORTS = ["", "", "", "a", "refused", b"caf\xc3\xa9", b"x" * 200, b"a\nb", b"%s%n"]
COMMANDS = [READ] * 6 + [WRITE] * 6 + [WRITE_ZEROES] * 3 + [TRIM, BLOCK_STATUS] * 2 + [FLUSH, CACHE]
NEEDS = {
    FLUSH: raw_nbd.SEND_FLUSH,
    TRIM: raw_nbd.SEND_TRIM,
    CACHE: raw_nbd.SEND_CACHE,
    WRITE_ZEROES: raw_nbd.SEND_WRITE_ZEROES,
}


class Client:
    """One client's requests, a round at a time."""

    def __init__(self, case, number):
        self.case = case
        self.number = number

    def begin(self, round_number):
        self.numbers = self.case.random("client", self.number, round_number)

    def export(self):
        return self.numbers.choice(EXPORTS)

    def comes_anew(self):
        return self.numbers.random() < 0.1

    def pack(self, offers):
        """Requests to send at once. `offers` are the flags of the export."""
        count = self.numbers.choice([1, 1, 4, 16, 40])
        return [self.request(offers) for _ in range(count)]

    def request(self, offers):
        kind = self.numbers.random()
        if kind < 0.6:
            return self.good(offers)
        return self.odd() if kind < 0.9 else self.senseless()

    def good(self, offers):
        """A request that must succeed."""
        case, numbers = self.case, self.numbers
        command = numbers.choice(COMMANDS)
        if command in NEEDS and not offers & NEEDS[command]:
            command = READ
        if command == FLUSH:
            return Request(FLUSH)
        longest = numbers.choice([16, 512, 4096, case.longest])
        longest = max(min(longest, case.longest), case.align)
        offset = numbers.randrange(0, case.good, case.align)
        count = min(numbers.randrange(longest) // case.align * case.align, case.good - offset)
        count = count or case.align
        flags = 0
        if offers & raw_nbd.SEND_FUA and command in (WRITE, TRIM, WRITE_ZEROES):
            flags |= numbers.choice([0, 0, raw_nbd.FUA])
        if command == WRITE_ZEROES:
            flags |= numbers.choice([0, raw_nbd.NO_HOLE])
            if offers & raw_nbd.SEND_FAST_ZERO:
                flags |= numbers.choice([0, raw_nbd.FAST_ZERO])
        data = None
        if command == WRITE:
            same = bytes([numbers.randrange(256)]) * count
            data = numbers.choice([same, numbers.randbytes(count)])
        return Request(command, flags, offset, count, data)

    def odd(self):
        """A request at a cell where the script does something odd."""
        case, numbers = self.case, self.numbers
        command = numbers.choice(COMMANDS)
        cell = numbers.randrange(len(case.kinds))
        begin = numbers.choice([0, 0, 1, 512, CELL - 1])
        count = numbers.choice([1, 2, 512, CELL - begin])
        if command == FLUSH:
            return Request(FLUSH)
        return Request(command, 0, case.good + cell * CELL + begin, min(count, CELL - begin))

    def senseless(self):
        """A request that may break the rules, and changes no known bytes."""
        case, numbers = self.case, self.numbers
        command = numbers.choice([*COMMANDS, 8, 9, 77])
        flags = numbers.choice([numbers.randrange(64), numbers.randrange(1 << 16)])
        cells = case.good + CELL * numbers.randrange(len(case.kinds))
        offset = numbers.choice(
            [cells, cells, case.size, case.size - 1, 1 << 63, (1 << 64) - 1, (1 << 63) - 512]
        )
        count = numbers.choice([0, 1, 512, CELL, CELL + 1])
        inside = offset == cells and count <= CELL
        if not inside and command not in (WRITE, 8, 9, 77) and offset >= case.size:
            count = numbers.choice([count, (1 << 32) - 1])
        elif not inside:
            count = min(count, 1)
        return Request(command, flags, offset, count)


# --- replies ---


def is_good(case, request):
    end = request.offset + request.count
    return request.command != FLUSH and request.count > 0 and end <= case.good


def judge(case, memory, answered):
    """Takes all requests of a round with their replies, and yields what is wrong."""
    reads, writes, told = [], [], []
    for request, reply in answered:
        if not is_good(case, request):
            yield from judge_odd(case, request, reply)
            continue
        if reply.error:
            refusable = request.command == WRITE_ZEROES and request.flags & raw_nbd.FAST_ZERO
            if not (refusable and reply.error == raw_nbd.ENOTSUP):
                yield f"{request}: error {reply.error}"
        elif request.command == READ:
            if len(reply.data) != request.count:
                yield f"{request}: {len(reply.data)} bytes"
            else:
                reads.append((request.offset, reply.data))
        elif request.command == WRITE:
            writes.append(Write(request.offset, request.data))
        elif request.command in (TRIM, WRITE_ZEROES):
            writes.append(Write(request.offset, bytes(request.count)))
        elif request.command == BLOCK_STATUS:
            told.append((request, reply.extents))
    for request, extents in told:
        yield from judge_extents(memory, request, extents, writes)
    for at in memory.check(reads, writes):
        yield f"other bytes were read at {at}"


def judge_odd(case, request, reply):
    if request.command not in (READ, WRITE, TRIM, WRITE_ZEROES) or request.offset < case.good:
        return
    cell = (request.offset - case.good) // CELL
    fails = cell >= len(case.kinds) or case.kinds[cell] == FAILS
    if fails and not reply.error:
        yield f"{request}: no error, in cell {cell}"


def judge_extents(memory, request, extents, writes):
    at = request.offset
    for length, kind in zip(extents[::2], extents[1::2], strict=True):
        end = min(at + length, request.offset + request.count)
        if length == 0:
            yield f"{request}: an extent of length 0"
        # The second bit means that it reads as zeroes.
        if kind & 2 and at < end and not memory.may_be_zeroes(at, end, writes):
            yield f"{request}: no zeroes at {at}, as was told"
        at += length
