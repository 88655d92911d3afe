"""The four thread models: how many interpreters there are, and what runs at the same time."""

import threading

import nbd
import pytest

import nbdkit
from counting import MEETING, facts, most_at_once, nothing_mixed_up, per_interpreter
from crowd import InFlight, at_once

MODELS = ["serialize_connections", "serialize_all_requests", "serialize_requests", "parallel"]


@pytest.fixture
def counting(start, language, write_script):
    def counting(model, *, interpreters=None, addition="", **options):
        script = write_script(language.script("counting") + addition)
        count = [] if interpreters is None else [f"interpreters={interpreters}"]
        chosen = [] if model is None else [f"model={model}"]
        return start(language.plugin, *count, script, *chosen, **options)

    return counting


def read_many(client, count, at_once_too):
    """Reads `count` times with all requests in flight, each waiting for this many at work."""
    requests = InFlight(client)
    for _ in range(count):
        requests.pread(512, at_once_too, check_bytes)
    requests.wait_for_all()


def check_bytes(data):
    assert data == b"x" * 512


def effective_model(server):
    (line,) = [line for line in server.log().decode().splitlines() if "using thread model" in line]
    return line.split()[-1]


@pytest.mark.parametrize("number, name", list(enumerate(MODELS)))
def test_a_model_is_named_by_number_or_by_word(counting, number, name):
    assert effective_model(counting(number, verbose=True)) == name
    assert effective_model(counting(name, verbose=True)) == name


def test_the_default_is_one_request_and_one_interpreter(counting, language):
    without_a_model = language.without("thread_model")
    server = counting(None, interpreters=4, addition=without_a_model, verbose=True)
    assert effective_model(server) == "serialize_all_requests"
    clients = [server.connect() for _ in range(4)]
    at_once(*(lambda c=client: read_many(c, 8, 0) for client in clients))
    known = facts(clients[0])
    assert known["interpreters"] == 1
    assert most_at_once(known) == 1
    assert nothing_mixed_up(known)
    assert per_interpreter(known, "reads") == {1: 32}


def test_all_connections_see_the_globals_of_one_interpreter(serve, language):
    server = serve(language.script("thread_models", "last write"))
    clients = [server.connect() for _ in range(5)]
    assert clients[0].pread(5, 0) == b"none."
    for writer in clients:
        text = b"by %d" % clients.index(writer)
        writer.pwrite(text, 0)
        assert {bytes(client.pread(4, 0)) for client in clients} == {text}


@pytest.mark.parametrize("name", MODELS[:2])
def test_a_serial_model_has_one_interpreter_however_many_are_asked_for(counting, name):
    client = counting(name, interpreters=16).connect()
    read_many(client, 10, 1)
    known = facts(client)
    assert (known["interpreters"], most_at_once(known)) == (1, 1)
    assert nothing_mixed_up(known)


def test_serialize_connections_has_the_next_client_wait_for_the_last_one_to_close(counting):
    server = counting("serialize_connections")
    first = server.connect()
    served = []
    event = threading.Event()

    def second():
        event.set()
        client = server.connect()
        served.append(facts(client))
        client.shutdown()

    thread = threading.Thread(target=second)
    thread.start()
    event.wait()
    for _ in range(100):
        first.pread(512, 0)
        assert facts(first)["opened"] == 1
    assert served == []
    first.shutdown()
    thread.join()
    (known,) = served
    assert (known["opened"], known["closed"], known["interpreters"]) == (2, 1, 1)
    assert nothing_mixed_up(known)


def test_serialize_requests_is_one_request_of_a_connection_but_several_connections(counting):
    server = counting("serialize_requests", interpreters=4)
    alone = server.connect()
    read_many(alone, 16, 0)
    assert most_at_once(facts(alone)) == 1
    others = [server.connect() for _ in range(3)]
    # Nobody gets a reply before all four are at work. They use another meeting: the first one has
    # already counted those who came for the reads above.
    at_once(*(lambda c=client: read_many(c, 8, MEETING + 4) for client in [alone, *others]))
    known = facts(alone)
    assert known["interpreters"] == 4
    assert most_at_once(known) == 4
    assert nothing_mixed_up(known)
    # All requests of a connection run in the interpreter to which it belongs.
    assert per_interpreter(known, "reads") == {1: 24, 2: 8, 3: 8, 4: 8}
    assert per_interpreter(known, "open") == {1: 1, 2: 1, 3: 1, 4: 1}


def test_more_connections_than_interpreters_under_serialize_requests(counting):
    server = counting("serialize_requests", interpreters=3)
    clients = [server.connect() for _ in range(9)]
    at_once(*(lambda c=client: read_many(c, 8, 3) for client in clients))
    known = facts(clients[0])
    assert most_at_once(known) == 3
    assert nothing_mixed_up(known)
    # They are spread evenly, and a freed place is used again.
    assert per_interpreter(known, "open") == {1: 3, 2: 3, 3: 3}
    for client in clients[::3]:
        client.shutdown()
    nbdkit.wait_until(lambda: facts(clients[1]).get("closed", 0) == 3, "three connections to close")
    for _ in range(3):
        server.connect()
    known = facts(clients[1])
    assert known["opened"] == 12
    left = {
        number: opened - known.get(f"close {number}", 0)
        for number, opened in per_interpreter(known, "open").items()
    }
    assert left == {1: 3, 2: 3, 3: 3}


@pytest.mark.parametrize("interpreters", [3, 16])
def test_parallel_is_as_many_requests_of_one_connection_as_interpreters(counting, interpreters):
    server = counting("parallel", interpreters=interpreters)
    client = server.connect()
    assert facts(client)["interpreters"] == interpreters
    read_many(client, 2 * interpreters, min(interpreters, 16))
    known = facts(client)
    assert most_at_once(known) == interpreters
    assert nothing_mixed_up(known)
    assert set(per_interpreter(known, "reads")) == set(range(1, interpreters + 1))


def test_parallel_with_many_connections_never_has_two_requests_in_an_interpreter(counting):
    server = counting("parallel", interpreters=5)
    clients = [server.connect() for _ in range(12)]
    at_once(*(lambda c=client: read_many(c, 40, 5) for client in clients))
    known = facts(clients[0])
    assert most_at_once(known) == 5
    assert nothing_mixed_up(known)
    assert sum(per_interpreter(known, "reads").values()) == 12 * 40
    assert known["at work"] == 0


@pytest.mark.parametrize("name", MODELS[2:])
def test_with_one_interpreter_one_request_runs_at_once(counting, name):
    server = counting(name, interpreters=1)
    clients = [server.connect() for _ in range(4)]
    at_once(*(lambda c=client: read_many(c, 10, 1) for client in clients))
    known = facts(clients[0])
    assert (known["interpreters"], most_at_once(known)) == (1, 1)
    assert per_interpreter(known, "open") == {1: 4}
    assert nothing_mixed_up(known)


def test_there_are_several_interpreters_if_none_are_asked_for(counting):
    client = counting("parallel").connect()
    read_many(client, 16, 2)
    known = facts(client)
    assert known["interpreters"] >= most_at_once(known) > 1


@pytest.mark.parametrize("name", MODELS[2:])
def test_what_belongs_to_no_connection_goes_to_a_free_interpreter(counting, language, name):
    # A request occupies one of the two until another has listed the exports.
    listing = language.script("thread_models", "until listed")
    server = counting(name, interpreters=2, addition=listing)
    client = server.connect()
    other = nbd.NBD()
    other.set_opt_mode(True)
    other.connect_uri(server.uri)
    requests = InFlight(client)
    requests.pread(512, 0, check_bytes)
    names = []
    other.opt_list(lambda name, description: names.append(name) or 0)
    # It would have waited for ever for a list that had to wait for it.
    requests.wait_for_all()
    other.opt_abort()
    assert names == ["only"]
