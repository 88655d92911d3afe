"""What a plugin costs in one process, without a client.

bench-host loads it as nbdkit does and calls it. Its `compare` makes a process of each measurement.
"""

import json
import subprocess
import tempfile
from pathlib import Path

import plugins
from contest import Contest, Peer, Side

READY = f"script={plugins.SCRIPTS}/ready.lua"
COPYING = f"script={plugins.SCRIPTS}/copying.lua"
FILLING = f"script={plugins.SCRIPTS}/filling.lua"

NO_SLOWER = ("at most", 1.0)
A_COPY_LESS = ("at most", 0.6)
FIVE_MORE = ("at most more", 5)


def calls(operation, size, count):
    return {"operation": operation, "size": size, "count": count}


def _lua(script, wanted=NO_SLOWER):
    ours = Side("ours", plugins.LUA, (script,))
    theirs = Side("nbdkit-lua-plugin", plugins.OFFICIAL_LUA, (script,))
    return ours, (Peer(theirs, wanted),)


def _tcl():
    script = f"{plugins.SCRIPTS}/ready.tcl"
    ours = Side("ours", plugins.TCL, (script,))
    return ours, (Peer(Side("nbdkit-tcl-plugin", plugins.OFFICIAL_TCL, (script,)), NO_SLOWER),)


def _disk(ours, wanted=None):
    return Side("ours", ours), (Peer(Side("nbdkit::Server", plugins.DISK_SERVER), wanted),)


def _filling(order):
    front = Side("in order", plugins.LUA, (FILLING, "order=front"))
    return Side("ours", plugins.LUA, (FILLING, f"order={order}")), (Peer(front),)


# What, the sides, and what the measurement has to know.
TABLE = [
    ("Lua: read of 512 B, a ready string", _lua(READY), calls("pread", 512, 4_000_000)),
    ("Lua: write of 4 KiB, ignored", _lua(READY), calls("pwrite", 4096, 1_000_000)),
    ("Lua: read of 512 B, a copy", _lua(COPYING, None), calls("pread", 512, 1_000_000)),
    ("Lua: read of 4 KiB, a copy", _lua(COPYING, None), calls("pread", 4096, 1_000_000)),
    ("Lua: read of 64 KiB, a copy", _lua(COPYING, A_COPY_LESS), calls("pread", 65536, 100_000)),
    ("Lua: read of 1 MiB, a copy", _lua(COPYING, A_COPY_LESS), calls("pread", 1 << 20, 5_000)),
    ("Tcl: read of 512 B, a ready string", _tcl(), calls("pread", 512, 400_000)),
    (
        "Rust, Shared: read of 512 B",
        _disk(plugins.DISK_SHARED, FIVE_MORE),
        calls("pread", 512, 40_000_000),
    ),
    (
        "Rust, Shared: write of 4 KiB, ignored",
        _disk(plugins.DISK_SHARED, FIVE_MORE),
        calls("pwrite", 4096, 40_000_000),
    ),
    (
        "Rust, Isolated: read of 512 B",
        _disk(plugins.DISK_ISOLATED),
        calls("pread", 512, 20_000_000),
    ),
    (
        "Rust, Isolated: write of 4 KiB, ignored",
        _disk(plugins.DISK_ISOLATED),
        calls("pwrite", 4096, 20_000_000),
    ),
    ("Lua: 64 KiB filled from the back", _filling("back"), calls("pread", 65536, 100_000)),
    ("Lua: 64 KiB not filled at all", _filling("none"), calls("pread", 65536, 100_000)),
]


def contests():
    return [Contest(what, "ns/call", *sides, details) for what, sides, details in TABLE]


def compare(contest, extent, *options):
    """Nanoseconds a call in each round, by the name of the side."""
    if not contest.sides:
        return {}
    details = contest.details
    command = [
        *(plugins.host(), "compare", "--rounds", extent.rounds),
        *("--operation", details["operation"], "--size", details["size"]),
        *("--count", extent.count(details["count"]), *options),
    ]
    for side in contest.sides:
        command += ["--", side.name, *side.arguments]
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "rounds.json"
        command[2:2] = ["--json", file]
        subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
        variants = json.loads(file.read_text())["variants"]
    return {variant["name"]: variant["rounds"] for variant in variants}


def measure(extent):
    for contest in contests():
        yield from contest.rows(compare(contest, extent))
