"""A disk that is computed, by a script under LuaJIT.

It is held against the same script in nbdkit's own Lua plugin, and against a plugin in C.
"""

import dataclasses

import plugins
from clients import CopyFrom, shapes
from contest import Contest, Peer, Side
from extent import MEBIBYTE
from in_process import calls, compare
from served import contest_of_servers

SCRIPT = f"script={plugins.SCRIPTS}/computing.lua"
MOST_DISK = 64 * MEBIBYTE  # nbdkit's own plugin takes two seconds for as much


def measure(extent):
    served = dataclasses.replace(extent, disk=min(extent.disk, MOST_DISK))
    size = f"size={served.disk}"
    ours = Side("ours", plugins.LUAJIT, (SCRIPT, size))
    same = Side("nbdkit-lua-plugin", plugins.OFFICIAL_LUA, (SCRIPT, size))
    pattern = Side("nbdkit-pattern-plugin", plugins.PATTERN, (size,))
    peers = (Peer(same, ("at least", 10)), Peer(pattern, ("at least", 0.3)))
    yield from in_one_process(ours, peers, extent)
    yield from contest_of_servers("LuaJIT", ours, peers, [*shapes("read"), CopyFrom()], served)


def in_one_process(ours, peers, extent):
    for name, size, count in (("4 KiB", 4096, 10_000), ("64 KiB", 65536, 600)):
        what = f"LuaJIT, in one process: read of {name}"
        contest = Contest(what, "MiB/s", ours, peers, calls("pread", size, count))
        times = compare(contest, extent)
        speeds = {
            side: [size / MEBIBYTE / (time / 1e9) for time in rounds]
            for side, rounds in times.items()
        }
        yield from contest.rows(speeds)
