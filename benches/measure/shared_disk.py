"""A disk in memory that parallel interpreters share, and one that is written in C."""

import plugins
from clients import CopyFrom, CopyTo, shapes
from contest import Peer, Side
from served import contest_of_servers


def measure(extent):
    size = f"size={extent.disk}"
    yield from contest_of_servers(
        "nbdkit.disk",
        Side("ours", plugins.LUA, ("script=examples/lua/shared.lua", size)),
        (Peer(Side("nbdkit-memory-plugin", plugins.MEMORY, (size,)), ("at least", 0.8)),),
        [CopyTo(), *shapes("read"), *shapes("write"), CopyFrom()],
        extent,
    )
