"""The plugins that are measured, by the names that the results have for them."""

import os
import subprocess
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SCRIPTS = Path("benches/scripts")  # from the repository, where everything runs


@cache
def target():
    """Where cargo builds; script/bench says so."""
    return Path(os.environ.get("NBDKIT_SCRIPT_TARGET", REPOSITORY / "target"))


@cache
def installed():
    """Where nbdkit has its own plugins."""
    text = subprocess.run(
        ["nbdkit", "--dump-config"], check=True, capture_output=True, text=True
    ).stdout
    return Path(dict(line.split("=", 1) for line in text.splitlines())["plugindir"])


def path(name):
    """The file of a plugin: ours end with .so, nbdkit's are called as nbdkit calls them."""
    if name == OBJECT_STORE and "NBDKIT_SCRIPT_OBJECT_STORE" in os.environ:
        return Path(os.environ["NBDKIT_SCRIPT_OBJECT_STORE"])
    if name.endswith(".so"):
        return target() / name
    return installed() / f"nbdkit-{name}-plugin.so"


def missing(name):
    """Why there is no such plugin, or None."""
    if path(name).exists():
        return None
    if name.endswith(".so"):
        return f"{name} has not been built"
    return f"nbdkit-{name}-plugin is not installed"


def host():
    """The program that measures a plugin in one process."""
    return target() / "release/bench-host"


# Ours.
LUA = "release/libnbdkit_lua.so"
LUAJIT = "luajit/release/libnbdkit_lua.so"
TCL = "release/libnbdkit_tcl.so"
DISK_SHARED = "release/libbench_disk_shared.so"
DISK_ISOLATED = "release/libbench_disk_isolated.so"
OBJECT_STORE = "object-store/release/libobject_store.so"
# The peers.
DISK_SERVER = "release/libbench_disk_server.so"
OFFICIAL_LUA = "lua"
OFFICIAL_TCL = "tcl"
MEMORY = "memory"
FILE = "file"
PYTHON = "python"
NULL = "null"
PATTERN = "pattern"
# One in C, built once for each of its steps.
FLOORS = [f"bench-floor/floor-{step}.so" for step in range(4)]
