"""What a call costs as the threads become more.

The time is that of the whole run divided by the calls of all threads, each of which has a
connection of its own. nbdkit's locks are taken with one thread as well.
"""

import plugins
from contest import Contest, Peer, Side
from in_process import READY, calls, compare

COMPUTING = f"script={plugins.SCRIPTS}/computing.lua"

# What, the parameters of both sides, and what the measurement has to know.
TABLE = [
    ("Lua, default model: read of 512 B", (READY,), calls("pread", 512, 1_000_000)),
    (
        "Lua, parallel: read of 512 B",
        (READY, "thread_model=parallel"),
        calls("pread", 512, 1_000_000),
    ),
    ("Lua, parallel: 4 KiB computed", (COMPUTING, "size=1048576"), calls("pread", 4096, 5_000)),
]


def measure(extent):
    for what, parameters, details in TABLE:
        for threads in extent.threads:
            contest = Contest(
                f"{what}, {threads} thread{'s' if threads > 1 else ''}",
                "ns/call",
                Side("ours", plugins.LUA, parameters),
                (Peer(Side("nbdkit-lua-plugin", plugins.OFFICIAL_LUA, parameters)),),
                details,
            )
            numbers = compare(contest, extent, "--locks", "--threads", threads)
            for row in contest.rows(numbers):
                yield {**row, "series": what, "at": threads, "of": "threads"}
