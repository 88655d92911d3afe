"""Scripts and command lines that nbdkit must refuse to start with, each in one clear line."""

import os
import shutil
import subprocess

import pytest

import nbdkit
from conftest import failure

REQUIRED = """
    function open(readonly) return 1 end
    function get_size(h) return 512 end
    function pread(h, count, offset) return string.rep("x", count) end
"""


def test_no_script(expect_failure):
    line = expect_failure(None)
    assert line == "no script was given: the first parameter must be script=/path/to/script.lua"


def test_script_that_does_not_exist(language, tmp_path):
    line = failure(language.plugin, "nowhere.lua", cwd=tmp_path)
    assert line.startswith("could not read Lua script nowhere.lua: No such file or directory")


def test_script_that_is_a_directory(language, tmp_path):
    line = failure(language.plugin, tmp_path, cwd=tmp_path)
    assert line.startswith(f"could not read Lua script {tmp_path}: Is a directory")


def test_script_that_may_not_be_read(language, write_script, tmp_path):
    script = write_script(REQUIRED)
    (tmp_path / script).chmod(0)
    prefix = ()
    if os.geteuid() == 0:
        # Nothing is unreadable to root, so be somebody else, who may reach the directory.
        for directory in (tmp_path, *tmp_path.parents):
            if directory != directory.parent and not directory.stat().st_mode & 0o001:
                directory.chmod(directory.stat().st_mode | 0o011)
        prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    # The plugin itself may lie where that somebody may not look.
    plugin = shutil.copy(language.plugin, tmp_path)
    result = subprocess.run(
        [*prefix, "nbdkit", "-s", plugin, script], cwd=tmp_path, capture_output=True
    )
    assert result.returncode == 1
    (line,) = nbdkit.error_lines(result.stderr)
    assert line.startswith(
        f"nbdkit: error: could not read Lua script {script}: Permission denied"
    )


def test_script_that_never_ends(language, tmp_path):
    line = failure(language.plugin, "/dev/zero", cwd=tmp_path)
    assert line.startswith("could not read Lua script /dev/zero: ")


def test_empty_script_name(language, tmp_path):
    assert failure(language.plugin, "script=", cwd=tmp_path) == "script= names no file"


@pytest.mark.parametrize(
    "script, start_of_line",
    [
        ("x = = 1\n", "could not parse Lua script disk.lua:1: unexpected symbol near "),
        ("\n\n\nfunction open(\n", "could not parse Lua script disk.lua:"),
        (b"\x7fELF\x02\x01\x01\0\0\0\xff\xfe", "could not parse Lua script disk.lua:1: "),
        (bytes(range(1, 256)), "could not parse Lua script disk.lua:1: "),
        # The mark of precompiled code, and nothing of it.
        (b"\x1bLua", "could not parse Lua script "),
        ("error('stop here')\n", "could not run Lua script: disk.lua:1: stop here"),
        ("\nlocal x = nil + 1\n", "could not run Lua script: disk.lua:2: attempt to perform arith"),
        ("error({})\n", "could not run Lua script: error value is a table"),
        ("error()\n", "could not run Lua script: error value is nil"),
        ("error('two\\nlines')\n", "could not run Lua script: disk.lua:1: two lines"),
    ],
    ids=[
        "symbol", "end", "elf", "bytes", "bytecode", "error", "arithmetic", "table", "nil", "lines",
    ],
)  # fmt: skip
def test_script_that_does_not_load(expect_failure, script, start_of_line):
    assert expect_failure(script).startswith(start_of_line)


@pytest.mark.parametrize(
    "script, missing",
    [
        ("", "open, get_size, pread"),
        ("-- only a comment", "open, get_size, pread"),
        (REQUIRED + "pread = nil", "pread"),
        (REQUIRED + "open = nil get_size = nil", "open, get_size"),
        # What is called like a callback is one only if it is a function.
        (REQUIRED + "open = true", "open"),
        (REQUIRED + "local function x() end open = setmetatable({}, { __call = x })", "open"),
    ],
    ids=["empty", "comment", "pread", "two", "boolean", "callable"],
)
def test_required_callbacks_that_are_missing_are_all_named(expect_failure, script, missing):
    line = expect_failure(script)
    assert line == (
        f"disk.lua: nbdkit requires these callbacks, which are not defined by the script: {missing}"
    )


def test_first_parameter_that_is_not_the_script(language, tmp_path):
    line = failure(language.plugin, "file=disk.img", cwd=tmp_path)
    assert line == "the first parameter must be script=/path/to/script.lua, not file="


def test_parameters_without_a_config_callback(expect_failure):
    line = expect_failure(REQUIRED, "size=10")
    assert line.startswith("disk.lua: this plugin does not need command line configuration")
    assert "size=" in line


def test_error_in_config(expect_failure):
    script = REQUIRED + 'function config(k, v) error("unknown " .. k .. "=" .. v) end\n'
    assert expect_failure(script, "a=b", "c=d") == "config: disk.lua:5: unknown a=b"


def test_error_in_config_complete(expect_failure):
    script = REQUIRED + 'function config_complete() assert(size, "size= is missing") end\n'
    line = expect_failure(script)
    # Lua 5.1 and 5.2 do not say where an assertion is.
    assert line.removeprefix("config_complete: ").removeprefix("disk.lua:5: ") == "size= is missing"
    assert line.startswith("config_complete: ")


def test_a_script_that_exits_ends_nbdkit_with_its_code(language, write_script, tmp_path):
    # It is what the script asked for, and the official plugin does it as well.
    result = nbdkit.run(language.plugin, write_script("os.exit(7)\n"), cwd=tmp_path)
    assert (result.returncode, nbdkit.error_lines(result.stderr)) == (7, [])
