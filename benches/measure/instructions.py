"""How many instructions a call takes, as callgrind counts them.

It is the difference of two counts, so what it takes to start drops out. Such a number hardly
depends on what else the machine does, but it is no time: a copy of 64 KiB is 65536 instructions
where the C library copies with `rep movsb`, of which callgrind counts each byte.
"""

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import in_process
import plugins
from contest import interleave
from extent import MEBIBYTE

ROUNDS = 3
# The collection of garbage, which comes every few hundred writes, is to be in it. Longer requests
# are fewer, for callgrind would take minutes for them.
MOST_CALLS, MOST_BYTES = 10_000, 16 * MEBIBYTE


def count(side, details, calls):
    """All instructions of a process that makes so many calls."""
    command = [
        *("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"),
        *(plugins.host(), "time", "--warm-up", 0, "--count", calls),
        *("--operation", details["operation"], "--size", details["size"], *side.arguments),
    ]
    finished = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    found = re.search(r"Collected : (\d+)", finished.stderr)
    if finished.returncode or not found:
        raise RuntimeError(f"callgrind, {side.name}: {finished.stderr}")
    return int(found[1])


def numbers_of_calls(size, extent):
    """The two counts are of so many calls."""
    # Even for a smoke test enough that the difference is more than the noise of starting.
    part = 1 if extent.seconds else 8
    calls = max(2, min(MOST_CALLS, MOST_BYTES // size) // part)
    return calls // 2, calls // 2 + calls


def rows(contest, extent):
    """A row for each peer, of the same calls that the contest is about otherwise."""
    contest = replace(contest.without_aims(), unit="instructions/call")
    few, many = numbers_of_calls(contest.details["size"], extent)
    # Nothing is timed, so they may run at once.
    with ThreadPoolExecutor(2) as pool:

        def a_call(side):
            both = pool.map(lambda calls: count(side, contest.details, calls), (few, many))
            with_few, with_many = both
            return (with_many - with_few) / (many - few)

        yield from interleave(contest, min(ROUNDS, extent.rounds), a_call)


def measure(extent):
    for contest in in_process.contests():
        yield from rows(contest, extent)
