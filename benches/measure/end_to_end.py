"""A script for nbdkit's own Lua plugin, served by that and by ours."""

import plugins
from clients import CopyFrom, CopyTo, shapes
from contest import Peer, Side
from served import contest_of_servers


def measure(extent):
    parameters = (f"script={plugins.SCRIPTS}/pages.lua", f"size={extent.disk}")
    peer = Side("nbdkit-lua-plugin", plugins.OFFICIAL_LUA, parameters)
    yield from contest_of_servers(
        "Lua",
        Side("ours", plugins.LUA, parameters),
        (Peer(peer, ("at least", 1.0)),),
        [CopyTo(), *shapes("read"), *shapes("write"), CopyFrom()],
        extent,
    )
