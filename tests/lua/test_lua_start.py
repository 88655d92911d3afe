"""`require`, and files as Lua reads them."""

from pathlib import Path

import pytest

DISK = """
    function open(readonly) return 1 end
    function get_size(h) return 512 end
    function pread(h, count, offset) return string.rep(text or "x", count) end
"""

C_MODULES = {
    "lfs": 'text = require("lfs").attributes("/", "mode"):sub(1, 1)\n',
    "cjson": 'text = require("cjson").decode("[\\"d\\"]")[1]\n',
}


def test_require_finds_modules_in_the_working_directory(start, language, write_script, tmp_path):
    (tmp_path / "word.lua").write_text("return { text = 'm' }\n")
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "other.lua").write_text("return { text = 'n' }\n")
    script = write_script("text = require('word').text .. require('lib.other').text\n" + DISK)
    assert start(language.plugin, script).connect().pread(2, 0) == b"mn"


def test_require_of_a_module_that_is_not_there(expect_failure):
    line = expect_failure("require('no.such')\n" + DISK)
    assert line.startswith("could not run Lua script: disk.lua:1: module 'no.such' not found")


def test_require_of_modules_written_in_c(serve, expect_failure, language):
    # Distributions drop them for old releases.
    release = ".".join(map(str, language.release))
    installed = {path.stem for path in Path("/usr/lib").glob(f"*/lua/{release}/*.so")}
    if not language.compiled_in and not installed & set(C_MODULES):
        pytest.skip(f"this system has no module written in C for Lua {release}")
    for name, use in C_MODULES.items():
        if not language.compiled_in:
            if name not in installed:
                continue
            server = serve(use + DISK)
            assert server.connect().pread(2, 0) == b"dd"
            assert server.errors() == []
        else:
            line = expect_failure(use + DISK)
            assert line.startswith("could not run Lua script: disk.lua:1: ")
            assert f"module '{name}' not found" in line
            assert "C modules cannot be loaded" in line


def test_script_with_byte_order_mark_and_dos_lines(serve):
    text = DISK.replace("\n", "\r\n").encode()
    assert serve(b"\xef\xbb\xbf" + text).connect().get_size() == 512
