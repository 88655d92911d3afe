"""Installations below a temporary directory: script/install, and nbdkit where they are its own.

Nothing here touches the system: a server that has to find a plugin by name runs where that directory
is mounted over nbdkit's own.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from languages import ROOT, under_test

PLUGINS = Path(
    re.search(
        r"^plugindir=(.*)$",
        subprocess.run(["nbdkit", "--dump-config"], capture_output=True, text=True).stdout,
        re.M,
    )[1]
)
MAN = [] if shutil.which("lowdown") else ["--no-man"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """What a build would have left, without a build."""
    directory = tmp_path_factory.mktemp("target")
    for name in ["release/libnbdkit_lua.so", "release/libnbdkit_tcl.so",
                 "luajit/release/libnbdkit_lua.so", "release/nbdkit-script-test"]:  # fmt: skip
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(under_test().plugin, directory / name)
    return directory


class Installation:
    def __init__(self, root, built):
        self.root, self.built = root, built

    def run(self, *arguments, prefix=(), man=MAN, destdir=True, build=False, **environment):
        options = [*man] if build else ["--no-build", *man]
        options += [f"--destdir={self.root}"] if destdir else []
        return subprocess.run(
            [*prefix, ROOT / "script/install", *options, *arguments],
            env={**os.environ, "CARGO_TARGET_DIR": str(self.built), **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )

    def __call__(self, *arguments, **more):
        result = self.run(*arguments, **more)
        assert (result.returncode, result.stderr) == (0, ""), result
        return result.stdout

    def fails(self, *arguments, **more):
        """It says so in one line, and leaves everything as it was."""
        before = self.everything()
        result = self.run(*arguments, **more)
        assert self.everything() == before
        assert result.returncode != 0
        (line,) = result.stderr.splitlines()
        assert line.startswith("script/install: ")
        return line.removeprefix("script/install: ")

    def everything(self):
        """All paths, with what is there."""
        return {
            str(path.relative_to(self.root)): os.readlink(path) if path.is_symlink()
            else path.read_bytes() if path.is_file() else None
            for path in sorted(self.root.rglob("*"))
        }  # fmt: skip

    def files(self):
        return [name for name, content in self.everything().items() if content is not None]

    def path(self, absolute):
        return self.root / str(absolute).lstrip("/")

    @property
    def plugins(self):
        return self.path(PLUGINS)


@pytest.fixture
def install(tmp_path, built):
    (tmp_path / "root").mkdir()
    return Installation(tmp_path / "root", built)


def without(tmp_path, *programs):
    """A PATH without them."""
    directory = tmp_path / "bin"
    directory.mkdir()
    for place in ["/bin", "/usr/bin", str(Path(shutil.which("cargo") or "/nowhere/x").parent)]:
        for program in Path(place).glob("*"):
            if program.name not in programs and not (directory / program.name).is_symlink():
                (directory / program.name).symlink_to(program)
    return str(directory)


MOUNTS = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
can_mount = pytest.mark.skipif(
    subprocess.run([*MOUNTS, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode != 0,
    reason="mounts are not permitted here",
)


@pytest.fixture
def by_name(install, tmp_path):
    """Runs a command where what is installed is nbdkit's own directory, with its own plugins."""

    def by_name(*command):
        return subprocess.run(
            [*MOUNTS, "sh", "-c", 'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh",
             install.plugins, PLUGINS, *command],
            capture_output=True, text=True, timeout=120, cwd=tmp_path,
        )  # fmt: skip

    shutil.copytree(PLUGINS, install.plugins, symlinks=True)
    return by_name
