"""Measures plugins. script/bench builds them and starts it."""

import argparse
import os
import shutil
import signal
import sys

import machine
import plugins
import publish
import table
from extent import FULL, QUICK, SMOKE
from groups import ASKED_FOR, GROUPS


def main():
    options = parse()
    # What is started is ended on the way out.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(f"ended by {signal.strsignal(number)}"))
    # The scripts' paths are relative to it.
    os.chdir(plugins.REPOSITORY)
    if options.render:
        publish.write()
        return
    extent = SMOKE if options.smoke else QUICK if options.quick else FULL
    # What is tried out is not to be taken for a result.
    directory = plugins.target() / ("bench-smoke" if options.smoke else "bench")
    directory.mkdir(parents=True, exist_ok=True)
    of = machine.describe()
    groups = options.group or [name for name in GROUPS if name not in ASKED_FOR]
    for name in groups:
        title, measure = GROUPS[name]
        print(f"\n## {title}\n", flush=True)
        print(table.HEAD, end="", flush=True)
        rows = []
        for row in measure(extent):
            rows.append(row)
            print(table.line(row), end="", flush=True)
        result = {"title": title, "extent": extent.name, "machine": of, "rows": rows}
        publish.save(result, directory / f"{name}.json")
    if options.publish:
        for name in groups:
            shutil.copy(directory / f"{name}.json", publish.RESULTS)
        publish.write()
    elif options.smoke:
        check(publish.load(directory), groups)


def check(results, groups):
    """What a smoke test asserts: that numbers came out, and that what is published is in step."""
    for name in groups:
        rows = results[name]["rows"]
        measured = [row for row in rows if "skipped" not in row]
        if not measured and not all(may_be_missing(row) for row in rows):
            sys.exit(f"bench: {name} has no numbers")
        for row in measured:
            if not all(number > 0 for role in ("ours", "theirs") for number in row[role]["rounds"]):
                sys.exit(f"bench: {row['what']}: {row} has no numbers")
    stale = publish.stale()
    if stale:
        sys.exit(f"bench: not what the results make of them: {', '.join(stale)}; "
                 "script/bench --render writes them anew")


def may_be_missing(row):
    """Whether a row was skipped for something that a distribution need not have."""
    return "is not installed" in row["skipped"] or row["theirs"]["plugin"] in plugins.FLOORS


def parse():
    parser = argparse.ArgumentParser(prog="script/bench", description=__doc__)
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="fewer rounds")
    extent.add_argument("--smoke", action="store_true", help="next to no requests")
    parser.add_argument("--publish", action="store_true", help="writes the README and the plot")
    parser.add_argument("--render", action="store_true", help="the same, and measures nothing")
    parser.add_argument("group", nargs="*", help=f"not all, but of {', '.join(GROUPS)}")
    options = parser.parse_args()
    for name in options.group:
        if name not in GROUPS:
            parser.error(f"there is no group {name}")
    if options.publish and options.smoke:
        parser.error("what --smoke measures is not to be published")
    return options


main()
