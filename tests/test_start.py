"""All ways to start nbdkit, and what a script may do while it is loaded."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import nbdkit


@pytest.fixture
def disk(language):
    """A disk that reads as its `text`, and additional code."""
    return lambda addition="": language.script("start", "disk") + addition


def test_script_as_the_first_argument_or_by_name(start, disk, language, write_script):
    script = write_script(disk(language.script("start", "text of a parameter")))
    for first in (script, f"script={script}", f"./{script}"):
        server = start(language.plugin, first, "text=y")
        assert server.connect().pread(4, 0) == b"yyyy"


def test_a_script_in_another_directory_and_by_absolute_path(
    start, disk, language, write_script, tmp_path
):
    script = write_script(disk())
    (tmp_path / "below").mkdir()
    for path in (tmp_path / script, f"../{script}"):
        assert start(language.plugin, path, cwd=tmp_path / "below").connect().get_size() == 512


def test_only_the_first_script_parameter_names_the_script(start, disk, language, write_script):
    # As in the official plugin: a later script= belongs to the script.
    script = write_script(disk(language.script("start", "text of a parameter and its key")))
    server = start(language.plugin, script, "script=z")
    assert server.connect().pread(7, 0) == b"scriptz"


def test_executable_script(disk, language, tmp_path):
    # The kernel passes everything after the interpreter's name as one argument: the plugin.
    script = tmp_path / "disk"
    script.write_text(f"#!{shutil.which('nbdkit')} {language.plugin}\n{disk()}")
    script.chmod(0o755)
    socket, pid = tmp_path / "s", tmp_path / "p"
    with subprocess.Popen(
        ["./disk", "-f", "-U", socket, "-P", pid], cwd=tmp_path, stderr=subprocess.PIPE
    ) as server:
        try:
            nbdkit.wait_until(lambda: pid.exists() or server.poll() is not None, "the script")
            size = subprocess.run(
                ["nbdinfo", "--size", f"nbd+unix:///?socket={socket}"],
                capture_output=True,
                text=True,
            )
            assert size.stdout == "512\n"
        finally:
            server.terminate()
            assert (server.wait(nbdkit.DEADLINE), server.stderr.read()) == (0, b"")


def test_a_first_line_that_begins_with_a_hash_is_skipped_but_counts(serve, language):
    for first in (f"#!/usr/sbin/nbdkit {language.name}", "# a comment", "#"):
        script = first + "\n" + language.script("start", "failing")
        server = serve(script)
        client = server.connect()
        try:
            client.pread(1, 0)
        except nbdkit.nbd.Error:
            pass
        # Line 1 is the first line of the file, whatever it contains.
        place = language.place(script, "here it fails")
        assert place == f"disk.{language.extension}:6"
        assert server.errors() == [language.logged("pread", f"{place}: here it fails")]


def dump_plugin(language, *arguments, **options):
    result = subprocess.run(
        ["nbdkit", "--dump-plugin", language.plugin, *arguments], capture_output=True, **options
    )
    assert (result.returncode, result.stderr) == (0, b"")
    lines = result.stdout.decode().splitlines()
    assert all("=" in line for line in lines), lines
    return [tuple(line.split("=", 1)) for line in lines]


def test_dump_plugin_without_a_script(language):
    fields = dict(dump_plugin(language))
    assert fields["name"] == language.name
    assert fields["path"] == str(language.plugin)
    assert re.fullmatch(language.version, fields[f"{language.name}_version"])
    assert fields["thread_model"] == "serialize_all_requests"


def test_dump_plugin_with_a_script_adds_what_the_script_prints(
    disk, language, write_script, tmp_path
):
    script = write_script(disk(language.script("start", "dump_plugin")))
    fields = dump_plugin(language, script, cwd=tmp_path)
    assert fields[-3:] == [("from_print", "1"), ("from_write", "2"), ("from_stdout", "3")]
    assert re.match(rf"{language.name}_(version|patch_level)|.*jit", fields[-4][0])


def test_dump_plugin_fails_if_the_script_does(disk, language, write_script, tmp_path):
    text = disk(language.define("dump_plugin", language.error("no facts")))
    script = write_script(text)
    result = subprocess.run(
        ["nbdkit", "--dump-plugin", language.plugin, script], cwd=tmp_path, capture_output=True
    )
    place = language.place(text, "no facts")
    assert result.stderr.decode() == f"nbdkit: error: dump_plugin: {place}: no facts\n"


def test_help_names_the_parameter(language):
    result = subprocess.run(
        ["nbdkit", "--help", language.plugin], capture_output=True, text=True, check=True
    )
    assert re.search(rf"script=<FILENAME> +\(required\) The {language.title} script", result.stdout)
    assert result.stderr == ""


def test_relative_paths_work_until_the_server_is_started(serve, language, tmp_path):
    # nbdkit changes to / before it serves; files opened earlier stay open.
    (tmp_path / "data").write_bytes(b"0123456789abcdef")
    server = serve(
        language.script("start", "opened file"),
        "file=data",
        daemon=True,
    )
    client = server.connect()
    assert client.get_size() == 16
    assert client.pread(6, 8) == b"89abcd"


def test_daemon(serve, disk, language, tmp_path):
    notes = tmp_path / "notes"
    server = serve(
        disk(language.script("start", "note of the close", notes=notes)),
        daemon=True,
    )
    # The command that started it has succeeded; the server is another process.
    assert server.process.wait(nbdkit.DEADLINE) == 0
    assert server.pid != server.process.pid
    assert Path(f"/proc/{server.pid}/cwd").readlink() == Path("/")
    client = server.connect()
    assert client.pread(4, 0) == b"xxxx"
    server.stop()
    assert notes.read_text() == "closed"
