"""What script/install refuses: it says so in one line, and leaves everything as it was."""

import os
import shutil
import subprocess

import pytest

from installing import MOUNTS, built, can_mount, install, without  # noqa: F401
from languages import under_test

pytestmark = pytest.mark.skipif(under_test().name != "lua", reason="one language is enough")


def test_a_name_of_its_own_that_is_taken(install):
    install.plugins.mkdir(parents=True)
    theirs = install.plugins / "nbdkit-script-lua-plugin.so"
    theirs.write_text("theirs")
    assert install.fails("luajit", "lua") == (
        f"{theirs}: found a file of something else, expected the name to be free, or --force"
    )


@pytest.mark.parametrize("again", [["--uninstall"], ["lua"]])
def test_what_was_changed_by_hand(install, again):
    install("lua", "luajit")
    changed = install.path("/usr/local/share/doc/nbdkit-script-lua/examples/memory.lua")
    changed.write_text("-- mine\n")
    assert install.fails(*again) == (
        f"{changed}: found a file that was changed since it was installed, "
        "expected it as it was, or --force"
    )
    install("--force", *again)
    assert not changed.exists() or changed.read_text() != "-- mine\n"


def test_a_directory_in_a_files_place(install):
    """Which no --force replaces."""
    install("lua")
    page = install.path("/usr/local/share/doc/nbdkit-script-lua/examples/memory.lua")
    page.unlink()
    page.mkdir()
    for options in [["lua"], ["--uninstall"]]:
        for force in [[], ["--force"]]:
            assert install.fails(*options, *force).startswith(f"{page}: found a directory")


def test_a_short_name_that_is_a_directory_is_left_alone(install):
    taken = install.plugins / "nbdkit-lua-plugin.so"
    taken.mkdir(parents=True)
    assert f"left alone: {taken}" in install("--force", "lua")
    assert taken.is_dir()


def test_what_was_removed_by_hand_is_no_obstacle(install):
    install("lua")
    gone = install.plugins / "nbdkit-lua-plugin.so"
    gone.unlink()
    assert f"was gone: {gone}\n" in install("--uninstall")
    assert install.files() == []


@pytest.mark.parametrize(
    ("line", "path"),
    [("file\tsum\tusr/bin/env", ""), ("file\tsum\t/usr/../bin", ""), ("nonsense", ""), ("x\ty\t/z", "")],
)
def test_a_manifest_that_is_none(install, line, path):
    install("lua")
    manifest = install.path("/usr/local/share/nbdkit-script-lua/manifest")
    with open(manifest, "a") as file:
        file.write(line + "\n")
    assert install.fails("--uninstall") == (
        f"{manifest}: found a line that is not of a manifest: "
        "expected a kind, a checksum and a path"
    )


OPTIONS = "expected --prefix=, --plugindir=, --destdir=, --build-only, --no-build, --no-man, --force or --uninstall"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--colour"], f"there is no option --colour: {OPTIONS}"),
        (["--prefix"], f"there is no option --prefix: {OPTIONS}"),
        (["perl"], 'there is no plugin "perl": expected some of lua luajit tcl rust test'),
        (["--prefix=usr"], "--prefix=usr: expected an absolute path"),
        (["--prefix="], "--prefix=: expected an absolute path"),
        (["--prefix=/usr/../etc"], "--prefix=/usr/../etc: expected an absolute path"),
        (["--plugindir=plugins"], "--plugindir=plugins: expected an absolute path"),
        (["--prefix=/a\nb"], "--prefix=/a b: expected an absolute path"),
    ],
)
def test_a_command_line_that_is_wrong(install, arguments, says):
    assert install.fails(*arguments) == says


def test_a_plugindir_that_does_not_exist(install):
    nowhere = install.root / "nowhere"
    assert install.fails(
        f"--prefix={install.root}", f"--plugindir={nowhere}", destdir=False
    ) == f"{nowhere}: expected an existing directory for plugins"


def test_nothing_to_remove(install):
    assert install.fails("--uninstall").startswith(f"nothing is installed under {install.root}/usr")
    assert install.fails("--uninstall", "lua").startswith(f"lua is not installed under {install.root}")


def test_no_nbdkit(install, tmp_path):
    path = without(tmp_path, "nbdkit")
    assert install.fails("lua", PATH=path) == (
        "there is no nbdkit in PATH to name its plugins: expected it, or --plugindir="
    )


def test_a_build_that_fails(install, tmp_path):
    cargo = tmp_path / "bin/cargo"
    path = without(tmp_path, "cargo")
    cargo.write_text('#!/bin/sh\n[ "$1" != build ] || exit 101\necho cargo 99.0.0\n')
    cargo.chmod(0o755)
    assert install.fails("rust", "lua", build=True, PATH=path) == (
        "cargo could not build the plugin lua, see above"
    )


@pytest.mark.parametrize("step", ["install -m", "mv -f -T"])
def test_an_end_amid_the_writing(install, tmp_path, step):
    """What has begun to take its place is completed; before that, nothing is left."""
    name, _, options = step.partition(" ")
    program, ended = tmp_path / "bin" / name, tmp_path / "ended"
    path = without(tmp_path, name)
    program.write_text(
        f'#!/bin/sh\ncase "$*" in "{options}"*) [ -e {ended} ] || {{ touch {ended}; kill $PPID; }} '
        f';; esac\nexec {shutil.which(name)} "$@"\n'
    )
    program.chmod(0o755)
    result = install.run("lua", PATH=path)
    assert ended.exists()
    if name == "mv":
        assert (result.returncode, result.stderr) == (0, "")
        install("--uninstall")
    else:
        assert (result.returncode, result.stderr) == (143, "")
    assert install.files() == []


def test_no_lowdown(install, tmp_path):
    path = without(tmp_path, "lowdown")
    assert install.fails("lua", man=[], PATH=path) == (
        "there is no lowdown in PATH, which makes the man pages: expected it, or --no-man"
    )
    install("lua", man=["--no-man"], PATH=path)


def test_nothing_built(install, tmp_path):
    target = tmp_path / "empty"
    assert install.fails("luajit", CARGO_TARGET_DIR=str(target)) == (
        f"there is no {target}/luajit/release/libnbdkit_lua.so: expected an earlier build of luajit"
    )


# A root that may do no more than others.
PLAIN = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []


@pytest.mark.parametrize("where", ["plugins", "prefix"])
def test_no_rights(install, where):
    install.plugins.mkdir(parents=True)
    install.path("/usr/local").mkdir()
    closed = install.plugins if where == "plugins" else install.path("/usr/local")
    closed.chmod(0o555)
    assert install.fails("lua", prefix=PLAIN) == (
        f"{closed}: no right to write there, expected another --prefix=, --plugindir= or sudo"
    )


def test_no_rights_to_remove(install):
    install("lua")
    install.plugins.chmod(0o555)
    assert install.fails("--uninstall", prefix=PLAIN).startswith(f"{install.plugins}: no right")


@can_mount
def test_a_full_disk_leaves_nothing_half_installed(install):
    install.plugins.mkdir(parents=True)
    script = (
        'mount -t tmpfs -o size=64k none "$1" && shift && '
        '{ "$@"; status=$?; ls -A "$PLUGINS" >&2; exit $status; }'
    )
    line = install.fails(
        "lua", prefix=[*MOUNTS, "sh", "-c", script, "sh", install.plugins], PLUGINS=str(install.plugins)
    )
    assert line.startswith(f"{install.plugins}/nbdkit-")
    assert line.endswith(": cannot write it, expected the rights and the space")
