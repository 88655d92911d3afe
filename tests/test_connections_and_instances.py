"""The handles of a connection under `parallel`, where it may be open in many interpreters."""

import functools
import socket

import nbd
import pytest

import nbdkit
from counting import MEETING, facts, nothing_mixed_up, parse, per_interpreter
from crowd import InFlight, at_once
from listening import tcp_server


@pytest.fixture
def counting(start, language, write_script, tmp_path):
    """The script `counting`, and its counts at the end."""

    class Counting:
        def __init__(self, interpreters, model="parallel", addition="", options=()):
            script = write_script(language.script("counting") + addition)
            self.notes = tmp_path / "facts"
            self.server = start(
                *options, language.plugin, f"interpreters={interpreters}", script,
                f"model={model}", f"facts={self.notes}",
            )  # fmt: skip
            self.connect = self.server.connect

        def end(self):
            code, log = self.server.stop()
            assert code == 0, log
            known = parse(self.notes.read_text())
            assert nothing_mixed_up(known)
            # Each successful `open` has its `close`, in the same interpreter.
            assert per_interpreter(known, "open") == per_interpreter(known, "close")
            return known, log

    return Counting


def read_together(client, wanted, meeting=0):
    """Makes this many interpreters read at once."""
    requests = InFlight(client)
    for _ in range(wanted):
        requests.pread(512, meeting * MEETING + wanted, lambda data: None)
    requests.wait_for_all()


def exists(path):
    return lambda: path.exists()


def test_open_runs_where_a_connection_is_first_served_and_close_in_each_of_these(counting):
    disk = counting(4)
    first, second = disk.connect(), disk.connect()
    # Sequential requests need no other interpreter.
    for _ in range(20):
        first.pread(512, 0)
    assert facts(first)["opened"] == 2
    read_together(first, 4, meeting=1)
    known = facts(second)
    assert all(known[f"open {number}"] >= 1 for number in (1, 2, 3, 4))
    first.shutdown()
    nbdkit.wait_until(lambda: facts(second).get("closed", 0) == 4, "the first connection to close")
    read_together(second, 4, meeting=2)
    known, _ = disk.end()
    assert (known["opened"], known["closed"]) == (8, 8)
    assert per_interpreter(known, "close") == {1: 2, 2: 2, 3: 2, 4: 2}


def test_a_handle_is_not_shared_between_interpreters(counting, language, tmp_path):
    notes = tmp_path / "notes"
    script = language.script("connections", "written through a handle", notes=notes)
    disk = counting(2, addition=script)
    client = disk.connect()
    requests = InFlight(client)
    requests.pwrite(b"a", 0)
    requests.pwrite(b"b", 0)
    requests.wait_for_all()
    client.flush()
    found = notes.read_text().split(",")
    assert sorted(text[0] for text in found) == ["a", "b"]
    assert {text[1:] for text in found} == {" in 1", " in 2"}
    disk.end()


def test_open_that_fails_in_another_interpreter_fails_the_request_only(counting, language):
    disk = counting(2, addition=language.script("connections", "fails the second time"))
    client = disk.connect()
    outcomes = at_once_on(client, 2)
    assert sorted(outcomes, key=str) == ["ENOSPC", None]
    (line,) = disk.server.errors()
    assert f"pwrite: {language.callback('open')}: disk.{language.extension}:" in line
    assert line.endswith("no room for another"), line
    # It goes on where it is open, and tries again in the other interpreter.
    assert client.pread(512, 0) == b"x" * 512
    read_together(client, 2, meeting=1)
    known, _ = disk.end()
    assert (known["tried"], known["opened"], known["closed"]) == (3, 2, 2)


def at_once_on(client, count):
    """The outcomes of this many writes in flight at once: None, or the name of an errno."""
    cookies = [client.aio_pwrite(bytearray(512), 0) for _ in range(count)]
    outcomes = {}
    while len(outcomes) < count:
        client.poll(nbdkit.DEADLINE * 1000)
        for cookie in cookies:
            try:
                if cookie not in outcomes and client.aio_command_completed(cookie):
                    outcomes[cookie] = None
            except nbd.Error as error:
                outcomes[cookie] = error.errno
    return list(outcomes.values())


def test_the_first_open_that_fails_refuses_the_connection(counting, language):
    disk = counting(3, addition=language.define("open", language.error("never")))
    for _ in range(10):
        with pytest.raises(nbd.Error):
            disk.connect()
    log = disk.server.errors()
    assert len([line for line in log if "open: disk." in line]) == 10, log
    assert "opened" not in disk.end()[0]


def test_an_error_does_not_touch_requests_that_run_meanwhile(counting, language):
    # The last one to arrive fails, and only then do the others go on.
    disk = counting(8, addition=language.script("connections", "the last one fails"))
    client = disk.connect()
    outcomes = at_once_on(client, 8)
    assert outcomes.count("ENOSPC") == 1 and outcomes.count(None) == 7, outcomes
    read_together(client, 8)
    (line,) = disk.server.errors()
    assert line.endswith("the last one")
    disk.end()


@pytest.mark.parametrize("model, interpreters", [
    ("parallel", 4), ("parallel", 1), ("serialize_requests", 4), ("serialize_all_requests", 4),
])  # fmt: skip
def test_two_hundred_connections_at_once(counting, model, interpreters):
    disk = counting(interpreters, model)

    def come_and_go():
        client = disk.connect()
        for _ in range(3):
            assert client.pread(512, 0) == b"x" * 512
        client.shutdown()

    at_once(*[come_and_go] * 200)
    disk.server.disconnect()
    known, _ = disk.end()
    assert 200 <= known["opened"] == known["closed"] <= 200 * interpreters
    if model != "parallel":
        assert known["opened"] == 200
    assert sum(per_interpreter(known, "reads").values()) == 600


def test_connections_that_drop_without_a_word_are_closed_as_well(counting):
    # nbdkit 1.32 may fail an assertion if several threads serve a client that has gone.
    disk = counting(4, options=["-t", "1"])

    def drop():
        client = disk.connect()
        requests = InFlight(client)
        requests.pread(512, 0, lambda data: None)
        disk.server.connections.remove(client)

    for _ in range(5):
        at_once(*[drop] * 20)
    disk.server.wait_idle()
    known, _ = disk.end()
    assert known["opened"] == known["closed"] >= 100


def test_a_close_waits_for_the_requests_of_others_and_they_go_on(counting, language, tmp_path):
    go, inside = tmp_path / "go", [tmp_path / "inside1", tmp_path / "inside2"]
    script = language.script("connections", "until told to go", folder=tmp_path)
    disk = counting(2, addition=script)
    going, staying = disk.connect(), disk.connect()
    read_together(going, 2)
    requests = InFlight(staying)
    requests.pwrite(b"x", 0)
    requests.pwrite(b"y", 0)
    for path in inside:
        nbdkit.wait_until(exists(path), "a request in each interpreter")
    # Both interpreters are busy, and the connection that ends is open in both.
    going.shutdown()
    go.touch()
    requests.wait_for_all()
    nbdkit.wait_until(lambda: facts(staying).get("closed", 0) == 2, "the close in both")
    disk.end()


def test_a_close_is_not_kept_waiting_by_new_requests_of_others(counting):
    # There are always more requests than interpreters. A close that had to find all of them idle,
    # or to wait behind each new request, would not end before these do.
    disk = counting(2)
    going = [disk.connect() for _ in range(10)]
    for meeting, client in enumerate(going):
        read_together(client, 2, meeting)
    busy = [disk.connect() for _ in range(4)]
    assert facts(busy[0]).get("closed", 0) == 0

    def load(client):
        requests = InFlight(client)
        count = 0

        def another(data=None):
            nonlocal count
            count += 1
            if not closed:
                requests.pread(512, 0, another)

        for _ in range(4):
            another()
        requests.wait_for_all()
        return count

    def leave():
        # The load has begun before they leave.
        for _ in range(20):
            watching.pread(512, 0)
        try:
            for client in going:
                client.shutdown()
            nbdkit.wait_until(lambda: facts(watching)["closed"] >= 20, "all to be closed")
        finally:
            closed.append(True)

    closed = []
    watching = disk.connect()
    counts = at_once(leave, *(functools.partial(load, client) for client in busy))
    # The load went on, though on a busy machine one of them may not have had a reply yet.
    assert max(counts[1:]) > 4
    known, _ = disk.end()
    assert known["opened"] == known["closed"]


def test_export_and_peer_are_those_of_the_connection_in_every_callback(
    language, write_script, tmp_path
):
    notes = tmp_path / "notes"
    script = write_script(language.script("connections", "who", notes=notes))

    def client(address, number):
        connection = nbd.NBD()
        connection.set_export_name(f"export {number}")
        connection.connect_tcp(address[0], str(address[1]))
        with socket.socket(fileno=connection.aio_get_fd()) as handle:
            try:
                own = "{}:{}".format(*handle.getsockname())
            finally:
                handle.detach()
        requests = InFlight(connection)

        def check(data):
            assert data.rstrip(b"\0").decode() == f"export {number} {own}"

        for _ in range(10):
            for _ in range(4):
                requests.pread(512, 0, check)
            requests.pwrite(b"x" * 512, 0)
            requests.zero(512, 0, lambda: None)
            requests.trim(512, 0, lambda: None)
            requests.wait_for_all()
            connection.flush()
        connection.shutdown()

    with tcp_server(
        socket.AF_INET, "127.0.0.1", language.plugin, "interpreters=4", script, cwd=tmp_path
    ) as address:
        at_once(*(functools.partial(client, address, number) for number in range(12)))
    wrong = [(tmp_path / f"notes{n}").read_text() for n in (1, 2, 3, 4)]
    assert wrong == 4 * ["closed true\n"]


@pytest.mark.parametrize("options, readonly", [(["-r"], 2), ([], 0)], ids=["-r", "read-write"])
def test_readonly_is_the_same_in_each_interpreter(many, language, options, readonly):
    server = many(2, language.script("connections", "counts who is read-only"), *options)
    client = server.connect()
    requests = InFlight(client)
    for _ in range(2):
        requests.pread(512, 0, lambda data: None)
    requests.wait_for_all()
    assert client.pread(512, 0).rstrip(b"\0").decode() == f"2 {readonly}"
