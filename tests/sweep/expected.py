"""The right reply to a request: nbdkit(1) and the NBD protocol, written once more."""

import errno

import raw_nbd
from raw_nbd import (
    BLOCK_STATUS,
    CACHE,
    DF,
    FAST_ZERO,
    FLUSH,
    FUA,
    NO_HOLE,
    READ,
    REQ_ONE,
    TRIM,
    WRITE,
    WRITE_ZEROES,
)

from .requests import ERRNOS, LARGEST, failing

NOT_SUPPORTED = errno.ENOTSUP
# Any errno will do.
ANY_ERROR = frozenset(
    [raw_nbd.EPERM, raw_nbd.EIO, raw_nbd.ENOMEM, raw_nbd.EINVAL, raw_nbd.ENOSPC,
     raw_nbd.EOVERFLOW, raw_nbd.ENOTSUP, raw_nbd.ESHUTDOWN]
)  # fmt: skip
WELL = frozenset([0])
INVALID = frozenset([raw_nbd.EINVAL])

SAME = {errno.EPERM, errno.EIO, errno.ENOMEM, errno.ENOSPC, errno.ESHUTDOWN}
OTHER = {
    errno.EROFS: raw_nbd.EPERM,
    errno.EDQUOT: raw_nbd.ENOSPC,
    errno.EFBIG: raw_nbd.ENOSPC,
}


class Failed(Exception):
    """A callback has failed with this errno."""


def translated(number, flags):
    """The errors of the protocol to which an errno may be translated."""
    if number not in ERRNOS:
        return ANY_ERROR
    if number == errno.ENOTSUP and flags & FAST_ZERO:
        return frozenset([raw_nbd.ENOTSUP])
    if number == errno.EOVERFLOW and flags & DF:
        return frozenset([raw_nbd.EOVERFLOW])
    if number in SAME:
        return frozenset([number])
    return frozenset([OTHER.get(number, raw_nbd.EINVAL)])


class Expected:
    """The right replies to a connection's requests, one after another."""

    def __init__(self, disk, size, export_flags):
        self.disk = disk
        self.size = size
        self.offers = lambda flag: bool(export_flags & flag)
        self.place = 0
        default = "1" if "flush" in disk.data else "0"
        self.fua = disk.answers.get("can_fua", default)
        if disk.version == 1 and self.fua == "2":
            self.fua = "1"

    def has(self, callback):
        return callback in self.disk.data

    def yes(self, question, default):
        answer = self.disk.answers.get(question)
        return default if answer is None else answer != "false"

    def errors(self, request):
        """The permitted errors, 0 for none."""
        refused = self.refused(request)
        if refused is not None:
            return frozenset([refused])
        if request.command != FLUSH:
            self.place = request.offset
        if request.flags & FAST_ZERO and not self.has_fast_zeroes():
            # nbdkit may refuse a request that was not offered, or leave that to the plugin.
            return frozenset([raw_nbd.ENOTSUP, raw_nbd.EINVAL])
        try:
            self.run(request)
        except Failed as failed:
            return translated(failed.args[0], request.flags)
        return WELL

    def has_fast_zeroes(self):
        """A disk without a `zero` fails them at once, which is also fast."""
        calls_zero = self.has("zero") and self.yes("can_zero", True)
        return self.yes("can_fast_zero", not calls_zero)

    # --- what nbdkit itself refuses ---

    def refused(self, request):
        command, flags = request.command, request.flags
        writes = command in (WRITE, TRIM, WRITE_ZEROES)
        if writes and self.offers(raw_nbd.READ_ONLY):
            return raw_nbd.EPERM
        if command == FLUSH:
            if request.offset or request.count:
                return raw_nbd.EINVAL
        elif not request.count or request.offset + request.count > self.size:
            return raw_nbd.ENOSPC if command in (WRITE, WRITE_ZEROES) else raw_nbd.EINVAL
        meant = {READ: DF, WRITE_ZEROES: NO_HOLE | FAST_ZERO, BLOCK_STATUS: REQ_ONE}
        known = FUA | meant.get(command, 0)
        if flags & ~known or flags & FUA and not self.offers(raw_nbd.SEND_FUA):
            return raw_nbd.EINVAL
        if command in (READ, WRITE) and request.count > LARGEST:
            return raw_nbd.ENOMEM
        needed = {
            FLUSH: raw_nbd.SEND_FLUSH,
            TRIM: raw_nbd.SEND_TRIM,
            CACHE: raw_nbd.SEND_CACHE,
            WRITE_ZEROES: raw_nbd.SEND_WRITE_ZEROES,
        }.get(command)
        return raw_nbd.EINVAL if needed and not self.offers(needed) else None

    # --- what is left to the script ---

    def call(self, callback, absent):
        """A callback that fails if the offset says so, or with this errno if it is absent."""
        if not self.has(callback) and callback != "pread":
            raise Failed(absent)
        code, callbacks = failing(self.place)
        if callback in callbacks:
            # ENOTSUP from a zero has a meaning; from anything else it is an error like any other.
            is_odd = code == NOT_SUPPORTED and callback != "zero"
            raise Failed(errno.EINVAL if is_odd else code)

    def run(self, request):
        durably = request.flags & FUA and self.fua == "1"
        match request.command:
            case raw_nbd.READ:
                self.read()
            case raw_nbd.WRITE:
                self.call("pwrite", errno.EROFS)
            case raw_nbd.FLUSH:
                self.call("flush", errno.EINVAL)
            case raw_nbd.TRIM:
                self.call("trim", errno.EINVAL)
            case raw_nbd.CACHE:
                self.cache()
            case raw_nbd.WRITE_ZEROES:
                self.zero(request)
            case raw_nbd.BLOCK_STATUS:
                if self.yes("can_extents", self.has("extents")):
                    self.call("extents", errno.EINVAL)
        if durably and request.command in (WRITE, TRIM, WRITE_ZEROES):
            self.call("flush", errno.EINVAL)

    def read(self):
        if self.disk.returns_text:
            raise Failed(errno.EIO)
        self.call("pread", None)

    def cache(self):
        default = "2" if self.has("cache") else "0"
        if self.disk.answers.get("can_cache", default) == "1":
            self.read()
        elif self.has("cache"):
            self.call("cache", None)

    def zero(self, request):
        fast = request.flags & FAST_ZERO
        if not self.yes("can_zero", self.has("zero")):
            if fast:
                raise Failed(NOT_SUPPORTED)
        else:
            # In version 1 it has no flags, so it does not know that it has to be fast.
            if fast and self.disk.version == 1:
                raise Failed(NOT_SUPPORTED)
            try:
                return self.call("zero", NOT_SUPPORTED)
            except Failed as failed:
                if failed.args[0] != NOT_SUPPORTED or fast:
                    raise
        self.call("pwrite", errno.EROFS)
