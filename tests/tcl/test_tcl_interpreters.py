"""Interpreters that run at the same time, in any thread: none sees or harms another."""

import random
import threading

import nbd
import pytest

from languages import under_test

WORK = under_test().pieces("tcl_interpreters", "work")
# These make Tcl start its own thread, which waits for files and timers.
WAITS = ("timer", "idle", "event of a pipe")


@pytest.fixture
def load(start, language, write_script, tmp_path):
    """A server with 16 interpreters, with a kind of request at each sector."""

    def load(kinds, daemon=False):
        work = "\n".join(f"{number} {{{WORK[kind]}}}" for number, kind in enumerate(kinds))
        script = write_script(language.script("tcl_interpreters", "load", work=work))
        file = tmp_path / "file"
        file.write_bytes(random.Random(7).randbytes(65536))
        return start(language.plugin, "interpreters=16", script, f"file={file}", daemon=daemon)

    return load


def at_once(server, connections, run):
    """Runs this with as many clients, each in a thread, and returns the exceptions."""
    raised = []
    clients = [server.connect() for _ in range(connections)]

    def work(number):
        try:
            run(number, clients[number])
        except nbd.Error as error:
            raised.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.parametrize("kind", WORK)
def test_one_kind_of_request_from_many_clients(load, kind):
    server = load([kind])

    def run(_, client):
        for _ in range(10):
            assert client.pread(512, 0) == b"x" * 512

    raised = at_once(server, 8, run)
    assert (raised, server.errors()) == ([], [])
    if kind in WAITS:
        server.threads_when_idle += 1
    assert server.stop() == (0, b"")


@pytest.mark.parametrize("daemon", [False, True], ids=["foreground", "daemon"])
def test_all_kinds_of_requests_at_once(load, numbers, daemon):
    kinds = list(WORK)
    server = load(kinds, daemon)
    seeds = [numbers.random() for _ in range(10)]

    def run(number, client):
        mine = random.Random(seeds[number])
        for _ in range(100):
            assert client.pread(512, 512 * mine.randrange(len(kinds))) == b"x" * 512

    raised = at_once(server, 10, run)
    assert (raised, server.errors()) == ([], [])
    server.threads_when_idle += 1
    code, log = server.stop()
    assert code in (0, None) and log == b""


def test_requests_in_flight_on_one_connection(load, numbers):
    kinds = [kind for kind in WORK if "interpreter" not in kind]
    server = load(kinds)
    client = server.connect()
    buffers = [nbd.Buffer(512) for _ in range(200)]
    cookies = [
        client.aio_pread(buffer, 512 * numbers.randrange(len(kinds))) for buffer in buffers
    ]
    while client.aio_in_flight() > 0:
        client.poll(-1)
    for cookie in cookies:
        client.aio_command_completed(cookie)
    assert all(buffer.to_bytearray() == b"x" * 512 for buffer in buffers)
    assert server.errors() == []
    server.threads_when_idle += 1
    assert server.stop() == (0, b"")


def test_globals_belong_to_one_interpreter(start, language, write_script):
    script = write_script("""
        proc thread_model {} { return parallel }
        proc plugin_open {readonly} { return handle }
        proc get_size {h} { return 65536 }
        set number [nbdkit::shared incr interpreters 1 0]
        proc pread {h count offset} {
            # Nobody passes this point before all have arrived.
            nbdkit::shared incr arrived 1 0
            while {[nbdkit::shared get arrived] < 4} { after 1 }
            incr ::requests
            return [format %-512s "$::number $::requests"]
        }
    """)
    server = start(language.plugin, "interpreters=4", script)
    seen = []
    lock = threading.Lock()

    def run(_, client):
        answer = bytes(client.pread(512, 0)).split()
        with lock:
            seen.append(answer)

    assert at_once(server, 4, run) == []
    assert sorted(seen) == [[str(n).encode(), b"1"] for n in range(1, 5)]


def test_child_interpreters_in_one_interpreter(serve):
    # Without `parallel` there is one interpreter, which each connection calls in its own thread.
    server = serve("""
        proc plugin_open {readonly} { return [interp create] }
        proc plugin_close {h} { interp delete $h }
        proc get_size {h} { return [$h eval {expr {1 << 16}}] }
        proc pread {h count offset} {
            set other [interp create]
            set result [$other eval [list string repeat x $count]]
            interp delete $other
            return $result
        }
    """)
    for _ in range(2):
        clients = [server.connect() for _ in range(4)]
        for client in clients:
            assert client.pread(512, 0) == b"x" * 512
        for client in clients:
            client.shutdown()
        server.wait_idle()
    assert server.stop() == (0, b"")


@pytest.mark.parametrize("where", ["top level", "config", "get_ready", "plugin_open", "pread"])
def test_child_interpreter_that_is_left_at_the_end(serve, where):
    def here(place):
        return "interp create" if place == where else ""

    server = serve(
        f"{here('top level')}\n"
        f"proc config {{key value}} {{ {here('config')} }}\n"
        f"proc get_ready {{}} {{ {here('get_ready')} }}\n"
        f"proc plugin_open {{readonly}} {{ {here('plugin_open')}; return handle }}\n"
        "proc get_size {h} { return 65536 }\n"
        f"proc pread {{h count offset}} {{ {here('pread')}; return [string repeat x $count] }}\n",
        "a=b",
    )
    client = server.connect()
    assert client.pread(512, 0) == b"x" * 512
    assert server.stop() == (0, b"")


def test_child_interpreter_has_what_it_is_given(serve, language):
    server = serve("""
        interp create child
        child alias fail nbdkit::error
        child alias name nbdkit::export_name
        proc plugin_open {readonly} { return handle }
        proc get_size {h} { return 65536 }
        proc pread {h count offset} {
            if {$offset == 0} { child eval {fail ENOSPC full} }
            if {$offset == 512} { child eval {nbdkit::error ENOSPC full} }
            return [format %-512s <[child eval name]>]
        }
    """)
    client = server.connect()
    for offset, errno in ((0, "ENOSPC"), (512, "EIO")):
        with pytest.raises(nbd.Error) as caught:
            client.pread(512, offset)
        assert caught.value.errno == errno
    assert client.pread(512, 1024).rstrip() == b"<>"
    assert server.errors()[0].endswith("full")
    assert server.errors()[1].endswith('invalid command name "nbdkit::error"')


EVERYWHERE = """
proc wait {} { after 1 {set ::done 1}; vwait ::done; unset ::done }
wait
proc config {key value} { wait }
proc config_complete {} { wait }
proc get_ready {} { wait }
proc after_fork {} { wait }
proc plugin_open {readonly} { wait; return handle }
proc get_size {h} { wait; return 65536 }
proc pread {h count offset} { wait; return [string repeat x $count] }
proc plugin_close {h} { wait }
proc cleanup {} { wait }
"""


@pytest.mark.parametrize("daemon", [False, True], ids=["foreground", "daemon"])
def test_the_event_loop_before_and_after_nbdkit_has_forked(serve, daemon):
    # Tcl's thread, which waits for events, does not survive the fork.
    server = serve(EVERYWHERE, "a=b", daemon=daemon)
    clients = [server.connect() for _ in range(3)]
    for client in clients:
        assert client.pread(512, 0) == b"x" * 512
    for client in clients:
        client.shutdown()
    # nbdkit's, the watcher's, and Tcl's, which may have been too late to be counted.
    server.threads_when_idle = max(server.threads_when_idle, 3)
    code, log = server.stop()
    assert code in (0, None) and log == b""


def test_a_request_is_not_entered_again_by_an_event(serve):
    # The next request, in another thread, can wait for this request's timer.
    server = serve("""
        proc plugin_open {readonly} { return handle }
        proc get_size {h} { return 65536 }
        set fired {}
        proc pread {h count offset} {
            after 0 [list lappend ::fired $offset]
            if {$offset == 1024} { update }
            return [format %-512s $::fired]
        }
    """)
    clients = [server.connect() for _ in range(3)]
    # Tcl's own thread, which waits for events, will start.
    server.threads_when_idle += 1
    answers = [clients[n].pread(512, 512 * n).rstrip() for n in range(3)]
    assert answers == [b"", b"", b"0 512 1024"]
