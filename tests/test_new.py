"""script/new: a new disk that works as it is, and passes its own test."""

import os
import re
import shutil
import subprocess

import pytest

import nbdkit
from languages import ROOT, program, under_test


def new(*arguments, cwd):
    return subprocess.run(
        [ROOT / "script/new", *arguments], cwd=cwd, capture_output=True, text=True
    )


@pytest.fixture
def made(tmp_path):
    language = under_test().name
    result = new("my-disk", language, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "made: ./my-disk\n", "")
    return tmp_path / "my-disk"


def test_it_passes_its_own_test(made):
    result = subprocess.run(
        ["/usr/bin/python3", "test.py"],
        cwd=made,
        env={**os.environ, "PLUGIN": str(under_test().plugin)},
        capture_output=True,
        text=True,
        timeout=nbdkit.DEADLINE,
    )
    assert result.returncode == 0, result
    assert result.stdout.count("ok: ") == 4
    # Only what the last test provokes.
    (line,) = result.stderr.splitlines()
    assert line.endswith("the size= parameter is missing")


def test_it_passes_its_tests_without_a_server(made):
    language = under_test()
    result = subprocess.run(
        [program("nbdkit-script-test"), f"--plugin={language.plugin}",
         f"my-disk.{language.extension}", "16M"],
        cwd=made, capture_output=True, text=True, timeout=nbdkit.DEADLINE,
    )  # fmt: skip
    assert result.returncode == 0, result
    assert result.stdout.endswith("\n5 passed, 0 failed\ncallbacks covered: 32 of 32\n"), result


def test_it_defines_all_callbacks(made):
    (script,) = made.glob("my-disk.*")
    text = (ROOT / "nbdkit-script/src/callbacks.rs").read_text()
    names = re.findall(r"^    [A-Z_]+ = \"([a-z_]+)\";$", text, re.M)
    assert len(names) > 30
    keyword = {"lua": "function", "tcl": "proc"}[under_test().name]
    for name in names:
        assert f"\n{keyword} {under_test().callback(name)}" in script.read_text(), name


@pytest.mark.skipif(not shutil.which("luacheck"), reason="there is no luacheck")
def test_luacheck_has_nothing_to_say(made):
    if under_test().name != "lua":
        pytest.skip("it is not in Lua")
    for directory in [made, ROOT / "examples/lua"]:
        result = subprocess.run(
            ["luacheck", "--config", ROOT / ".luacheckrc", "--no-color", "--quiet", directory],
            capture_output=True, text=True,
        )  # fmt: skip
        assert result.returncode == 0, result.stdout


def test_a_crate_names_this_checkout(tmp_path):
    assert new("my-disk", "rust", "here", cwd=tmp_path).returncode == 0
    manifest = (tmp_path / "here/Cargo.toml").read_text()
    assert f'path = "{ROOT}/nbdkit-script"' in manifest
    source = (tmp_path / "here/src/lib.rs").read_text()
    assert "const NAME: &'static str = \"my-disk\";" in source and "libmy_disk.so" in source
    assert "CHECKOUT" not in manifest + source


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["My disk", "lua"], 'the name "My disk": expected small letters, digits and -, '
         "and a letter first"),
        (["x/y", "lua"], 'the name "x/y": expected small letters, digits and -, and a letter first'),
        (["x", "perl"], 'there is no template for "perl": expected lua, tcl or rust'),
        (["x", ".."], 'there is no template for "..": expected lua, tcl or rust'),
        (["x", "lua", "."], ".: found something there, expected a new directory"),
    ],
)  # fmt: skip
def test_what_it_cannot_do_is_one_line(tmp_path, arguments, says):
    result = new(*arguments, cwd=tmp_path)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", f"script/new: {says}\n")
    assert list(tmp_path.iterdir()) == []
