"""Runs one server after another under load, and collects ThreadSanitizer's reports."""

import argparse
import re
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nbdkit
from script_files import script

from . import clients

SIZE = 4 << 20
REPORT = "WARNING: ThreadSanitizer"
HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Case:
    name: str
    plugin: str
    extension: str | None = None
    model: str | None = None
    parameters: tuple = ()
    races: bool = False


SCRIPTED = [
    Case(f"{language}, {model}", f"nbdkit_{language}", language, model)
    for language in ("lua", "tcl", "rhai")
    for model in ("parallel", "serialize_requests")
]
CASES = [
    # The race that has to be found.
    Case("a plugin with a race", "racing", races=True),
    Case("Rust, one instance", "ramdisk", parameters=(f"size={SIZE}",)),
    Case("Rust, several instances", "panicking", parameters=("panic=nowhere",)),
    *SCRIPTED,
]


def main():
    parser = argparse.ArgumentParser(prog="script/races")
    parser.add_argument("seconds", nargs="?", type=float, default=10, help="for each server")
    parser.add_argument("--only", metavar="NAME", help="the servers whose name has this in it")
    parser.add_argument("--plugins", type=Path, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--preload", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    failed = False
    for case in CASES:
        if not options.only or options.only in case.name:
            failed |= not play(case, options)
    sys.exit(1 if failed else 0)


def play(case, options):
    """Whether a server had the expected races, and ended."""
    with tempfile.TemporaryDirectory(prefix="nbdkit-races-") as directory:
        folder = Path(directory)
        server = nbdkit.Nbdkit(
            *arguments(case, options, folder),
            cwd=folder,
            prefix=prefix(options, folder),
            lifetime=options.seconds + 300,
        )
        try:
            server.wait_ready()
            crowd = clients.load(server.socket, options.seconds, loops=bool(case.extension))
            server.process.send_signal(signal.SIGTERM)
            code = server.process.wait(120)
            crowd.end()
        finally:
            server.discard()
        reports = "".join(file.read_text(errors="replace") for file in folder.glob("tsan.*"))
    count = reports.count(REPORT)
    good = code == 0 and crowd.requests > 0 and (count > 0) == case.races
    state = "ok" if good else "FAILED"
    told = f"{crowd.requests} requests, {count} reports, ended with {code}"
    print(f"races: {case.name}: {state}: {told}", flush=True)
    if not good:
        print(shortened(reports), flush=True)
    return good


def arguments(case, options, folder):
    plugin = options.plugins / f"lib{case.plugin}.so"
    if not case.extension:
        return [str(plugin), *case.parameters]
    file = folder / f"disk.{case.extension}"
    file.write_text(
        script(case.extension, "races", size=SIZE, model=case.model, forever=clients.FOREVER)
    )
    return [str(plugin), "interpreters=3", "time_limit=200ms", file.name]


def prefix(options, folder):
    settings = [
        f"log_path={folder}/tsan",
        f"suppressions={HERE}/suppressions",
        # Keeps the server's own exit code visible.
        "exitcode=0",
    ]
    # The runtime does not know all the addresses that the system may choose at random.
    return ("setarch", "-R", "env", f"LD_PRELOAD={options.preload}",
            f"TSAN_OPTIONS={' '.join(settings)}")  # fmt: skip


def shortened(reports):
    """Reports without frames of the standard library only, and with shortened names."""
    lines = [line for line in reports.splitlines() if not re.search(r"/rustlib/|^\s*$", line)]
    return "\n".join(line[:200] for line in lines[:200])


main()
