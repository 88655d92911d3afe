"""Scripts and command lines with which nbdkit must refuse to start, each with one clear line."""

import os
import shutil
import subprocess

import pytest

import nbdkit
from conftest import failure
from languages import only, under_test


@pytest.fixture
def required(language):
    """A disk with what nbdkit requires, and additional code."""
    return lambda addition="": language.script("bad_start", "required") + addition


def test_no_script(expect_failure, language):
    line = expect_failure(None)
    path = f"/path/to/script.{language.extension}"
    assert line == f"no script was given: the first parameter must be script={path}"


def test_script_that_does_not_exist(language, tmp_path):
    line = failure(language.plugin, "nowhere.disk", cwd=tmp_path)
    words = f"could not read {language.title} script nowhere.disk: No such file or directory"
    assert line.startswith(words)


def test_script_that_is_a_directory(language, tmp_path):
    line = failure(language.plugin, tmp_path, cwd=tmp_path)
    assert line.startswith(f"could not read {language.title} script {tmp_path}: Is a directory")


def test_script_that_may_not_be_read(language, required, write_script, tmp_path):
    script = write_script(required())
    (tmp_path / script).chmod(0)
    prefix = ()
    if os.geteuid() == 0:
        # Root can read anything, so become another user who can reach the directory.
        for directory in (tmp_path, *tmp_path.parents):
            if directory != directory.parent and not directory.stat().st_mode & 0o001:
                directory.chmod(directory.stat().st_mode | 0o011)
        prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    # That user may not be able to read the plugin's own directory.
    plugin = shutil.copy(language.plugin, tmp_path)
    result = subprocess.run(
        [*prefix, "nbdkit", "-s", plugin, script], cwd=tmp_path, capture_output=True
    )
    assert result.returncode == 1
    (line,) = nbdkit.error_lines(result.stderr)
    assert line.startswith(
        f"nbdkit: error: could not read {language.title} script {script}: Permission denied"
    )


def test_script_that_never_ends(language, tmp_path):
    line = failure(language.plugin, "/dev/zero", cwd=tmp_path)
    assert line.startswith(f"could not read {language.title} script /dev/zero: ")


def test_empty_script_name(language, tmp_path):
    assert failure(language.plugin, "script=", cwd=tmp_path) == "script= names no file"


LOAD = "could not load Tcl script: disk.tcl: line "
# Tcl 8.6 takes the bytes for a command.
NOT_UTF8 = "found bytes" if under_test().reads_utf8 else "invalid command name "
BROKEN = only(
    lua={
        "symbol": ("x = = 1\n", "could not parse Lua script disk.lua:1: unexpected symbol near "),
        "end": ("\n\n\nfunction open(\n", "could not parse Lua script disk.lua:"),
        "elf": (b"\x7fELF\x02\x01\x01\0\0\0\xff\xfe", "could not parse Lua script disk.lua:1: "),
        "bytes": (bytes(range(1, 256)), "could not parse Lua script disk.lua:1: "),
        # Only the signature of precompiled code.
        "bytecode": (b"\x1bLua", "could not parse Lua script "),
        "error": ("error('stop here')\n", "could not run Lua script: disk.lua:1: stop here"),
        "arithmetic": ("\nlocal x = nil + 1\n",
                       "could not run Lua script: disk.lua:2: attempt to perform arith"),
        "table": ("error({})\n", "could not run Lua script: error value is a table"),
        "nil": ("error()\n", "could not run Lua script: error value is nil"),
        "lines": ("error('two\\nlines')\n", "could not run Lua script: disk.lua:1: two lines"),
    },
    tcl={
        "brace": ("proc pread {h\n", LOAD + "1: missing close-brace"),
        "quote": ('\nset a "x\n', LOAD + "2: missing \""),
        "after a brace": ("proc f {}{}\n", LOAD + "1: extra characters after close-brace"),
        "elf": (b"\x7fELF\x02\x01\x01\0\0\0\xff\xfe", LOAD + "1: " + NOT_UTF8),
        "bytes": (bytes(range(1, 256)), LOAD + "1: "),
        "error": ("error {stop here}\n", LOAD + "1: stop here"),
        "command": ("\n\nundefined a b\n", LOAD + '3: invalid command name "undefined"'),
        "variable": ("\nset a $b\n", LOAD + "2: can't read \"b\": no such variable"),
        "arguments": ("proc f\n", LOAD + "1: wrong # args: should be "),
        "inside": ("proc f {} {\n error deep\n}\n\nf\n", LOAD + "5: deep"),
        "nothing": ('error ""\n', LOAD.removesuffix("line ")),
        "lines": ('error "two\\nlines"\n', LOAD + "1: two lines"),
    },
)  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_script_that_does_not_load(expect_failure, kind):
    script, start_of_line = BROKEN[kind]
    assert expect_failure(script).startswith(start_of_line)


NOT_THERE = under_test().pieces("bad_start", "missing")
MISSING = {
    "pread": ["pread"],
    "two": ["open", "get_size"],
    **only(
        # Something with a callback's name is only a callback if it is a function.
        lua={"boolean": ["open"], "callable": ["open"]},
        # It is a command, not a variable.
        tcl={"variable": ["pread"], "other namespace": ["pread"]},
    ),
}
ALL = ["open", "get_size", "pread"]


def names_them(line, language, callbacks):
    names = ", ".join(map(language.callback, callbacks))
    assert line == (
        f"disk.{language.extension}: nbdkit requires these callbacks, which are not defined by "
        f"the script: {names}"
    )


@pytest.mark.parametrize("kind", MISSING)
def test_required_callbacks_that_are_missing_are_all_named(
    expect_failure, required, language, kind
):
    names_them(expect_failure(required(NOT_THERE[kind])), language, MISSING[kind])


@pytest.mark.parametrize("script", ["", only(lua="-- only a comment", tcl="# only a comment")])
def test_script_with_nothing_in_it(expect_failure, language, script):
    names_them(expect_failure(script), language, ALL)


def test_first_parameter_that_is_not_the_script(language, tmp_path):
    line = failure(language.plugin, "file=disk.img", cwd=tmp_path)
    path = f"/path/to/script.{language.extension}"
    assert line == f"the first parameter must be script={path}, not file="


def test_misspelt_parameter_in_front_of_the_script(language, tmp_path):
    line = failure(language.plugin, "interpretters=2", "script=x", cwd=tmp_path)
    assert line.endswith(", not interpretters= (did you mean interpreters=?)")


def test_parameters_without_a_config_callback(expect_failure, required, language):
    line = expect_failure(required(), "size=10")
    name = f"disk.{language.extension}"
    assert line.startswith(f"{name}: this plugin does not need command line configuration")
    assert "size=" in line


def test_error_in_config(expect_failure, required, language):
    script = required(language.script("bad_start", "unknown parameter"))
    place = language.place(script, "unknown ")
    assert expect_failure(script, "a=b", "c=d") == f"config: {place}: unknown a=b"


def test_a_parameter_without_a_key_that_is_refused(expect_failure, required, language):
    script = required(language.script("bad_start", "unknown parameter"))
    refused = f"config: {language.place(script, 'unknown ')}: unknown script=disk.img"
    # The command line does not show where the key comes from.
    assert expect_failure(script, "disk.img") == (
        f"{refused} (the key of a parameter without one is what magic_config_key returns, "
        "else script)"
    )
    # This script knows the key.
    script += language.define("magic_config_key", f"return {language.literal('script')}")
    assert expect_failure(script, "disk.img") == refused


def test_error_in_config_complete(expect_failure, required, language):
    script = required(language.define("config_complete", language.error("size= is missing")))
    place = language.place(script, "missing")
    assert expect_failure(script) == f"config_complete: {place}: size= is missing"


def test_a_script_that_exits_ends_nbdkit_with_its_code(language, write_script, tmp_path):
    # The script asked for this, and the official plugin does the same.
    script = write_script(only(lua="os.exit(7)\n", tcl="exit 7\n"))
    result = nbdkit.run(language.plugin, script, cwd=tmp_path)
    assert (result.returncode, nbdkit.error_lines(result.stderr)) == (7, [])
