"""The plugin under test: which file it is, and what its language can do."""

import os
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Language:
    """A scripting language and the engine that runs it."""

    # The name that nbdkit knows the official plugin by, and that stands in the log.
    name: str
    extension: str
    plugin: Path
    engine: str
    # What --dump-plugin says about the engine, as a regular expression.
    version: str
    # The release of the language that scripts are written in, such as (5, 4).
    release: tuple = field(default=(5, 4))
    # Whether modules written in C, as the distribution packages them, can be loaded.
    c_modules: bool = True

    @property
    def integers(self):
        """Whether numbers can be 64-bit integers, not only doubles."""
        return self.release >= (5, 3)

    @property
    def table_finalizers(self):
        """Whether __gc is called for tables, not only for userdata."""
        return self.release >= (5, 2)

    def script(self, name):
        return (ROOT / "tests" / "scripts" / f"{name}.{self.extension}").read_text()

    def example(self, name):
        return ROOT / "examples" / self.name / f"{name}.{self.extension}"


LUA_ENGINES = {
    # No distribution has this one yet, so it is compiled in.
    "lua55": {"version": r"5\.5(\.\d+)?", "release": (5, 5), "c_modules": False},
    "lua54": {"version": r"5\.4(\.\d+)?", "release": (5, 4)},
    "lua53": {"version": r"5\.3(\.\d+)?", "release": (5, 3)},
    "lua52": {"version": r"5\.2(\.\d+)?", "release": (5, 2)},
    "lua51": {"version": r"5\.1(\.\d+)?", "release": (5, 1)},
    "luajit": {"version": r"(5\.1|LuaJIT 2\.\d.*)", "release": (5, 1)},
    "vendored": {"version": r"5\.4(\.\d+)?", "release": (5, 4), "c_modules": False},
}


def lua():
    engine = os.environ.get("NBDKIT_SCRIPT_LUA_ENGINE", "lua54")
    plugin = os.environ.get("NBDKIT_SCRIPT_LUA", ROOT / "target/release/libnbdkit_lua.so")
    return Language("lua", "lua", Path(plugin).resolve(), engine, **LUA_ENGINES[engine])


def rust_plugin(name):
    """A plugin written in Rust: `libNAME.so`, or what NBDKIT_SCRIPT_NAME says."""
    default = ROOT / f"target/release/lib{name}.so"
    return Path(os.environ.get(f"NBDKIT_SCRIPT_{name.upper()}", default)).resolve()
