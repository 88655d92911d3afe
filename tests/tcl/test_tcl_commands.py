"""A callback is any command with its name, as it is at the time of the call."""

import nbd
import pytest

from languages import under_test

WAYS = under_test().pieces("tcl_commands", "ways")


@pytest.fixture
def disk(language):
    return language.script("tcl_commands", "disk")


@pytest.mark.parametrize("way", WAYS)
def test_kinds_of_commands(serve, disk, way):
    server = serve(disk + WAYS[way] + "\n")
    for _ in range(2):
        client = server.connect()
        assert client.pread(512, 0) == b"x" * 512
        assert client.pread(4096, 8192) == b"x" * 4096
    assert server.stop() == (0, b"")


@pytest.mark.parametrize("way", WAYS)
def test_commands_that_change_while_serving(serve, disk, way):
    server = serve(f"{disk}proc flushed {{}} {{ {WAYS[way]} }}\n")
    clients = [server.connect() for _ in range(3)]
    assert clients[0].pread(512, 0) == b"x" * 512
    clients[0].flush()
    for client in clients:
        assert client.pread(512, 512) == b"x" * 512


def test_procedure_that_redefines_itself(serve, disk):
    client = serve(
        disk
        + "proc pread {h count offset} {\n"
        + "    proc pread {h count offset} { string repeat b $count }\n"
        + "    return [string repeat a $count]\n"
        + "}\n"
    ).connect()
    assert [bytes(client.pread(1, 0)) for _ in range(3)] == [b"a", b"b", b"b"]


def test_procedure_that_deletes_itself(serve, language, disk):
    body = 'rename pread ""; string repeat a $count'
    server = serve(f"{disk}proc pread {{h count offset}} {{ {body} }}\n")
    client = server.connect()
    assert client.pread(4, 0) == b"aaaa"
    with pytest.raises(nbd.Error):
        client.pread(4, 0)
    assert server.errors() == [language.logged("pread", "this callback is not defined")]
    # All others exist.
    client.pwrite(b"data", 0)


def test_error_in_a_trace_is_an_error_of_the_call(serve, disk):
    server = serve(disk + "trace add execution pread enter {apply {args {error traced}}}\n")
    client = server.connect()
    with pytest.raises(nbd.Error):
        client.pread(512, 0)
    (line,) = server.errors()
    assert line.endswith("traced")
    client.pwrite(b"data", 0)


def test_unknown_is_not_asked_for_callbacks_that_are_absent(serve, disk):
    # Tcl calls `unknown` for a command that does not exist. An absent callback must not call it.
    server = serve(
        f"{disk}"
        "proc unknown args { lappend ::asked $args; error {no unknown} }\n"
        "set asked {}\n"
        "proc pread {h count offset} {\n"
        "    return [string range [format %-512s $::asked] 0 [expr {$count - 1}]]\n"
        "}\n"
        "proc config {key value} {}\n",
        "a=b",
    )
    for _ in range(2):
        client = server.connect()
        assert not client.can_trim()
        client.pwrite(b"data", 0)
        assert client.pread(512, 0) == b" " * 512
        client.shutdown()
    assert server.stop() == (0, b"")


def test_auto_loading_does_not_make_callbacks(serve, disk, tmp_path):
    # auto_load finds procedures through a file `tclIndex`; one that was never called is not a
    # callback.
    (tmp_path / "tclIndex").write_text(
        "# Tcl autoload index file, version 2.0\n"
        "set auto_index(trim) [list error loaded]\n"
        "set auto_index(helper) [list proc helper {} {return helped}]\n"
    )
    client = serve(
        f"{disk}lappend auto_path .\n"
        "proc pread {h count offset} { return [format %-512s [helper]] }\n"
        "set ignored [helper]\n"
    ).connect()
    assert not client.can_trim()
    assert client.pread(512, 0).rstrip() == b"helped"


def test_recursion_without_end(serve, disk):
    server = serve(disk + "proc pread {h count offset} { pread $h $count $offset }\n")
    client = server.connect()
    for _ in range(3):
        with pytest.raises(nbd.Error):
            client.pread(512, 0)
        client.pwrite(b"data", 0)
    assert all("too many nested evaluations" in line for line in server.errors())


def test_recursion_in_what_tcl_does_in_c(serve, disk):
    # Each level takes space on the thread's stack, which is smaller than a process's.
    server = serve(
        disk
        + "proc compare {a b} { lsort -command compare {a b}; return 0 }\n"
        + "proc pread {h count offset} { compare a b }\n"
    )
    client = server.connect()
    for _ in range(3):
        with pytest.raises(nbd.Error):
            client.pread(512, 0)
        client.pwrite(b"data", 0)


def test_deep_recursion(serve, disk):
    client = serve(
        disk
        + "interp recursionlimit {} 100000\n"
        + "proc down n { expr {$n == 0 ? 0 : 1 + [down [expr {$n - 1}]]} }\n"
        + "proc pread {h count offset} { format %-512s [down 50000] }\n"
    ).connect()
    assert client.pread(512, 0).rstrip() == b"50000"


@pytest.mark.parametrize("code", ["exit 3", "after 0 {exit 3}; vwait never", "apply {{} {exit 3}}"])
def test_exit_in_a_callback_ends_the_server(serve, disk, tmp_path, code):
    notes = tmp_path / "notes"
    server = serve(
        disk
        + "proc config {key value} { set ::file [open $value w]; puts -nonewline $::file begun }\n"
        + f"proc pread {{h count offset}} {{ puts -nonewline $::file {{ and ended}}; {code} }}\n",
        f"notes={notes}",
    )
    client = server.connect()
    with pytest.raises(nbd.Error):
        client.pread(512, 0)
    assert server.process.wait(30) == 3
    # Tcl's exit flushes channels.
    assert notes.read_text() == "begun and ended"


HANDLES = {
    "empty": '""',
    "large": "[string repeat abcdefgh 1000000]",
    "large list": "[lrepeat 100000 {a b}]",
    "command": "[oo::object new]",
    "looks like a command": "{[exit 3] $x ; exit}",
    "unbalanced": r'"\{"',
    "bytes": r'"\0\xff"',
    "wide": r'"\u20ac"',
    "number": "0x10",
    "buffer": "[nbdkit::buffer 16]",
    "negative": "-1",
    "option": "-errorcode",
}


@pytest.mark.parametrize("kind", HANDLES)
def test_handles_are_values_and_never_code(serve, disk, kind):
    server = serve(
        f"{disk}"
        f"proc plugin_open {{readonly}} {{ return [set ::handle {HANDLES[kind]}] }}\n"
        "proc read_disk {h count offset} {\n"
        "    if {$h ne $::handle} { error handle }\n"
        "    return [string repeat x $count]\n"
        "}\n"
        "proc plugin_close {h} { if {$h ne $::handle} { error handle } }\n"
    )
    client = server.connect()
    assert client.pread(512, 0) == b"x" * 512
    client.pwrite(b"data", 0)
    client.shutdown()
    assert server.stop() == (0, b"")
