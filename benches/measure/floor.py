"""What the calls of Lua take by themselves, in a plugin that is written in C and does nothing else.

Each of its steps is one more of the promises that ours makes and nbdkit's own plugin does not. They
are measured in the same rounds as both plugins, so what lies between two of them is a difference.
"""

import instructions
import plugins
from contest import Contest, Peer, Side
from in_process import READY, calls, compare

STEPS = (
    "C, the calls of nbdkit-lua-plugin",
    "C, and no error outside of lua_pcall",
    "C, and a traceback, all results",
    "C, and a lock",
)


def measure(extent):
    sides = [Side("nbdkit-lua-plugin", plugins.OFFICIAL_LUA, (READY,))]
    sides += [Side(step, floor, (READY,)) for step, floor in zip(STEPS, plugins.FLOORS)]
    contest = Contest(
        "Lua: read of 512 B, a ready string",
        "ns/call",
        Side("ours", plugins.LUA, (READY,)),
        tuple(Peer(side) for side in sides),
        calls("pread", 512, 4_000_000),
    )
    yield from contest.rows(compare(contest, extent))
    yield from instructions.rows(contest, extent)
