"""Whether a plugin's memory grows over two million requests; if it does, that is an error."""

import subprocess

import plugins
from contest import Contest, Peer, Side
from in_process import READY
from table import number

BOUND = 1024  # KiB

SIDES = {
    "Lua": Side("ours", plugins.LUA, (READY,)),
    "Rust, Shared": Side("ours", plugins.DISK_SHARED),
    "Rust, Isolated": Side("ours", plugins.DISK_ISOLATED),
    "nbdkit::Server": Side("ours", plugins.DISK_SERVER),
}


def soak(side, count, step, bound):
    """VmRSS in KiB after the first step, and at the end."""
    command = [
        *(plugins.host(), "soak", "--count", count, "--step", step, "--bound", bound),
        *side.arguments,
    ]
    finished = subprocess.run(
        [str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True
    )
    looks = [line.split() for line in finished.stdout.splitlines()]
    memory = [int(look[1]) for look in looks if look[0].isdigit()]
    return memory[0], memory[-1]


def measure(extent):
    # What is allocated in the first few thousand requests says nothing yet.
    count, step, bound = (2_000_000, 200_000, BOUND) if extent.seconds else (5000, 1000, 1 << 20)
    for what, side in SIDES.items():
        before = Side(f"after {number(step)}", side.plugin, side.parameters)
        contest = Contest(
            f"{what}: VmRSS, {number(count)} requests",
            "KiB",
            side,
            (Peer(before, ("at most more", BOUND)),),
        )
        first, last = soak(side, count, step, bound) if contest.sides else (None, None)
        yield from contest.rows({"ours": [last], before.name: [first]})
