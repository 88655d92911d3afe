"""script/install: what it installs, that nbdkit finds it by name, and that it takes back just that."""

import hashlib
import os
import re
import shutil
import stat
from pathlib import Path

import pytest

from installing import MAN, PLUGINS, built, by_name, can_mount, install  # noqa: F401
from languages import under_test

pytestmark = pytest.mark.skipif(under_test().name != "lua", reason="one language is enough")

NBDKIT = shutil.which("nbdkit")


def test_all_that_belongs_to_a_plugin(install):
    said = install("lua", "luajit", "tcl", "rust", "test")
    for name in ["lua", "luajit", "tcl"]:
        assert (install.plugins / f"nbdkit-script-{name}-plugin.so").is_file()
        link = install.plugins / f"nbdkit-{name}-plugin.so"
        assert os.readlink(link) == f"nbdkit-script-{name}-plugin.so"
        documents = install.path(f"/usr/local/share/doc/nbdkit-script-{name}")
        licences = (documents / "LICENSES-LINKED").read_text()
        # Each with its text.
        assert "nbdkit-0.3.0: BSD-2-Clause" in licences and "Redistribution" in licences
        assert ("mlua-0" in licences) == (name != "tcl")
        assert list((documents / "examples").glob("*.lua" if name != "tcl" else "*.tcl"))
        assert f"nbdkit knows it as script-{name} or {name}\n" in said
    assert install.path("/usr/local/share/nbdkit-script-luajit/nbdkit.lua").is_file()
    assert install.path("/usr/local/share/doc/nbdkit-script-rust/examples/ramdisk").is_dir()
    if not MAN:
        pages = install.path("/usr/local/share/man/man3")
        assert {path.name for path in pages.iterdir()} == {
            "nbdkit-script-lua-plugin.3", "nbdkit-script-luajit-plugin.3",
            "nbdkit-script-tcl-plugin.3", "nbdkit-script-rust.3",
        }  # fmt: skip
        assert install.path("/usr/local/share/man/man1/nbdkit-script-test.1").is_file()
    program = install.path("/usr/local/bin/nbdkit-script-test")
    for path in install.root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            mode = 0o755 if path == program else 0o644
            assert stat.S_IMODE(path.stat().st_mode) == mode, path


def test_the_manifest_has_every_file_and_its_checksum(install):
    said = install("lua")
    manifest = install.path("/usr/local/share/nbdkit-script-lua/manifest")
    named = {str(manifest)}
    for line in manifest.read_text().splitlines():
        kind, value, path = line.split("\t")
        path = install.path(path)
        named.add(str(path))
        if kind == "link":
            assert os.readlink(path) == value
        else:
            assert (kind, value) == ("file", hashlib.sha256(path.read_bytes()).hexdigest())
    assert named == {str(install.root / name) for name in install.files()}
    assert named == set(re.findall(r"^installed: (.*)$", said, re.M))


def test_removal_leaves_no_file(install):
    before = install.plugins / "nbdkit-other-plugin.so"
    before.parent.mkdir(parents=True)
    before.write_text("somebody's")
    install("lua", "luajit", "rust", "test")
    install("--uninstall", "luajit")
    assert (install.plugins / "nbdkit-lua-plugin.so").is_file()
    assert not [name for name in install.files() if "luajit" in name]
    install("--uninstall")
    assert install.files() == [str(before.relative_to(install.root))]
    assert not [name for name in install.everything() if "nbdkit-script" in name]


def test_directories_of_the_users_choice(install):
    install("--prefix=/opt/nbdkit-script-tcl/", "--plugindir=/opt/plug ins", "lua")
    assert install.path("/opt/plug ins/nbdkit-lua-plugin.so").is_file()
    assert install.path("/opt/nbdkit-script-tcl/share/nbdkit-script-lua/manifest").is_file()
    assert "nothing is installed under" in install.fails("--uninstall")
    install("--prefix=/opt/nbdkit-script-tcl", "--uninstall")
    assert install.files() == []


def test_again_over_an_older_one(install):
    install("lua")
    manifest = install.path("/usr/local/share/nbdkit-script-lua/manifest")
    old = install.path("/usr/local/share/doc/nbdkit-script-lua/old.md")
    old.write_text("no longer part of it")
    plugin = install.plugins / "nbdkit-script-lua-plugin.so"
    now = plugin.read_bytes()
    plugin.write_text("an older build")
    sums = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in [old, plugin]}
    text = re.sub(r"file\t\w+(\t.*script-lua-plugin.so)", rf"file\t{sums[plugin]}\1",
                  manifest.read_text())  # fmt: skip
    manifest.write_text(text + f"file\t{sums[old]}\t/{old.relative_to(install.root)}\n")
    assert f"removed: {old}\n" in install("lua")
    assert not old.exists()
    assert plugin.read_bytes() == now


def test_a_short_name_that_is_taken_is_left_alone(install):
    install.plugins.mkdir(parents=True)
    theirs = install.plugins / "nbdkit-lua-plugin.so"
    theirs.write_text("theirs")
    said = install("lua", "luajit")
    assert f"left alone: {theirs}, of something else\n" in said
    assert "nbdkit knows it as script-lua\n" in said
    assert "nbdkit knows it as script-luajit or luajit\n" in said
    install("--uninstall")
    assert install.files() == [str(theirs.relative_to(install.root))]
    assert theirs.read_text() == "theirs"


def test_a_short_name_that_a_package_has_taken_since_is_left_alone(install):
    install("lua")
    link = install.plugins / "nbdkit-lua-plugin.so"
    link.unlink()
    link.write_text("theirs")
    assert f"left alone: {link}" in install("lua")
    assert f"left alone: {link}" not in install("--uninstall")
    assert install.files() == [str(link.relative_to(install.root))]


def test_force_replaces_what_is_theirs_and_puts_it_back(install):
    install.plugins.mkdir(parents=True)
    theirs = install.plugins / "nbdkit-lua-plugin.so"
    theirs.write_text("theirs")
    install("--force", "lua")
    assert theirs.is_symlink()
    # Also after another installation.
    install("lua")
    assert theirs.is_symlink()
    assert f"put back: {theirs}\n" in install("--uninstall")
    assert theirs.read_text() == "theirs"
    assert install.files() == [str(theirs.relative_to(install.root))]


# --- where nbdkit finds it ---------------------------------------------------


DISK = """API_VERSION = 2
function open(readonly) return true end
function get_size(h) return 65536 end
function pread(h, buf, offset, flags) end
"""


@can_mount
def test_nbdkit_finds_it_by_name(install, by_name, tmp_path):
    (tmp_path / "disk.lua").write_text(DISK)
    distributions = (install.plugins / "nbdkit-lua-plugin.so").exists()
    install("lua", "luajit")
    names = ["script-lua", "script-luajit", "luajit"] + ([] if distributions else ["lua"])
    for name in names:
        result = by_name(
            "nbdkit", "-U", "-", name, "disk.lua", "--run", 'nbdinfo --size "$uri"'
        )
        assert (result.returncode, result.stdout, result.stderr) == (0, "65536\n", ""), name
    if distributions:
        # Beside it, and that is the one that has its name.
        dump = by_name("nbdkit", "--dump-plugin", "lua").stdout
        assert f"path={PLUGINS}/nbdkit-lua-plugin.so\n" in dump and "has_pread=" not in dump
    assert "has_pread=1\n" in by_name("nbdkit", "--dump-plugin", "luajit", "disk.lua").stdout
    install("--uninstall")
    assert "luajit" in by_name("nbdkit", "--dump-plugin", "luajit").stderr


@can_mount
def test_a_script_with_its_x_bit_is_a_server(install, by_name, tmp_path):
    install("luajit")
    script = tmp_path / "disk.lua"
    script.write_text(f"#!{NBDKIT} luajit\n{DISK}")
    script.chmod(0o755)
    result = by_name(script, "-U", "-", "--run", 'nbdinfo --size "$uri"')
    assert (result.returncode, result.stdout, result.stderr) == (0, "65536\n", "")


COMPLETION = Path("/usr/share/bash-completion")


@can_mount
@pytest.mark.skipif(
    not (COMPLETION / "completions/nbdkit").exists() or not (COMPLETION / "bash_completion").exists(),
    reason="there is no bash-completion, or it does not know nbdkit",
)
def test_completion(install, by_name):
    """What bash offers comes from the plugin's name, and from what it says for --help."""
    install("luajit")

    def completed(*words):
        script = f"""
            . {COMPLETION}/bash_completion
            . {COMPLETION}/completions/nbdkit
            COMP_WORDS=(nbdkit "$@") COMP_CWORD=$# COMP_LINE="nbdkit $*" COMP_POINT=1000
            _nbdkit nbdkit
            printf '%s\n' "${{COMPREPLY[@]}}"
        """
        return by_name("bash", "-c", script, "bash", *words).stdout.split()

    assert {"luajit", "script-luajit"} <= set(completed(""))
    assert set(completed("luajit", "")) >= {"interpreters=", "script="}
    assert completed("luajit", "int") == ["interpreters="]
