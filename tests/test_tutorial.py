"""docs/tutorial.md, followed from its first line to its last in an empty directory.

A block of code follows a comment that says what the reader does with it:

    <!-- check: file=NAME -->    this is what is in the file
    <!-- check: add=NAME -->     this comes at the end of the file, after an empty line
    <!-- check: replace=NAME --> this takes the place of the function with the same first line
    <!-- check: fails -->        the last of these commands does not succeed
    <!-- check: build -->        here the plugin is built, for which the test has one already
    <!-- check: directory -->    here the reader goes to an empty directory
    <!-- check: install -->      here the plugin is installed, which the test does elsewhere

Commands without a comment succeed. Standard output and standard error together are the text in the
next block, if that is of the kind `text`, or else nothing.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
from itertools import zip_longest
from pathlib import Path

import pytest

import nbdkit
from documents import blocks
from installing import MOUNTS, PLUGINS, Installation, built, can_mount  # noqa: F401
from languages import ROOT, under_test

pytestmark = pytest.mark.skipif(under_test().name != "lua", reason="its disk is in Lua")

DOCUMENT = "docs/tutorial.md"
BLOCKS = blocks(DOCUMENT)
# Where the reader installs the plugin, for which the test needs the right to mount.
(INSTALL,) = [place for place, block in enumerate(BLOCKS) if block.mark == ("install",)]


class Reader:
    """Does what the document says. The home directory is empty, like that of a new user."""

    def __init__(self, home):
        self.home, self.directory, self.plugins = home, home / "my-disk", None
        self.directory.mkdir()
        self.environment = {
            **os.environ,
            "HOME": str(home),
            "LC_ALL": "C",
            # nbdsh takes the first Python, which has to be the one with libnbd.
            "PATH": f"/usr/bin:{os.environ['PATH']}",
            "PLUGIN": str(under_test().plugin),
        }

    def follow(self, steps):
        for block, following in zip_longest(steps, steps[1:]):
            if block.language == "sh":
                printed = following.text if following and following.language == "text" else ""
                self.run(block, printed)
            elif block.language in {"lua", "python"}:
                self.write(block)
            else:
                assert block.language == "text", block

    def write(self, block):
        ((kind, _, name),) = [word.partition("=") for word in block.mark]
        path = self.directory / name
        if kind == "file":
            text = block.text
        elif kind == "add":
            text = path.read_text() + "\n" + block.text
        else:
            before, first, after = path.read_text().partition(block.text.splitlines(True)[0])
            assert first, f"{block}: {name} has no such line"
            text = before + block.text + after.partition("\nend\n")[2]
        path.write_text(text)

    def run(self, block, printed):
        mark = block.mark[0] if block.mark else None
        if mark == "build":
            assert f"release/{under_test().plugin.name}" in block.text
            assert "-p nbdkit-script-lua\n" in block.text
        elif mark == "directory":
            assert "mkdir ~/my-disk\n" in block.text and not list(self.directory.iterdir())
        elif mark != "install":
            code, output = self.output(block.text)
            assert output == printed, f"{block}\n{block.text}prints:\n{output}"
            assert (code != 0) == (mark == "fails"), (block, code)

    def output(self, commands):
        """What they print, and the exit code of the last one."""
        command = ["bash", "-c", commands]
        if self.plugins:
            mount = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
            command = [*MOUNTS, "sh", "-c", mount, "sh", self.plugins, PLUGINS, *command]
        process = subprocess.Popen(
            command,
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=nbdkit.DEADLINE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        return process.returncode, output.replace(str(self.home), "/home/you")


@pytest.fixture
def reader(tmp_path, language):
    return Reader(tmp_path)


def test_every_block_says_what_to_do_with_it():
    marks = {
        "lua": {"file", "add", "replace"},
        "python": {"file"},
        "sh": {None, "fails", "build", "directory", "install"},
        "text": {None},
    }
    for block in BLOCKS:
        (word,) = block.mark or (None,)
        kind = word and word.partition("=")[0]
        assert kind in marks[block.language], block
    for block, following in zip(BLOCKS, BLOCKS[1:]):
        if following.language == "text":
            assert block.language == "sh" and following.mark is None, following
    assert len(BLOCKS) > 30


def test_it_does_what_it_says(reader):
    reader.follow(BLOCKS[:INSTALL])


@can_mount
def test_it_does_what_it_says_by_name(reader, built, tmp_path):  # noqa: F811
    # What the reader has by then are files; the commands are tried above.
    for block in BLOCKS[:INSTALL]:
        if block.language in {"lua", "python"}:
            reader.write(block)
    with open(reader.directory / "my.img", "wb") as image:
        image.truncate(16 << 20)
    (arguments,) = re.findall(r"script/install (.*)", BLOCKS[INSTALL].text)
    installation = Installation(tmp_path / "root", built)
    shutil.copytree(PLUGINS, installation.plugins, symlinks=True)
    installation(*arguments.split(), man=["--no-man"])
    reader.plugins = installation.plugins
    try:
        reader.follow(BLOCKS[INSTALL:])
    finally:
        for path in reader.directory.glob("*.pid"):
            with contextlib.suppress(OSError, ValueError):
                os.kill(int(path.read_text()), signal.SIGKILL)


def test_the_reader_notices_what_is_not_so(reader):
    (reader.directory / "disk.lua").write_text("-- empty\n")
    right = next(block for block in BLOCKS if block.mark == ("fails",))
    printed = BLOCKS[BLOCKS.index(right) + 1].text
    reader.run(right, printed)
    for text in ["", printed.replace("open", "close")]:
        with pytest.raises(AssertionError):
            reader.run(right, text)


def test_it_takes_no_longer_than_it_says():
    """At 200 words a minute, which is slow, with the code."""
    text = (ROOT / DOCUMENT).read_text()
    (minutes,) = re.findall(r"about (\d+) minutes", text)
    assert len(text.split()) / 200 < int(minutes)
