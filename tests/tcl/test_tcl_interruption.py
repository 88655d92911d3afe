"""Interruptions in Tcl: whom they must not disturb, and what they say.

A callback whose own client is still there is left alone: to ask it would raise an error again that
its script has caught.
"""

import nbd
import pytest

import nbdkit
from script_files import filled

# A read at offset 0 takes this long, and one at 1024 eight seconds, which nothing can interrupt.
DISK = """
proc thread_model {} { return parallel }
proc plugin_open {readonly} {}
proc get_size {h} { return 65536 }

proc catches {} {
    set end [expr {[clock milliseconds] + @milliseconds@}]
    while {[clock milliseconds] < $end} { catch {error "caught long ago"} }
}

proc pread {h count offset} {
    if {$offset == 1024} {
        close [open @begun@ w]
        exec sleep 8
    } elseif {[catch catches]} {
        return [string repeat B $count]
    }
    return [string repeat g $count]
}
"""


@pytest.fixture
def disk(tmp_path):
    """Writes the script of the disk whose read takes this long."""

    def disk(milliseconds):
        script = filled(DISK, dict(milliseconds=milliseconds, begun=tmp_path / "begun"))
        (tmp_path / "disk.tcl").write_text(script)
        return tmp_path / "disk.tcl"

    return disk


def test_the_client_of_standard_input_is_known(language, disk):
    client = nbd.NBD()
    command = ["timeout", str(nbdkit.DEADLINE), "nbdkit", "-s"]
    client.connect_command([*command, str(language.plugin), str(disk(1800))])
    for _ in range(2):
        assert client.pread(512, 0) == b"g" * 512
    client.shutdown()


# Longer than the five seconds after which a callback of an unknown client would be asked.
def test_another_client_that_has_gone_does_no_harm(start, language, disk, tmp_path):
    server = start(language.plugin, disk(6500))
    gone = server.connect()
    gone.aio_pread(bytearray(512), 1024)
    nbdkit.wait_until((tmp_path / "begun").exists, "the other client's callback to begin")
    server.connections.clear()
    client = server.connect()
    del gone
    assert client.pread(512, 0) == b"g" * 512
    assert server.errors() == []


# Each is interrupted in another place.
LOOPS = {
    512: "while 1 {}",
    1024: "child eval { while 1 {} }",
    1536: "while 1 { catch { error {caught before} } }",
    2048: "[interp create] eval { while 1 {} }",
}


def test_an_interruption_says_why_and_is_over_in_every_interpreter(start, language, tmp_path):
    script = tmp_path / "child.tcl"
    loops = " ".join(f"{offset} {{{loop}}}" for offset, loop in LOOPS.items())
    script.write_text(f"""
interp create child
proc unknown args {{ error "this is run for [list $args]" }}
proc plugin_open {{readonly}} {{}}
proc get_size {{h}} {{ return 65536 }}
proc pread {{h count offset}} {{
    switch $offset {loops}
    string repeat [child eval {{ expr 7 }}] $count
}}
""")
    server = start(language.plugin, "time_limit=0.3", script)
    client = server.connect()
    for offset in LOOPS:
        with pytest.raises(nbd.Error) as error:
            client.pread(512, offset)
        assert error.value.errno == "EIO"
        assert client.pread(512, 0) == b"7" * 512
    lines = server.errors()
    expected = "child.tcl:7: interrupted: ETIMEDOUT: it took longer than time_limit=0.3"
    assert len(lines) == len(LOOPS) and all(expected in line for line in lines), lines
