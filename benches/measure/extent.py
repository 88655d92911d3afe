"""How much is measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Extent:
    name: str
    rounds: int  # of what is measured in one process
    calls: float  # the part of the usual number of calls
    server_rounds: int  # of what is measured with a client
    seconds: float | None  # that fio sends requests for; without it, a handful of requests
    disk: int  # the size in bytes of the disks that clients use
    sparse: int  # the same, of those that are almost empty
    starts: int  # of a server, for the time until it serves
    connections: tuple  # numbers of clients that a server's memory is looked at with
    threads: tuple  # numbers of threads

    def count(self, calls):
        """So many calls, to this extent."""
        return max(20, int(calls * self.calls))


MEBIBYTE = 1 << 20

FULL = Extent("full", 9, 1, 11, 1.5, 128 * MEBIBYTE, 4096 * MEBIBYTE, 41, (1, 16, 256), (1, 2, 4, 8, 16))
QUICK = Extent("quick", 3, 0.25, 2, 1, 64 * MEBIBYTE, 4096 * MEBIBYTE, 9, (1, 16, 256), (1, 2, 4, 8, 16))
# Shows that all of it still runs. Its numbers are no results.
SMOKE = Extent("smoke", 1, 0, 1, None, MEBIBYTE, 40 * MEBIBYTE, 1, (1, 2), (1, 2))
