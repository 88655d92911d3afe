"""`nbdkit.shared` in Lua: methods, which return nil and a word if they did nothing."""

import nbd
import pytest

from evaluating import evaluator

SHARED = "local s = nbdkit.shared "


@pytest.fixture
def lua(serve, language):
    return evaluator(serve, language)


@pytest.fixture
def run(lua):
    """The result of each piece of code, in order."""
    return lambda *pieces: [lua.value(SHARED + piece) for piece in pieces]


def test_set_and_get(run):
    assert run(
        'return s:get("k")',
        'return s:set("k", "v")', 'return s:get("k")',
        'return s:set("k", 5), s:get("k")',
        'return s:set("k", 0.5), s:get("k")',
        'return s:set("k", true), s:get("k")',
        'return s:set("k", false), s:get("k")',
        'return s:set("k", ""), #s:get("k")',
        'return s:set("k", nil), s:get("k")',
        'return s:set("k", "v"), s:set("k"), s:get("k")',
    ) == [
        "nil", "true", "v", "true 5", "true 0.5", "true true", "true false", "true 0", "true nil",
        "true true nil",
    ]  # fmt: skip


def test_keys_and_values_are_any_bytes(run):
    assert run(
        's:set("a\\0b", "x\\0\\255") return s:get("a\\0b") == "x\\0\\255", s:get("a")',
        's:set("", "empty") return s:get("")',
        'local long = string.rep("k", 100000) s:set(long, long) return s:get(long) == long',
    ) == ["true nil", "empty", "true"]


def test_a_key_that_is_a_number_is_its_text(run):
    # As in Lua's own functions: string.rep(5, 2).
    assert run(
        's:set(5, "v") return s:get("5"), s:get(5)',
        's:set(0.5, "half") return s:get("0.5")',
        's:set(2 ^ 53, "float") return s:get(tostring(2 ^ 53))',
        'return s:incr(7, 1, 0), s:get("7")',
        's:rpush(8, "a") return s:llen("8"), s:lpop(8)',
        'return s:replace(5, "w"), s:delete(5), s:get("5")',
    ) == ["v v", "half", "float", "1 1", "1 a", "true true nil"]


def test_add_and_replace(run):
    assert run(
        'return s:replace("k", 1)', 'return s:add("k", 1)', 'return s:add("k", 2)',
        'return s:get("k")', 'return s:replace("k", 3)', 'return s:get("k")',
        's:rpush("list", 1) return s:add("list", 2)',
        'return s:replace("list", 2), s:get("list")',
    ) == [
        "false not found", "true nil", "false exists", "1", "true nil", "3", "false exists",
        "true 2",
    ]  # fmt: skip


def test_delete_and_flush_all(run):
    assert run(
        's:set("k", 1) s:rpush("list", 1) return s:delete("k"), s:get("k")',
        'return s:delete("list"), s:llen("list")',
        'return s:delete("never")',
        's:set("a", 1) s:rpush("b", 1) return s:flush_all(), s:get("a"), s:llen("b")',
        "return #s:get_keys()",
    ) == ["true nil", "true 0", "true", "true nil 0", "0"]


def test_incr(run):
    assert run(
        'return s:incr("n", 1)', 'return s:incr("n", 1, 10)', 'return s:incr("n", -3, 100)',
        'return s:incr("n", 0.5)', 'return s:get("n")',
        's:set("word", "5") return s:incr("word", 1)',
        's:rpush("list", 1) return s:incr("list", 1, 0)',
        's:set("yes", true) return s:incr("yes", 1, 0)',
    ) == [
        "nil not found", "11", "8", "8.5", "8.5", "nil not a number", "nil not a number",
        "nil not a number",
    ]  # fmt: skip


def test_lists(run):
    assert run(
        'return s:rpush("l", 2), s:rpush("l", "three"), s:lpush("l", true)',
        'return s:llen("l")', 'return s:lpop("l"), s:rpop("l"), s:llen("l")',
        'return s:lpop("l"), s:lpop("l"), s:rpop("l"), s:llen("l")',
        'return s:get("l")',
        's:rpush("l", 1) return s:get("l")',
        's:set("k", 1) return s:lpush("k", 1)', 'return s:rpush("k", 1)', 'return s:lpop("k")',
        'return s:rpop("k")', 'return s:llen("k")', 'return s:llen("none")',
        's:set("l", "one") return s:get("l")',
    ) == [
        "1 2 3", "3", "true three 1", "2 nil nil 0", "nil", "nil value is a list",
        *["nil value not a list"] * 5, "0", "one",
    ]  # fmt: skip


def test_keys_with_a_time_to_live_expire(run):
    gone = "while {} do nbdkit.nanosleep(0.001) end "
    assert run(
        's:set("k", 1, 0.02) ' + gone.format('s:get("k")') + 'return s:get("k"), s:add("k", 2)',
        's:set("k", 1, 0.02) ' + gone.format('s:ttl("k")') + 'return s:ttl("k")',
        's:set("n", 1, 0.02) ' + gone.format('s:get("n")') + 'return s:incr("n", 1, 5)',
        's:add("a", 1, 0.02) ' + gone.format('s:get("a")') + 'return s:replace("a", 1)',
        's:rpush("l", 1) s:expire("l", 0.02) ' + gone.format('s:llen("l") > 0')
        + 'return s:rpush("l", 2)',
        's:flush_all() s:set("k", 1, 0.02) ' + gone.format("#s:get_keys() > 0")
        + "return #s:get_keys()",
    ) == ["nil true nil", "nil not found", "6", "false not found", "1", "0"]  # fmt: skip


def test_time_to_live(run):
    assert run(
        'return s:ttl("k")', 'return s:expire("k", 5)',
        's:set("k", 1) return s:ttl("k")',
        's:set("k", 1, 0) return s:ttl("k")',
        's:set("k", 1, 1000) local left = s:ttl("k") return left > 900 and left <= 1000',
        'return s:expire("k", 2000), s:ttl("k") > 1900',
        'return s:expire("k", 0), s:ttl("k")',
        's:expire("k", 500) s:incr("k", 1) return s:ttl("k") > 400, s:get("k")',
        's:set("k", 2) return s:ttl("k")',
        's:set("k", 1, 1e15) return s:get("k")',
    ) == [
        "nil not found", "nil not found", "0", "0", "true", "true true", "true 0", "true 2", "0",
        "1",
    ]  # fmt: skip


def test_get_keys(run):
    assert run(
        "return #s:get_keys()",
        's:set("a", 1) s:rpush("b", 1) local k = s:get_keys() table.sort(k) '
        "return #k, k[1], k[2]",
        "return #s:get_keys(1), #s:get_keys(0), #s:get_keys(5)",
        "for i = 1, 2000 do s:set('k' .. i, i) end return #s:get_keys(), #s:get_keys(0)",
    ) == ["0", "2 a b", "1 2 2", "1024 2002"]


def test_integers_stay_integers(run, language):
    if not language.integers:
        assert run('s:set("n", 2 ^ 53) return s:get("n")') == ["9007199254740992"]
        return
    assert run(
        's:set("n", 1) return math.type(s:get("n")), math.type(s:incr("n", 1))',
        's:set("n", 1.0) return math.type(s:get("n")), math.type(s:incr("n", 1))',
        's:set("n", 1) return math.type(s:incr("n", 1.0))',
        's:set("n", 2^53 | 0) return s:incr("n", 1)',
        's:set("n", math.maxinteger) return s:get("n") == math.maxinteger',
        's:set("n", math.mininteger) return s:get("n") == math.mininteger',
        # Past 64 bits it becomes a float, and does not wrap around.
        's:set("n", math.maxinteger) local n = s:incr("n", 1) return math.type(n), n == 2.0^63',
        's:rpush("l", 7) s:rpush("l", 7.0) return math.type(s:lpop("l")), math.type(s:lpop("l"))',
    ) == [
        "integer integer", "float float", "float", "9007199254740993", "true", "true",
        "float true", "integer float",
    ]  # fmt: skip


STRING = "expected a string"
VALUE = "argument 2 (the value, a string, a number or a boolean): found"
WRONG = {
    "get": [
        ("", f"argument 1 (the key): found nothing, {STRING}"),
        ("true", f"argument 1 (the key): found boolean, {STRING}"),
        ("{}", f"argument 1 (the key): found table, {STRING}"),
        ("'k', 1", "2 arguments, expected at most 1"),
    ],
    "set": [
        ("nil, 1", f"argument 1 (the key): found nil, {STRING}"),
        ("'k', {}", f"{VALUE} table, {STRING}"),
        ("'k', print", f"{VALUE} function, {STRING}"),
        ("'k', 1, 'x'", "argument 3 (the seconds that it lives): found string, expected a number"),
        ("'k', 1, -1", "-1 is no time for a key to live"),
        ("'k', 1, 0/0", "NaN is no time for a key to live"),
        ("'k', 1, 1e300", "1e300 is no time for a key to live"),
        ("'k', 1, 1, 1", "4 arguments, expected at most 3"),
    ],
    "add": [("'k'", "argument 2 (the value"), ("'k', nil", "argument 2 (the value")],
    "replace": [("'k'", "argument 2 (the value"), ("nil, 5", "argument 1 (the key): found nil")],
    "delete": [("", "argument 1 (the key)"), ("'k', 'l'", "2 arguments")],
    "incr": [
        ("'k'", "argument 2 (the amount): found nothing, expected a number"),
        ("'k', '1'", "argument 2 (the amount): found string, expected a number"),
        ("'k', 1, '0'", "argument 3 (the initial value): found string, expected a number"),
        ("'k', 1, 0, 0", "4 arguments, expected at most 3"),
    ],
    "lpush": [("'l'", "argument 2 (the value"), ("'l', 1, 2", "3 arguments")],
    "rpush": [("'l', nil", "argument 2 (the value"), ("{}, 1", "argument 1 (the key)")],
    "lpop": [("", "argument 1 (the key)"), ("'l', 1", "2 arguments")],
    "rpop": [("true", "argument 1 (the key): found boolean"), ("'l', 1", "2 arguments")],
    "llen": [("print", "argument 1 (the key): found function"), ("'l', 1", "2 arguments")],
    "ttl": [("", "argument 1 (the key)"), ("'k', 1", "2 arguments")],
    "expire": [
        ("'k', 'x'", "argument 2 (the seconds that it lives): found string"),
        ("'k', -0.5", "-0.5 is no time for a key to live"),
        ("'k', 1, 1", "3 arguments, expected at most 2"),
    ],
    "get_keys": [
        ("'x'", "argument 1 (the greatest number of keys): found string, expected a whole number"),
        ("1.5", "argument 1 (the greatest number of keys): found 1.5, expected a whole number"),
        ("1, 2", "2 arguments, expected at most 1"),
    ],
    "flush_all": [("1", "1 arguments, expected at most 0")],
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_refused_and_change_nothing(lua, name):
    lua.run('nbdkit.shared:set("k", "kept") nbdkit.shared:rpush("l", "kept")')
    for arguments, message in WRONG[name]:
        line = lua.error(f"\nnbdkit.shared:{name}({arguments})")
        assert line.startswith(f"code:2: nbdkit.shared:{name}: {message}"), (arguments, line)
    kept = 'return nbdkit.shared:get("k"), nbdkit.shared:llen("l"), #nbdkit.shared:get_keys()'
    assert lua.value(kept) == "kept 1 2"


@pytest.mark.parametrize("name", WRONG)
def test_a_dot_in_place_of_a_colon(lua, name):
    for arguments in ("", "'k'", "'k', 1"):
        line = lua.error(f"nbdkit.shared.{name}({arguments})")
        assert line == (
            f"code:1: nbdkit.shared:{name}: call it with a colon: nbdkit.shared:{name}(...)"
        )


def test_values_survive_the_connection_that_set_them(lua):
    lua.run('nbdkit.shared:set("k", "v")')
    lua.server.disconnect()
    lua.client = lua.server.connect()
    assert lua.value('return nbdkit.shared:get("k")') == "v"


def test_two_servers_share_nothing(serve, language):
    first, second = evaluator(serve, language), evaluator(serve, language)
    first.run('nbdkit.shared:set("k", "first")')
    assert second.value('return nbdkit.shared:get("k"), #nbdkit.shared:get_keys()') == "nil 0"


def test_an_error_in_between_leaves_the_dictionary_usable(lua):
    for _ in range(100):
        with pytest.raises(nbd.Error):
            lua.run("nbdkit.shared:set('k', {})")
    assert lua.value("return nbdkit.shared:incr('k', 1, 0)") == "1"
