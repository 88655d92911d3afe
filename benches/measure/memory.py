"""How much memory a server takes as the connections become more.

Each connection has read twice, all of them at once. VmRSS counts the pages that other processes
have as well, such as those of libraries; PSS divides these among the processes that have them.
"""

import re
from pathlib import Path

import plugins
from contest import Contest, Peer, Side
from in_process import READY
from nbd_client import Connection
from server import Server

SECTOR = 512

# What, the parameters of both sides, and the aim with one connection.
TABLE = [
    ("Lua, default model", (READY,), ("at most", 1.3)),
    ("Lua, parallel", (READY, "thread_model=parallel"), None),
]


def look(pid):
    """Both kinds of memory in KiB."""

    def field(file, name):
        found = re.search(rf"^{name}:\s*(\d+) kB$", Path(file).read_text(), re.MULTILINE)
        return int(found[1])

    return {
        "VmRSS": field(f"/proc/{pid}/status", "VmRSS"),
        "PSS": field(f"/proc/{pid}/smaps_rollup", "Pss"),
    }


def with_connections(side, number):
    with Server(side) as server:
        connections = [Connection(server.socket) for _ in range(number)]
        for _ in range(2):
            for connection in connections:
                connection.send_read(SECTOR, 0)
            for connection in connections:
                connection.receive_read(SECTOR)
        memory = look(server.pid)
        for connection in connections:
            connection.close()
    return memory


def measure(extent):
    for what, parameters, aim in TABLE:
        for number in extent.connections:
            wanted = aim if number == 1 else None
            contest = Contest(
                what,
                "KiB",
                Side("ours", plugins.LUA, parameters),
                (Peer(Side("nbdkit-lua-plugin", plugins.OFFICIAL_LUA, parameters), wanted),),
            )
            looks = {side.name: [] for side in contest.sides}
            for _ in range(min(3, extent.server_rounds)):
                for side in contest.sides:
                    looks[side.name].append(with_connections(side, number))
            for kind in ("VmRSS", "PSS"):
                series = f"{what}: {kind}"
                rounds = {name: [look[kind] for look in each] for name, each in looks.items()}
                for row in contest.rows(rounds):
                    row["what"] = f"{series}, {number} connection{'s' if number > 1 else ''}"
                    if kind == "VmRSS":
                        # The plot has a line for this one, and only it has an aim.
                        row |= {"series": series, "at": number, "of": "connections"}
                    else:
                        row.pop("wanted", None)
                    yield row
