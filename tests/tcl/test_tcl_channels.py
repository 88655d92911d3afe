"""Channels: whichever thread opens, uses and closes them, and data left unwritten at the end."""

import signal

import nbd
import pytest

import nbdkit

# A callback that opens a channel, and how to see that.
DISK = """
proc plugin_open {readonly} { return handle }
proc get_size {h} { return 65536 }
proc pread {h count offset} { return [string repeat x $count] }
proc config {key value} { set ::$key $value }
"""


def use(server, clients=3):
    """Several connections at once and in sequence, each in its own thread of nbdkit."""
    for _ in range(2):
        several = [server.connect() for _ in range(clients)]
        for client in several:
            assert client.pread(512, 0) == b"x" * 512
        for client in several:
            client.shutdown()
        server.wait_idle()


OPENED = {
    "at the top level": "set channel [open $::env(FILE) w]\n",
    "in config": "proc config {key value} { set ::channel [open $::env(FILE) w] }\n",
    "in config_complete": "proc config_complete {} { set ::channel [open $::env(FILE) w] }\n",
    "in get_ready": "proc get_ready {} { set ::channel [open $::env(FILE) w] }\n",
    "in after_fork": "proc after_fork {} { set ::channel [open $::env(FILE) w] }\n",
    "in plugin_open": (
        "proc plugin_open {readonly} {\n"
        "    if {![info exists ::channel]} { set ::channel [open $::env(FILE) w] }\n"
        "    return handle\n"
        "}\n"
    ),
}
CLOSED = {
    "never": "",
    "in plugin_close": "proc plugin_close {h} { catch {close $::channel} }\n",
    "in cleanup": "proc cleanup {} { close $::channel }\n",
}


@pytest.mark.parametrize("daemon", [False, True], ids=["foreground", "daemon"])
@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize("opened", OPENED)
def test_channel_of_one_thread_closed_in_another(serve, tmp_path, opened, closed, daemon):
    file = tmp_path / "file"
    script = (
        f"{DISK}"
        "proc pread {h count offset} {\n"
        "    if {[chan names $::channel] ne {}} { puts -nonewline $::channel . }\n"
        "    return [string repeat x $count]\n"
        "}\n"
        f"{OPENED[opened]}{CLOSED[closed]}"
    )
    server = serve(script, "a=b", env={"FILE": str(file)}, daemon=daemon)
    use(server)
    code, log = server.stop()
    assert code in (0, None) and log == b""
    # Whoever closed the channel, finally Tcl itself, has written what was left in it.
    written = file.read_text()
    assert set(written) == {"."}
    if closed != "in plugin_close":
        assert len(written) == 6


@pytest.mark.parametrize("buffering", ["none", "full"])
def test_a_channel_for_each_connection(serve, tmp_path, buffering):
    # A connection may have a channel in each interpreter. If these have buffers, a read may not see
    # what was written just before; once they are closed, all of it is in the file.
    file = tmp_path / "file"
    file.write_bytes(bytes(65536))
    server = serve(
        f"{DISK}"
        "proc thread_model {} { return parallel }\n"
        "proc plugin_open {readonly} {\n"
        "    set channel [open $::file r+b]\n"
        f"    fconfigure $channel -buffering {buffering}\n"
        "    return $channel\n"
        "}\n"
        "proc plugin_close {h} { close $h }\n"
        "proc pread {h count offset} { seek $h $offset; return [read $h $count] }\n"
        "proc pwrite {h buf offset} { seek $h $offset; puts -nonewline $h $buf }\n",
        f"file={file}",
    )
    for number in range(20):
        client = server.connect()
        client.pwrite(bytes([number]) * 512, number * 512)
        if buffering == "none":
            assert client.pread(512, number * 512) == bytes([number]) * 512
        client.shutdown()
    assert server.stop() == (0, b"")
    assert file.read_bytes()[: 20 * 512] == b"".join(bytes([n]) * 512 for n in range(20))


def test_a_pipe_of_the_scripts_own_is_not_taken_for_nbdkits(serve):
    # nbdkit's pipe reveals that the server has to end. The client stays.
    server = serve(f"{DISK}set pipe [chan pipe]\n")
    server.connect().pread(512, 0)
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(nbdkit.DEADLINE) == 0
    assert server.log() == b""


@pytest.mark.parametrize(
    "code",
    [
        "open /dev/null",
        "open |cat r+",
        "file tempfile",
        "socket -server list 0",
        "chan pipe",
        "set f [open /dev/null]; fconfigure $f -blocking 0",
        "set f [open /dev/null]; fileevent $f readable {list}",
        "set f [open |true]; fileevent $f readable {incr ::got}; vwait ::got",
        "interp create child; child eval {open /dev/null}",
        "interp create child; interp share {} stdout child",
    ],
)
@pytest.mark.parametrize("where", ["top level", "request"])
def test_channels_that_are_left_open(serve, code, where):
    # The rest is closed at the end, by nbdkit's first thread.
    at_top, in_request = (code, "") if where == "top level" else ("", code)
    server = serve(
        f"{DISK}{at_top}\n"
        "proc pread {h count offset} {\n"
        "    if {![info exists ::done]} {\n"
        "        set ::done 1\n"
        f"        {in_request}\n"
        "    }\n"
        "    return [string repeat x $count]\n"
        "}\n"
    )
    first, second = server.connect(), server.connect()
    assert first.pread(512, 0) == second.pread(512, 0) == b"x" * 512
    if "vwait" in code:
        # Tcl has started its own thread, which waits for files.
        server.threads_when_idle += 1
    assert server.stop() == (0, b"")


# One thread opens a channel, another waits for it. The timer ends a failing test.
WAIT = """
proc pread {h count offset} {
    set timer [after 10000 {set ::happened {too late}}]
    fileevent $::channel readable {set ::happened readable}
    vwait ::happened
    fileevent $::channel readable {}
    after cancel $timer
    return [format %-512s $::happened]
}
"""


@pytest.mark.parametrize(
    "opened",
    ["open /dev/null", "set pipe [open |cat r+]; puts $pipe x; flush $pipe; set pipe"],
    ids=["file", "pipe"],
)
@pytest.mark.parametrize("where", ["top level", "plugin_open"])
def test_events_of_a_channel_that_another_thread_has_opened(serve, opened, where):
    if where == "top level":
        script = f"{DISK}set channel [{opened}]\n{WAIT}"
    else:
        script = (
            f"{DISK}{WAIT}proc plugin_open {{readonly}} {{\n"
            f"    if {{![info exists ::channel]}} {{ set ::channel [{opened}] }}\n"
            "    return handle\n}\n"
        )
    server = serve(script)
    # At the same time, so that they have different threads.
    clients = [server.connect() for _ in range(3)]
    for client in clients:
        assert client.pread(512, 0).rstrip() == b"readable"
    server.threads_when_idle += 1
    assert server.stop() == (0, b"")


def test_channel_that_is_a_script(serve):
    server = serve(
        f"{DISK}"
        "namespace eval reflected {\n"
        "    proc initialize {id mode} { return {initialize finalize watch read} }\n"
        "    proc finalize id {}\n"
        "    proc watch {id events} {}\n"
        "    proc read {id count} { return [string repeat x $count] }\n"
        "    namespace export *\n"
        "    namespace ensemble create\n"
        "}\n"
        "proc plugin_open {readonly} {\n"
        "    set channel [chan create read reflected]\n"
        "    fconfigure $channel -translation binary\n"
        "    return $channel\n"
        "}\n"
        "proc pread {h count offset} { return [read $h $count] }\n"
        "proc plugin_close {h} { close $h }\n"
    )
    for _ in range(2):
        client = server.connect()
        assert client.pread(512, 0) == b"x" * 512
        client.shutdown()
    assert server.stop() == (0, b"")


@pytest.mark.parametrize("opened", ["top level", "plugin_open"])
def test_channel_that_is_a_script_and_that_another_thread_has_made(serve, opened):
    # Tcl sends requests for such a channel to the thread that made it, and waits.
    make = "set ::channel [chan create read driver]; fconfigure $::channel -translation binary"
    server = serve(
        "namespace eval driver {\n"
        "    proc initialize {id mode} { return {initialize finalize watch read} }\n"
        "    proc finalize {id} {}\n"
        "    proc watch {id events} {}\n"
        "    proc read {id count} { string repeat x $count }\n"
        "    namespace export *\n"
        "    namespace ensemble create\n"
        "}\n"
        f"{DISK}"
        + (make if opened == "top level" else "")
        + "\nproc plugin_open {readonly} {\n"
        + f"    if {{![info exists ::channel]}} {{ {make} }}\n"
        + "    return handle\n}\n"
        "proc pread {h count offset} { read $::channel $count }\n"
    )
    use(server)


def test_client_of_a_socket(serve, tmp_path):
    # A server and its client in one interpreter, through Tcl's event loop, within one request.
    server = serve(
        f"{DISK}"
        "proc accept {channel address port} { puts $channel hello; close $channel }\n"
        "proc pread {h count offset} {\n"
        "    set listening [socket -server accept -myaddr 127.0.0.1 0]\n"
        "    set port [lindex [fconfigure $listening -sockname] 2]\n"
        "    set client [socket -async 127.0.0.1 $port]\n"
        "    fconfigure $client -blocking 0\n"
        "    fileevent $client readable [list set ::ready $client]\n"
        "    vwait ::ready\n"
        "    set text [gets $client]\n"
        "    close $client\n"
        "    close $listening\n"
        "    return [format %-512s $text]\n"
        "}\n"
    )
    clients = [server.connect() for _ in range(3)]
    for client in clients:
        assert client.pread(512, 0).rstrip() == b"hello"
    server.threads_when_idle += 1
    assert server.stop() == (0, b"")


def test_what_a_script_prints_while_it_serves_a_client_on_standard_output(
    language, write_script, tmp_path
):
    # nbdkit -s talks to its client on standard output.
    script = write_script(
        "puts top; puts stderr errors; flush stdout\n" + DISK
        + "proc plugin_open {readonly} { puts open; flush stdout; return handle }\n"
        + "proc pread {h count offset} {\n"
        + "    puts [string repeat printed 1000]; flush stdout\n"
        + "    exec echo from a command >@stdout\n"
        + "    return [string repeat x $count]\n"
        + "}\n"
        + "proc plugin_close {h} { puts close }\n"
    )  # fmt: skip
    client = nbd.NBD()
    client.connect_command(["nbdkit", "-s", str(language.plugin), str(tmp_path / script)])
    for offset in (0, 512):
        assert client.pread(512, offset) == b"x" * 512
    client.shutdown()


def test_printing_where_nobody_reads(start, language, write_script, tmp_path):
    # A daemon's standard output is /dev/null.
    script = write_script(
        DISK + "proc pread {h count offset} { puts hello; return [string repeat x $count] }\n"
    )
    server = start(language.plugin, script, daemon=True)
    use(server)
    server.stop()
