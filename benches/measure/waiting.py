"""Reads that each wait for a millisecond, as for something on a network."""

import plugins
from clients import Fio
from contest import Peer, Side
from served import contest_of_servers

SCRIPT = f"script={plugins.SCRIPTS}/blocking.lua"


def measure(extent):
    yield from contest_of_servers(
        "Lua, parallel",
        Side("ours", plugins.LUA, (SCRIPT,)),
        (Peer(Side("nbdkit-lua-plugin", plugins.OFFICIAL_LUA, (SCRIPT,))),),
        [Fio("reads that wait for 1 ms, depth 16", "randread", 4096, 16)],
        extent,
    )
