"""The few rows that the README shows. All of them are in benches/results."""

# The group, what is measured, and against whom.
HEADLINES = [
    ("in-process", "Lua: read of 512 B, a ready string", "nbdkit-lua-plugin"),
    ("in-process", "Lua: read of 64 KiB, a copy", "nbdkit-lua-plugin"),
    ("in-process", "Tcl: read of 512 B, a ready string", "nbdkit-tcl-plugin"),
    ("in-process", "Rust, Shared: read of 512 B", "nbdkit::Server"),
    ("start", "Lua: from exec to the first sector", "nbdkit-lua-plugin"),
    ("end-to-end", "Lua: nbdcopy from it", "nbdkit-lua-plugin"),
    ("shared-disk", "nbdkit.disk: nbdcopy from it", "nbdkit-memory-plugin"),
    ("computing", "LuaJIT: nbdcopy from it", "nbdkit-lua-plugin"),
]


def headlines(results):
    """Those of them that have been measured, in this order."""
    rows = {
        (name, row["what"], row["theirs"]["name"]): row
        for name, result in results.items()
        for row in result["rows"]
    }
    return [rows[key] for key in HEADLINES if key in rows]
