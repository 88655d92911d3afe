"""The language under test: which plugin it is, and how a script in it is written.

A test is written once for all languages. Its scripts are in `scripts/`, with one file per language;
anything that a language expresses differently is here or in `spelling.py`. NBDKIT_SCRIPT_LANGUAGE
selects the language that a run tests.
"""

import functools
import os
from dataclasses import dataclass, field
from pathlib import Path

import script_files
from spelling import LuaSpelling, TclSpelling

ROOT = Path(__file__).resolve().parent.parent

# The arguments of each callback, some of which depend on the API version.
ARGUMENTS = {
    "open": "readonly",
    "preconnect": "readonly",
    "config": "key value",
    "list_exports": "readonly is_tls",
    "default_export": "readonly is_tls",
    "cache": "h count offset flags",
    "extents": "h count offset flags",
}
ARGUMENTS |= dict.fromkeys(
    ["close", "get_size", "can_write", "can_flush", "can_trim", "can_zero", "can_fast_zero",
     "can_fua", "can_cache", "can_extents", "can_multi_conn", "is_rotational", "block_size",
     "export_description"], "h",
)  # fmt: skip
ARGUMENTS |= dict.fromkeys(
    ["dump_plugin", "magic_config_key", "config_complete", "thread_model", "get_ready",
     "after_fork", "cleanup"], "",
)  # fmt: skip
DATA_ARGUMENTS = {
    1: {"pread": "h count offset", "pwrite": "h buf offset", "flush": "h",
        "trim": "h count offset", "zero": "h count offset may_trim"},
    2: {"pread": "h buf offset flags", "pwrite": "h buf offset flags", "flush": "h flags",
        "trim": "h count offset flags", "zero": "h count offset flags"},
}  # fmt: skip


@dataclass(frozen=True, repr=False)
class Language:
    """A scripting language and the engine that runs it."""

    def __repr__(self):
        return self.name

    # nbdkit's name for the official plugin, which also appears in the log.
    name: str
    # Its name in a sentence.
    title: str
    extension: str
    plugin: Path
    # A regular expression for the line of --dump-plugin about the engine.
    version: str

    @property
    def integers(self):
        """Whether numbers can be 64-bit integers, not only doubles."""
        return True

    def holds(self, value):
        """Whether the language can represent an integer exactly."""
        return True

    @property
    def reads_utf8(self):
        """Whether scripts and input from outside are characters to it, not bytes."""
        return False

    def callback(self, name):
        """The script's name for one of nbdkit's callbacks."""
        return name

    # --- scripts ---

    def script(self, module, name=None, /, **replacements):
        """A script from scripts/: see `script_files.py`."""
        return script_files.script(self.extension, module, name, **replacements)

    def pieces(self, module, name, /, **replacements):
        """Small pieces of code from scripts/, by their keys."""
        return script_files.pieces(self.extension, module, name, **replacements)

    def example(self, name):
        return ROOT / "examples" / self.name / f"{name}.{self.extension}"

    def define(self, callback, body, version=1):
        """A definition of a callback with its usual arguments, in one line."""
        arguments = {**ARGUMENTS, **DATA_ARGUMENTS[version]}[callback]
        return self.procedure(self.callback(callback), arguments.split(), body) + "\n"

    def place(self, script, text, name="disk"):
        """FILE:LINE of the first line of a script that contains this text."""
        for number, line in enumerate(script.split("\n"), 1):
            if text in line:
                return f"{name}.{self.extension}:{number}"
        raise AssertionError(f"no line of the script has {text!r} in it")

    # --- the log ---

    def logged(self, callback, message, connection=1):
        """The log's line about a failed callback."""
        return self.prefix(callback, connection) + message

    def prefix(self, callback, connection=1):
        return f"nbdkit: {self.name}[{connection}]: error: {self.callback(callback)}: "


LUA_ENGINES = {
    "lua55": {"version": r"5\.5(\.\d+)?", "release": (5, 5)},
    "lua54": {"version": r"5\.4(\.\d+)?", "release": (5, 4)},
    "lua53": {"version": r"5\.3(\.\d+)?", "release": (5, 3)},
    "lua52": {"version": r"5\.2(\.\d+)?", "release": (5, 2)},
    "lua51": {"version": r"5\.1(\.\d+)?", "release": (5, 1)},
    "luajit": {"version": r"(5\.1|LuaJIT 2\.\d.*)", "release": (5, 1)},
    # These are compiled in.
    "vendored": {"version": r"5\.4(\.\d+)?", "release": (5, 4), "compiled_in": True},
    "vendored55": {"version": r"5\.5(\.\d+)?", "release": (5, 5), "compiled_in": True},
}


@dataclass(frozen=True, repr=False)
class Lua(LuaSpelling, Language):
    engine: str = "lua54"
    # The release of the language, such as (5, 4).
    release: tuple = field(default=(5, 4))
    # Whether the engine is part of the plugin, which then cannot load modules written in C.
    compiled_in: bool = False

    @property
    def integers(self):
        return self.release >= (5, 3)

    def holds(self, value):
        return -(2**63) <= value < 2**63 if self.integers else abs(value) <= 2**53

    @property
    def table_finalizers(self):
        """Whether __gc is called for tables, not only for userdata."""
        return self.release >= (5, 2)

    def procedure(self, name, arguments, body):
        return f"function {name}({', '.join(arguments)}) {body} end"

    def without(self, callback):
        """Code that removes a definition."""
        return f"{callback} = nil\n"

    def set_global(self, name, value):
        return f"{name} = {value}\n"

    def load_error(self, line, message):
        """The message about a script whose top level fails there."""
        return f"could not run Lua script: disk.lua:{line}: {message}"


TCL_ENGINES = {
    "tcl86": {"version": r"8\.6(\.\d+)?", "release": (8, 6), "tclsh": "tclsh8.6"},
    "tcl9": {"version": r"9\.\d+(\.\d+)?", "release": (9, 0), "tclsh": "tclsh9.0"},
}


@dataclass(frozen=True, repr=False)
class Tcl(TclSpelling, Language):
    engine: str = "tcl86"
    release: tuple = field(default=(8, 6))
    # The program that runs scripts with the same release.
    tclsh: str = "tclsh"

    @property
    def reads_utf8(self):
        return self.release >= (9, 0)

    def callback(self, name):
        # Tcl's own commands have the plain names.
        return f"plugin_{name}" if name in ("open", "close", "flush") else name

    def procedure(self, name, arguments, body):
        return f"proc {name} {{{' '.join(arguments)}}} {{ {body} }}"

    def without(self, callback):
        return f'rename {self.callback(callback)} ""\n'

    def load_error(self, line, message):
        return f"could not load Tcl script: disk.tcl: line {line}: {message}"

    def set_global(self, name, value):
        return f"set ::{name} {value};\n"


def lua():
    engine = os.environ.get("NBDKIT_SCRIPT_LUA_ENGINE", "lua54")
    return Lua("lua", "Lua", "lua", plugin("lua"), engine=engine, **LUA_ENGINES[engine])


def tcl():
    engine = os.environ.get("NBDKIT_SCRIPT_TCL_ENGINE", "tcl86")
    return Tcl("tcl", "Tcl", "tcl", plugin("tcl"), engine=engine, **TCL_ENGINES[engine])


LANGUAGES = {"lua": lua, "tcl": tcl}


def plugin(name):
    """`libnbdkit_NAME.so`, or the path in NBDKIT_SCRIPT_NAME."""
    default = ROOT / f"target/release/libnbdkit_{name}.so"
    return Path(os.environ.get(f"NBDKIT_SCRIPT_{name.upper()}", default)).resolve()


@functools.cache
def under_test():
    return LANGUAGES[os.environ.get("NBDKIT_SCRIPT_LANGUAGE", "lua")]()


def only(**by_language):
    """The cases, as a dictionary or list, that only some languages have, for the one under test.

    All languages are named, so that none is left out by mistake.
    """
    assert by_language.keys() == LANGUAGES.keys(), by_language.keys()
    return by_language[under_test().name]


def program(name):
    """A program in Rust: by default, what cargo has built; nbdkit-script-test may be anywhere, by the
    path in NBDKIT_SCRIPT_TEST.
    """
    default = ROOT / f"target/release/{name}"
    variable = name.upper().replace("-", "_")
    return Path(os.environ.get(variable, default)).resolve()


def rust_plugin(name):
    """A plugin written in Rust: `libNAME.so`, or the path in NBDKIT_SCRIPT_NAME."""
    default = ROOT / f"target/release/lib{name}.so"
    return Path(os.environ.get(f"NBDKIT_SCRIPT_{name.upper()}", default)).resolve()
