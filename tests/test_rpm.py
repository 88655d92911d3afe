"""The packages that rpm/nbdkit-script.spec makes, as Fedora would name them and what is in them.

Only the plugins are not built for it: script/package rpm does that.
"""

import os
import re
import shutil
import subprocess

import pytest

from installing import MAN, built, install  # noqa: F401
from languages import ROOT, under_test

pytestmark = [
    pytest.mark.skipif(under_test().name != "lua", reason="one language is enough"),
    pytest.mark.skipif(not shutil.which("rpmbuild"), reason="there is no rpmbuild"),
    pytest.mark.skipif(bool(MAN), reason="there is no lowdown, which makes the man pages"),
]

SPEC = ROOT / "rpm/nbdkit-script.spec"
SCRIPTS = {"lua": "lua", "luajit": "lua", "tcl": "tcl"}


@pytest.fixture(scope="module")
def packages(built, tmp_path_factory):
    """The files of the packages, by name."""
    top = tmp_path_factory.mktemp("rpm")
    result = subprocess.run(
        ["rpmbuild", "-bb", "--without", "build", "--build-in-place", "--nodeps",
         "--define", f"_topdir {top}", "--define", "_build_name_fmt %%{NAME}.rpm", SPEC],
        cwd=ROOT, env={**os.environ, "CARGO_TARGET_DIR": str(built)},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return {path.stem: path for path in (top / "RPMS").iterdir()}


def query(package, *what):
    command = ["rpm", "--query", "--package", *what, package]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def test_all_that_is_installed_is_in_a_package(packages, install):
    """And nothing else."""
    install("--prefix=/usr", "--plugindir=/usr/lib64/nbdkit/plugins", *SCRIPTS, "rust", "test")
    installed = {f"/{name}" for name in install.files() if not name.endswith("/manifest")}
    packed = [
        (line.split(" ")[-1], line[0])
        for package in packages.values()
        for line in query(package, "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]")
    ]
    # A page may be compressed.
    files = [re.sub(r"(/man\d/.*\.\d)\.\w+$", r"\1", name) for name, kind in packed if kind != "d"]
    assert sorted(files) == sorted(installed)
    assert {name for name, kind in packed if kind == "d"} >= {"/usr/share/nbdkit-script-lua"}


def test_names(packages):
    assert sorted(packages) == [
        "nbdkit-script-lua-plugin", "nbdkit-script-luajit-plugin", "nbdkit-script-rust",
        "nbdkit-script-tcl-plugin", "nbdkit-script-test",
    ]  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_package_of_a_plugin(packages, name):
    package = packages[f"nbdkit-script-{name}-plugin"]
    plugins = query(package, "--queryformat", "[%{FILENAMES} %{FILEMODES:perms} %{FILELINKTOS}\n]")
    directory = "/usr/lib64/nbdkit/plugins/"
    assert {line.removeprefix(directory) for line in plugins if line.startswith(directory)} == {
        f"nbdkit-{name}-plugin.so lrwxrwxrwx nbdkit-script-{name}-plugin.so",
        f"nbdkit-script-{name}-plugin.so -rwxr-xr-x ",
    }
    # The libraries that the plugin itself names.
    requires = query(package, "--requires")
    assert "nbdkit-server >= 1.32" in requires
    assert any(line.startswith("libc.so.6(") for line in requires)
    # LuaJIT's has a name of its own.
    takes_the_place = [] if name == "luajit" else [f"nbdkit-{name}-plugin"]
    assert query(package, "--conflicts") == takes_the_place
    provided = [line.split(" ")[0] for line in query(package, "--provides")]
    assert [line for line in provided if "(" not in line] == sorted(
        [*takes_the_place, f"nbdkit-script-{name}-plugin"]
    )
    # An upgrade of nbdkit's own plugin must not become this one.
    assert query(package, "--obsoletes") == []


@pytest.mark.parametrize("arguments", [["--rpm"], ["rpm", "here", "there"], ["here", "there"]])
def test_a_command_line_that_is_wrong(arguments):
    result = subprocess.run([ROOT / "script/package", *arguments], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == "usage: script/package [rpm] [DIRECTORY]\n"


def test_the_version(packages):
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    for package in packages.values():
        assert query(package, "--queryformat", "%{VERSION}\n") == [version]
