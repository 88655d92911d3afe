"""The requests that a disk gets."""

import raw_nbd
from raw_nbd import BLOCK_STATUS, CACHE, FLUSH, READ, TRIM, WRITE, WRITE_ZEROES, Request

SECTOR = 512
MIB = 1 << 20
# The largest read or write that nbdkit accepts.
LARGEST = 64 * MIB
# A read of this length returns what the script has recorded since the last one.
NOTES = Request(READ, count=16384)

BITS = {"pread": 1, "pwrite": 2, "flush": 4, "trim": 8, "zero": 16, "extents": 32, "cache": 64}
ERRNOS = range(1, 134)
# Numbers that the script uses as errnos although they are not.
NONE = range(134, 141)
SOME = [1, 5, 12, 22, 28, 30, 75, 95, 108, 122, 133]

ALL_FLAGS = range(64)
COMMANDS = [READ, WRITE, FLUSH, TRIM, CACHE, WRITE_ZEROES, BLOCK_STATUS]
# The flags with a meaning.
FLAGS = {
    READ: [0, raw_nbd.DF],
    WRITE: [0, raw_nbd.FUA],
    FLUSH: [0],
    TRIM: [0, raw_nbd.FUA],
    CACHE: [0],
    WRITE_ZEROES: [flags for flags in range(32) if not flags & (raw_nbd.DF | raw_nbd.REQ_ONE)],
    BLOCK_STATUS: [0, raw_nbd.REQ_ONE],
}
# The callbacks on which the reply to a command depends: each of them fails, and all together.
CALLBACKS = {
    READ: ["pread"],
    WRITE: ["pwrite", "flush"],
    FLUSH: ["flush"],
    TRIM: ["trim", "flush"],
    CACHE: ["cache", "pread"],
    WRITE_ZEROES: ["zero", "pwrite", "flush"],
    BLOCK_STATUS: ["extents"],
}


def place(code, *callbacks):
    """The offset at which these callbacks fail with this errno."""
    bits = sum(BITS[callback] for callback in callbacks)
    return ((3 << 7 | bits) << 8 | code) * SECTOR


def failing(offset):
    """The inverse of `place`: the errno, and the callbacks that fail with it."""
    sectors = offset // SECTOR
    code, bits = sectors % 256, sectors // 256 % 128
    return code, {name for name, bit in BITS.items() if code and bits & bit}


def subsets(names):
    return [
        [name for i, name in enumerate(names) if number >> i & 1]
        for number in range(1, 1 << len(names))
    ]


def ranges(size):
    """Offsets and lengths: inside, at the end, across it, past it, and past the largest number."""
    base = place(0)
    found = [
        (base, 1), (base + 1, 511), (base, 4096), (0, 512), (size - 512, 512), (size - 1, 1),
        (base, 0), (0, 0), (size, 0),
        (size - 512, 1024), (size - 1, 2), (0, size + 1), (base, (1 << 32) - 1),
        (size, 1), (size + 512, 512), (1 << 62, 512), ((1 << 63) - 512, 512), ((1 << 63) - 1, 1),
        (1 << 63, 512), ((1 << 63) + 512, 0), ((1 << 64) - 512, 512), ((1 << 64) - 1, 2),
    ]  # fmt: skip
    return sorted({(offset, count) for offset, count in found if offset >= 0 and count < 1 << 32})


def too_much(command, flags, offset, count, size):
    """Whether a request would take long, and show no more than a shorter one."""
    if count <= 4096:
        return False
    if command == WRITE:
        return True
    # The longest are passed on unchanged, unless nbdkit turns them into reads or writes.
    inside = offset + count <= size
    return inside and (flags != 0 or command in (CACHE, WRITE_ZEROES))


def shapes(command, disk):
    """All flags with all ranges; no callback fails."""
    for flags in ALL_FLAGS:
        for offset, count in ranges(disk.size):
            inside = offset + count <= disk.size
            if too_much(command, flags, offset, count, disk.size) or inside and failing(offset)[1]:
                continue
            yield Request(command, flags, offset, count)
        if command == FLUSH:
            yield Request(command, flags)


def failures(command, flags, errnos):
    """All errnos, from all callbacks that concern a command."""
    for code in errnos:
        for callbacks in subsets(CALLBACKS[command]):
            offset = place(code, *callbacks)
            if command == FLUSH:
                yield Request(READ, 0, offset, SECTOR)
                yield Request(FLUSH)
            else:
                yield Request(command, flags, offset, SECTOR)


def large(command):
    """Longer than one write may be, for commands that nbdkit turns into writes and reads."""
    for count in (LARGEST, LARGEST + SECTOR, 3 * LARGEST):
        if command == CACHE:
            yield Request(CACHE, 0, place(0), count)
        if command == WRITE_ZEROES:
            for flags in (0, raw_nbd.FUA, raw_nbd.FUA | raw_nbd.NO_HOLE):
                for offset in (place(0), place(95, "zero")):
                    yield NOTES
                    yield Request(WRITE_ZEROES, flags, offset, count)
                    yield NOTES


def packs(command, disk, errnos=ERRNOS, with_large=False):
    """The requests of a command, in independent parts."""
    yield list(shapes(command, disk))
    if disk.size > place(255, *BITS) + SECTOR:
        for flags in FLAGS[command]:
            yield list(failures(command, flags, errnos))
        if with_large:
            yield list(large(command))


def right_read(disk):
    """A read that must succeed, whatever came before, if the disk is large enough."""
    offset = place(0) + 5 * 256 * 128 * SECTOR
    count = min(SECTOR, disk.size)
    return Request(READ, 0, offset if offset + count <= disk.size else 0, count)


def content(offset, count):
    return bytes([65 + offset // SECTOR % 26]) * count
