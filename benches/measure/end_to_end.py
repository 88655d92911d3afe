"""A script for nbdkit's own Lua plugin, served by that and by ours.

What nbdkit and its client leave for a plugin to gain is seen from one that does nothing at all.
"""

import plugins
from clients import CopyFrom, CopyTo, on_one_processor, shapes
from contest import Peer, Side
from served import contest_of_servers


def measure(extent):
    size = f"size={extent.disk}"
    parameters = (f"script={plugins.SCRIPTS}/pages.lua", size)
    peer = Side("nbdkit-lua-plugin", plugins.OFFICIAL_LUA, parameters)
    # In the scripts' thread model: otherwise nbdkit has 16 threads for each of its connections, and
    # what they say to each other takes longer than a request. It reads as zeroes, always.
    nothing = Side(
        "nbdkit-null-plugin, noparallel",
        plugins.NULL,
        ("--filter=noparallel", "serialize=all-requests", size),
        same_disk=False,
    )
    jobs = [
        CopyTo(),
        *shapes("read"),
        on_one_processor("read"),
        *shapes("write"),
        on_one_processor("write"),
        CopyFrom(),
    ]
    yield from contest_of_servers(
        "Lua",
        Side("ours", plugins.LUA, parameters),
        (Peer(peer, ("at least", 1.0)), Peer(nothing)),
        jobs,
        extent,
    )
