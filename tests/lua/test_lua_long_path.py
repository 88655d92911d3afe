"""Lua shortens a file name before an error, here as in the official plugin."""

import re

from differential.lua_cases import CASES
from observe import observe


def test_script_with_a_long_path(language, tmp_path):
    directory = tmp_path / ("long" * 20)
    directory.mkdir()
    script = directory / "disk.lua"
    script.write_text(CASES["read: error text"].script)
    theirs, ours = (
        observe(plugin, str(script), [[("pread", 512, 0)]], cwd=tmp_path)
        for plugin in ("lua", language.plugin)
    )
    assert "disk.lua:1: text" in theirs
    if language.release < (5, 2):
        # That one keeps a few characters fewer.
        shorter = re.compile(r"\.\.\.[^ ]*disk")
        theirs, ours = shorter.sub("...disk", theirs), shorter.sub("...disk", ours)
    assert ours == theirs
