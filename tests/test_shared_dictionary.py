"""The dictionary that all interpreters of a server share, `nbdkit.shared` in Lua."""

import functools

import pytest

from crowd import InFlight, at_once
from evaluating import evaluator
from languages import only

REFUSED = only(lua=lambda word: f"nil {word}", tcl=lambda word: None)


class Dictionary:
    """Its operations, as calls in the language; their results come back as text."""

    def __init__(self, evaluate):
        self.evaluate = evaluate

    def __getattr__(self, operation):
        def call(*arguments):
            return self.evaluate.answer(self.evaluate.language.shared(operation, *arguments))

        return call

    def error(self, operation, *arguments):
        return self.evaluate.message(self.evaluate.language.shared(operation, *arguments))


@pytest.fixture
def evaluate(serve, language):
    return evaluator(serve, language)


@pytest.fixture
def shared(evaluate):
    return Dictionary(evaluate)


TRUE, FALSE = only(lua=("true", "false"), tcl=("1", "0"))
# The result if there is no value: other languages pass a default for it.
ABSENT = only(lua=((), "nil"), tcl=(("none",), "none"))


def get(shared, key):
    default, absent = ABSENT
    found = shared.get(key, *default)
    return None if found == absent else found


def test_set_and_get(shared):
    assert get(shared, "k") is None
    shared.set("k", "v")
    assert shared.get("k") == "v"
    for value, text in ((5, "5"), (0.5, "0.5"), ("", ""), (2**40, str(2**40)), (-1, "-1")):
        shared.set("k", value)
        assert shared.get("k") == text
    shared.delete("k")
    assert get(shared, "k") is None


def test_keys_and_values_are_any_bytes(evaluate, language, shared):
    evaluate.run(language.shared("set", b"a\0b", b"x\0\xff"))
    assert evaluate.bytes(language.answer(language.shared("get", b"a\0b"))) == b"x\0\xff"
    assert get(shared, "a") is None
    shared.set("", "empty")
    assert shared.get("") == "empty"
    long = "k" * 10000
    shared.set(long, long)
    assert shared.get(long) == long


def test_add_and_replace(shared):
    assert shared.replace("k", 1).split()[0] == FALSE
    assert shared.add("k", 1).split()[0] == TRUE
    assert shared.add("k", 2).split()[0] == FALSE
    assert shared.get("k") == "1"
    assert shared.replace("k", 3).split()[0] == TRUE
    assert shared.get("k") == "3"
    shared.rpush("list", 1)
    assert shared.add("list", 2).split()[0] == FALSE
    shared.replace("list", 2)
    assert shared.get("list") == "2"


def test_delete_and_flush_all(shared):
    shared.set("k", 1)
    shared.rpush("list", 1)
    for key in ("k", "list", "never"):
        shared.delete(key)
    assert get(shared, "k") is None
    assert shared.llen("list") == "0"
    shared.set("a", 1)
    shared.rpush("b", 1)
    shared.flush_all()
    assert get(shared, "a") is None
    assert shared.llen("b") == "0"


def test_incr(shared):
    assert shared.incr("n", 1, 10) == "11"
    assert shared.incr("n", -3, 100) == "8"
    assert shared.incr("n", 0.5) == "8.5"
    assert shared.get("n") == "8.5"


def test_lists(shared):
    assert [shared.rpush("l", 2), shared.rpush("l", "three"), shared.lpush("l", "one")] == [
        "1", "2", "3",
    ]  # fmt: skip
    assert shared.llen("l") == "3"
    assert (shared.lpop("l"), shared.rpop("l"), shared.llen("l")) == ("one", "three", "1")
    assert (shared.lpop("l"), shared.llen("l")) == ("2", "0")
    default, absent = ABSENT
    assert shared.lpop("l", *default) == shared.rpop("l", *default) == absent
    shared.set("l", "one")
    assert shared.get("l") == "one"


REFUSALS = {
    "not found": [("ttl", "none"), ("expire", "none", 5), ("incr", "none", 1)],
    "not a number": [("incr", "word", 1), ("incr", "list", 1, 0)],
    "value is a list": [("get", "list")],
    "value not a list": [("lpush", "word", 1), ("rpush", "word", 1), ("lpop", "word"),
                         ("rpop", "word"), ("llen", "word")],
}  # fmt: skip


@pytest.mark.parametrize("reason, call", [(r, call) for r in REFUSALS for call in REFUSALS[r]])
def test_what_cannot_be_done_says_why(shared, reason, call):
    shared.set("word", "five")
    shared.rpush("list", 1)
    operation, *arguments = call
    if REFUSED(reason):
        # It is reported, but not as an error.
        assert getattr(shared, operation)(*arguments) == REFUSED(reason)
    else:
        assert shared.error(*call) == f"nbdkit::shared {operation}: {reason}"
    assert (shared.get("word"), shared.llen("list")) == ("five", "1")


def test_keys_with_a_time_to_live_expire(evaluate, language, shared):
    shared.set("k", 1, 0.02)
    evaluate.run(language.script("shared_dictionary", "until it is gone"))
    assert shared.add("k", 2).split()[0] == TRUE


def test_time_to_live(shared):
    shared.set("k", 1)
    assert float(shared.ttl("k")) == 0
    shared.set("k", 1, 1000)
    assert 900 < float(shared.ttl("k")) <= 1000
    shared.expire("k", 2000)
    assert float(shared.ttl("k")) > 1900
    shared.incr("k", 1)
    assert float(shared.ttl("k")) > 1900
    shared.expire("k", 0)
    assert float(shared.ttl("k")) == 0
    shared.set("k", 2, 500)
    shared.set("k", 2)
    assert float(shared.ttl("k")) == 0


def test_get_keys(evaluate, language):
    evaluate.run(language.script("shared_dictionary", "many keys"))
    for most, count in (((), 1024), ((1,), 1), ((0,), 2000), ((5,), 5)):
        call = language.shared("get_keys", *most)
        length = language.script("shared_dictionary", "how many", list=language.literal(call))
        assert evaluate.value(length) == str(count)


def test_values_survive_the_connection_that_set_them(evaluate, shared):
    shared.set("k", "v")
    evaluate.server.disconnect()
    evaluate.client = evaluate.server.connect()
    assert shared.get("k") == "v"


def test_two_servers_share_nothing(serve, language):
    first, second = Dictionary(evaluator(serve, language)), Dictionary(evaluator(serve, language))
    first.set("k", "first")
    assert get(second, "k") is None


AMOUNT = "argument 2 (the amount): found"
WRONG = [
    (("get",), "argument 1 (the key): found nothing, expected a string"),
    (("set", "k", 1, -1), "-1 is no time for a key to live"),
    (("set", "k", 1, 1, 1), "4 arguments, expected at most 3"),
    (("add", "k"), "argument 2 (the value"),
    (("replace", "k"), "argument 2 (the value"),
    (("delete",), "argument 1 (the key)"),
    (("delete", "k", "l"), "2 arguments"),
    (("incr", "k"), f"{AMOUNT} nothing, expected a number"),
    (("incr", "k", "x"), AMOUNT + only(lua=" string", tcl=' "x"') + ", expected a number"),
    (("incr", "k", 1, "x"), "argument 3 (the initial value): found"),
    (("incr", "k", 1, 0, 0), "4 arguments, expected at most 3"),
    (("lpush", "l"), "argument 2 (the value"),
    (("lpush", "l", 1, 2), "3 arguments"),
    (("rpush", "l"), "argument 2 (the value"),
    (("lpop",), "argument 1 (the key)"),
    (("rpop",), "argument 1 (the key)"),
    (("llen",), "argument 1 (the key)"),
    (("llen", "l", 1), "2 arguments"),
    (("ttl",), "argument 1 (the key)"),
    (("ttl", "k", 1), "2 arguments"),
    (("expire", "k", "x"), "argument 2 (the seconds that it lives): found"),
    (("expire", "k", -0.5), "-0.5 is no time for a key to live"),
    (("expire", "k", 1, 1), "3 arguments, expected at most 2"),
    (("get_keys", "x"), "argument 1 (the greatest number of keys): found"),
    (("get_keys", 1.5), "argument 1 (the greatest number of keys): found"),
    (("get_keys", 1, 2), "2 arguments, expected at most 1"),
    (("flush_all", 1), "1 arguments, expected at most 0"),
]


@pytest.mark.parametrize("call, message", WRONG)
def test_wrong_arguments_are_refused_and_change_nothing(shared, call, message):
    shared.set("k", "kept")
    shared.rpush("l", "kept")
    name = only(lua=f"nbdkit.shared:{call[0]}", tcl=f"nbdkit::shared {call[0]}")
    found = shared.error(*call)
    assert found.startswith(f"{name}: {message}"), found
    assert (shared.get("k"), shared.llen("l")) == ("kept", "1")


def test_operations_of_many_interpreters_are_atomic(start, language, write_script):
    script = write_script(language.script("shared_dictionary", "many"))
    server = start(language.plugin, "interpreters=16", script)

    def write(number):
        requests = InFlight(server.connect())
        for index in range(50):
            requests.pwrite(b"x", number * 50 + index)
        requests.wait_for_all()

    at_once(*(functools.partial(write, number) for number in range(6)))
    found = server.connect().pread(512, 0).rstrip(b"\0").decode()
    assert found == f"{300 * 100} 0 1 16 0 {sum(range(300))}"
