"""Interruptions in Tcl: whom they must not disturb, and what they say.

A callback whose own client is still there is left alone: to ask it would raise an error again that
its script has caught.
"""

import nbd
import pytest

import nbdkit

# A read at offset 0 looks for clients that have gone four times at least; one at 1024 cannot be
# interrupted.
DISK = """
proc thread_model {} { return parallel }
proc plugin_open {readonly} {}
proc get_size {h} { return 65536 }

proc catches {} {
    set end [expr {[clock milliseconds] + 1800}]
    while {[clock milliseconds] < $end} { catch {error "caught long ago"} }
}

proc pread {h count offset} {
    if {$offset == 1024} {
        close [open begun w]
        exec sleep 3
    } elseif {[catch catches]} {
        return [string repeat B $count]
    }
    return [string repeat g $count]
}
"""


@pytest.fixture
def disk(tmp_path):
    # The script writes its file where nbdkit is not any more.
    (tmp_path / "disk.tcl").write_text(DISK.replace("open begun", f"open {tmp_path}/begun"))
    return tmp_path / "disk.tcl"


def test_the_client_of_standard_input_is_known(language, disk):
    client = nbd.NBD()
    command = ["timeout", str(nbdkit.DEADLINE), "nbdkit", "-s"]
    client.connect_command([*command, str(language.plugin), str(disk)])
    for _ in range(2):
        assert client.pread(512, 0) == b"g" * 512
    client.shutdown()


def test_another_client_that_has_gone_does_no_harm(start, language, disk):
    server = start(language.plugin, disk)
    gone = server.connect()
    gone.aio_pread(bytearray(512), 1024)
    nbdkit.wait_until((disk.parent / "begun").exists, "the other client's callback to begin")
    server.connections.clear()
    del gone
    client = server.connect()
    assert client.pread(512, 0) == b"g" * 512
    assert server.errors() == []


def test_a_child_interpreter_says_why_it_was_interrupted(start, language, tmp_path):
    script = tmp_path / "child.tcl"
    script.write_text("""
proc plugin_open {readonly} {}
proc get_size {h} { return 65536 }
proc pread {h count offset} { [interp create] eval { while 1 {} } }
""")
    server = start(language.plugin, "time_limit=0.5", script)
    with pytest.raises(nbd.Error):
        server.connect().pread(512, 0)
    (line,) = server.errors()
    assert "child.tcl:4: interrupted: ETIMEDOUT: it took longer than time_limit=0.5" in line
