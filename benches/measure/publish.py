"""Puts the results where people look: the README, a table of everything, and a plot.

All of it is made from the files of results alone, so it can be made again at any time.
"""

import json
import re

import plot
import table
from groups import GROUPS
from plugins import REPOSITORY

RESULTS = REPOSITORY / "benches/results"
README = REPOSITORY / "README.md"
BEGIN = "<!-- The lines from here to the end mark are written by script/bench --publish. -->\n"
END = "<!-- The end of what script/bench --publish writes. -->\n"


def save(result, file):
    """With the numbers of all rounds on a line, to six digits."""
    text = json.dumps(result, indent=1)

    def on_a_line(found):
        numbers = (f"{float(number):.6g}" for number in found[1].split(","))
        return f"[{', '.join(numbers)}]"

    file.write_text(re.sub(r"\[([\s0-9.,e+-]+)\]", on_a_line, text) + "\n")


def load(directory):
    """The results of all groups that there are."""
    files = {name: directory / f"{name}.json" for name in GROUPS}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def pages():
    """The files that are made from the results, with their content."""
    results = load(RESULTS)
    before, rest = README.read_text().split(BEGIN)
    _, after = rest.split(END)
    everything = "# Results\n\nThis file is written by `script/bench --publish`.\n\n"
    return {
        README: f"{before}{BEGIN}\n{table.overview(results)}\n{END}{after}",
        RESULTS / "README.md": everything + table.everything(results),
        REPOSITORY / "docs/bench.svg": plot.plot(results),
    }


def write():
    for file, content in pages().items():
        file.write_text(content)


def stale():
    """The files that are not what the results make of them."""
    return [
        str(file.relative_to(REPOSITORY))
        for file, content in pages().items()
        if not file.exists() or file.read_text() != content
    ]
