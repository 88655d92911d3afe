"""The command of `nbdkit::file`: the file is closed with it, however it ends."""

import os

import pytest

from evaluating import evaluator


@pytest.fixture
def tcl(serve, language, tmp_path):
    (tmp_path / "disk.img").write_bytes(b"k" * 1000)
    tcl = evaluator(serve, language)
    tcl.run(f"set ::path {tmp_path}/disk.img; set ::f [nbdkit::file $::path rw]")
    return tcl


def files(tcl):
    """How many open files the server has."""
    return len(os.listdir(f"/proc/{tcl.server.pid}/fd"))


@pytest.mark.parametrize("end", [
    'rename $::f ""',
    'rename $::f ::mine; rename ::mine ""',
    "proc $::f {args} {}",
    "interp alias {} $::f {} list",
    "interp create child; interp alias child other {} $::f; interp delete child; rename $::f {}",
    # A trace sees the command once more.
    'trace add command $::f delete {apply {{args} {catch {$::f size}}}}; rename $::f ""',
])  # fmt: skip
def test_the_file_is_closed_with_its_command(tcl, end):
    before = files(tcl)
    assert tcl.value("$::f pread 1 0") == "k"
    tcl.run(end)
    assert files(tcl) == before - 1


def test_a_renamed_command_and_an_alias_are_the_same_file(tcl):
    tcl.run("rename $::f ::mine; interp alias {} ::other {} ::mine; mine pwrite new 0")
    assert tcl.value("other pread 4 0") == "newk"
    tcl.run("other close")
    assert tcl.error("mine size").endswith(": it is closed")


def test_names_are_not_used_again(tcl):
    one = tcl.value('set ::one [nbdkit::file $::path r]; rename $::one ""; set ::one')
    other = tcl.value("nbdkit::file $::path r")
    assert one.startswith("::nbdkit::file") and other.startswith("::nbdkit::file")
    assert one != other
    assert tcl.error("$::one size").endswith(f'invalid command name "{one}"')


def test_the_command_file_of_tcl_is_still_there(tcl):
    assert tcl.value("file size $::path") == "1000"
    assert tcl.value("namespace eval ::nbdkit {::file size $::path}") == "1000"


def test_an_interpreter_that_ends_with_open_files(many, tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(512))
    server = many(8, f"""
        set f [nbdkit::file {path} rw]
        proc thread_model {{}} {{ return parallel }}
        proc plugin_open {{readonly}} {{ nbdkit::file {path} r }}
        proc get_size {{h}} {{ $h size }}
        proc pread {{h count offset}} {{ $h pread $count $offset }}
    """)
    for client in [server.connect() for _ in range(4)]:
        assert client.pread(512, 0) == bytes(512)
    assert server.stop() == (0, b"")
