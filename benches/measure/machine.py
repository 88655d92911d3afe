"""What the numbers were measured on, without which they mean little."""

import os
import platform
import re
import subprocess
import time
from pathlib import Path

import plugins


def describe():
    return {
        "processor": first(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text()),
        "processors": len(os.sched_getaffinity(0)),
        "memory_mib": int(first(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())) // 1024,
        "kernel": platform.release(),
        "system": first(r'PRETTY_NAME="(.*)"', Path("/etc/os-release").read_text()),
        "nbdkit": first(r"nbdkit ([0-9.]+)", output("nbdkit", "--version")),
        "lua": {
            "ours": lua_version(plugins.LUA),
            "ours for LuaJIT": lua_version(plugins.LUAJIT),
            "nbdkit-lua-plugin": lua_version(plugins.OFFICIAL_LUA),
        },
        "rustc": first(r"rustc ([0-9.]+)", output("rustc", "--version")),
        "fio": first(r"fio-([0-9.]+)", output("fio", "--version")),
        "commit": output("git", "rev-parse", "--short=12", "HEAD").strip(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "load_average_before": os.getloadavg()[0],
    }


def lua_version(plugin):
    if plugins.missing(plugin):
        return None
    text = output("nbdkit", "--dump-plugin", str(plugins.path(plugin)))
    version = first(r"^luajit_version=(.*)", text)
    if version:
        return f"LuaJIT {version}"
    version = first(r"^lua_version=(.*)", text)
    return f"Lua {version}" if version else None


def first(pattern, text):
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else None


def output(*command):
    """What a program says, or nothing: a copy without .git has no commit."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""
