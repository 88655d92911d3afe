"""Runs case after case until the time is up. script/fuzz builds the plugins and starts it."""

import argparse
import collections
import os
import random
import shlex
import sys
import time
from dataclasses import replace
from pathlib import Path

from .case import Case, Engine
from .play import play

# After this many failures it is time to look at them.
ENOUGH = 5
# How often to repeat a failed case, since threads may interleave differently.
TRIES = 4


def main():
    options = parse()
    engines = known_engines(options)
    if options.case is not None:
        sys.exit(one(options, engines))
    seed = options.seed if options.seed is not None else random.randrange(1 << 32)
    print(f"fuzz: seed {seed}, {', '.join(engine.name for engine in engines)}", flush=True)
    end = time.monotonic() + options.minutes * 60
    servers, requests = collections.Counter(), collections.Counter()
    failures = number = 0
    while time.monotonic() < end and failures < ENOUGH:
        engine = engines[number % len(engines)]
        under_valgrind = random.Random(f"{seed} {number}").random() * 100 < options.valgrind
        case = Case(engine, seed, number // len(engines), under_valgrind)
        outcome = play(case)
        servers[engine.name] += 1
        requests[engine.name] += outcome.requests
        if outcome.wrong:
            failures += 1
            report(case, outcome, options)
        number += 1
    for name, count in servers.items():
        print(f"fuzz: {name}: {count} servers, each with a script, {requests[name]} requests")
    total = f"{sum(servers.values())} servers and scripts, {sum(requests.values())} requests"
    print(f"fuzz: seed {seed}: {total}, {failures} failed")
    sys.exit(1 if failures or not servers else 0)


def parse():
    parser = argparse.ArgumentParser(prog="script/fuzz")
    parser.add_argument("minutes", nargs="?", type=float, default=1)
    parser.add_argument("seed", nargs="?", type=int)
    parser.add_argument("--engine", action="append", metavar="NAME", help="only this one")
    parser.add_argument(
        "--valgrind", type=float, default=0, metavar="PERCENT", help="so many under memcheck"
    )
    parser.add_argument("--case", type=int, metavar="NUMBER", help="this one only, of a seed")
    parser.add_argument("--rounds", type=numbers, help="of that case, such as 3 or 3,4")
    parser.add_argument("--clients", type=numbers, help="of that case")
    parser.add_argument("--plugins", type=Path, required=True, help=argparse.SUPPRESS)
    return parser.parse_args()


def numbers(text):
    return [int(word) for word in text.split(",")]


# --- engines ---

LUA_ENGINES = ["lua54", "luajit", "vendored", "lua51", "lua52", "lua53", "lua55",
               "vendored55"]  # fmt: skip


def known_engines(options):
    """The engines that are built, or the subset that the options select.

    If the environment names a plugin, as for the other tests, it is the only one.
    """
    found = []
    language = os.environ.get("NBDKIT_SCRIPT_LANGUAGE", "lua")
    if path := os.environ.get(f"NBDKIT_SCRIPT_{language.upper()}"):
        engine = os.environ.get("NBDKIT_SCRIPT_LUA_ENGINE", "lua54")
        name = engine if language == "lua" else language
        found = [Engine(name, language, str(Path(path).resolve()))]
    else:
        for name in LUA_ENGINES:
            folder = options.plugins if name == "lua54" else options.plugins / name
            found.append(Engine(name, "lua", str(folder / "release/libnbdkit_lua.so")))
        for name in ("tcl", "rhai"):
            found.append(Engine(name, name, str(options.plugins / f"release/libnbdkit_{name}.so")))
    found = [engine for engine in found if Path(engine.plugin).is_file()]
    if options.engine:
        found = [engine for engine in found if engine.name in options.engine]
    if not found:
        sys.exit("fuzz: none of the plugins is built")
    return found


# --- failures ---


def one(options, engines):
    """The case that the options name."""
    if options.seed is None:
        sys.exit("fuzz: --case needs a seed as well: script/fuzz --case NUMBER 0 SEED")
    failed = False
    for engine in engines:
        case = Case(
            engine, options.seed, options.case, options.valgrind > 0,
            rounds=options.rounds, clients=options.clients,
        )  # fmt: skip
        for _ in range(TRIES):
            outcome = play(case)
            if outcome.wrong:
                keep(case, outcome, options)
                break
        failed |= bool(outcome.wrong)
        print(f"fuzz: {engine.name}, case {case.number}: {outcome.wrong or 'ok'}")
    return failed


def report(case, outcome, options):
    print(f"\nfuzz: {case.engine.name}, case {case.number}: {outcome.wrong}", flush=True)
    if last := outcome.log.strip().rpartition(b"\n")[2]:
        print(f"fuzz: the log ends with {last.decode(errors='replace')}", flush=True)
    keep(case, outcome, options)
    smaller = reduced(case)
    if smaller is None:
        print(f"fuzz: it did not fail again in {TRIES} tries", flush=True)
        smaller = case
    folder = keep(smaller, outcome, options)
    print(f"fuzz: script and log are in {folder}\nfuzz: {command(smaller)}\n", flush=True)


def fails(case):
    """The outcome, if it fails in one of several tries."""
    for _ in range(TRIES):
        outcome = play(case)
        if outcome.wrong:
            return outcome
    return None


def reduced(case):
    """A case with fewer rounds and clients that also fails; None if it does not fail again."""
    again = fails(case)
    if again is None:
        return None
    if again.round is not None:
        alone = replace(case, rounds=[again.round])
        upto = replace(case, rounds=[round for round in case.rounds if round <= again.round])
        case = next((smaller for smaller in (alone, upto) if fails(smaller)), case)
    for client in list(case.clients):
        if len(case.clients) > 1:
            fewer = replace(case, clients=[other for other in case.clients if other != client])
            case = fewer if fails(fewer) else case
    return case


def keep(case, outcome, options):
    name = f"{case.engine.name}-{case.seed}-{case.number}"
    folder = options.plugins / "fuzz" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"disk.{case.engine.dialect.extension}").write_text(case.script)
    (folder / "log").write_bytes(outcome.log)
    (folder / "command").write_text(command(case) + "\n")
    return folder


def command(case):
    words = ["script/fuzz", "--engine", case.engine.name, "--case", str(case.number)]
    if case.under_valgrind:
        words += ["--valgrind", "100"]
    words += ["--rounds", ",".join(map(str, case.rounds))]
    words += ["--clients", ",".join(map(str, case.clients)), "0", str(case.seed)]
    return shlex.join(words)


main()
