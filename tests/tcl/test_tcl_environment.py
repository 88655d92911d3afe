"""`env`, which belongs to the process: one interpreter sets it while others run `exec`."""

import os

import pytest

from crowd import at_once
from evaluating import evaluator

# A write sets and unsets variables, and a read runs programs. A program sees all of them.
DISK = """
proc thread_model {} { return parallel }
proc plugin_open {readonly} { return handle }
proc get_size {h} { return 65536 }
proc pread {h count offset} {
    for {set i 0} {$i < 20} {incr i} {
        set found [exec sh -c {echo $TEST_STAYS}]
        if {$found ne "there"} { error "found <$found>" }
    }
    return [string repeat x $count]
}
proc pwrite {h buf offset} {
    for {set i 0} {$i < 500} {incr i} {
        # Each has its own variables: two interpreters that change the same one at once behave as in
        # plain Tcl.
        set ::env(TEST_${offset}_[expr {$i % 97}]) [string repeat $i 20]
        if {$i % 3 == 0} { unset -nocomplain ::env(TEST_${offset}_[expr {$i % 89}]) }
    }
}
"""


@pytest.mark.parametrize("daemon", [False, True], ids=["foreground", "daemon"])
def test_exec_while_others_change_the_environment(serve, daemon):
    server = serve(DISK, env={"TEST_STAYS": "there"}, daemon=daemon)
    clients = [server.connect() for _ in range(6)]

    def read(client):
        return lambda: [client.pread(512, 0) for _ in range(10)]

    def write(client, number):
        return lambda: [client.pwrite(bytes(512), 512 * number) for _ in range(20)]

    jobs = [read(client) for client in clients[:3]]
    jobs += [write(client, number) for number, client in enumerate(clients[3:])]
    at_once(*jobs)
    assert server.errors() == []


@pytest.fixture
def evaluating(serve, language):
    return evaluator(serve, language, env={"TEST_FIRST": "first", "TEST_EMPTY": ""})


def told(evaluating, name):
    """The value that a program finds, or nothing."""
    output = f"[exec sh -c {{echo ${{{name}-nothing}}}}]"
    return evaluating.value(f"encoding convertto [encoding system] {output}")


def test_the_environment_of_a_program(evaluating):
    assert told(evaluating, "TEST_FIRST") == "first"
    assert told(evaluating, "TEST_EMPTY") == ""
    for value in ("second", "", "a=b", "caf\u00e9", "second"):
        utf8 = f"[encoding convertto utf-8 {{{value}}}]"
        evaluating.run(f"set ::env(TEST_FIRST) [encoding convertfrom [encoding system] {utf8}]")
        assert told(evaluating, "TEST_FIRST") == value
    # Nearly the longest that a program can get.
    evaluating.run("set ::env(TEST_FIRST) [string repeat x 100000]")
    length = "string length [exec sh -c {echo $TEST_FIRST}]"
    assert evaluating.value(length) == "100000"
    evaluating.run("set ::env(TEST_FIRST) short")
    assert told(evaluating, "TEST_FIRST") == "short"
    evaluating.run("unset ::env(TEST_FIRST); unset ::env(TEST_EMPTY)")
    assert told(evaluating, "TEST_FIRST") == told(evaluating, "TEST_EMPTY") == "nothing"
    assert evaluating.value("info exists ::env(TEST_FIRST)") == "0"
    evaluating.run("array set ::env {TEST_FIRST third TEST_OTHER {}}; append ::env(TEST_FIRST) !")
    assert told(evaluating, "TEST_FIRST") == "third!"
    assert told(evaluating, "TEST_OTHER") == ""


def test_variables_that_come_and_go(evaluating):
    # More variables than there were at first, again and again.
    before = set(evaluating.value("array names ::env").split())
    assert before == os.environ.keys() | {"TEST_FIRST", "TEST_EMPTY"}
    for _ in range(3):
        evaluating.run("for {set i 0} {$i < 500} {incr i} { set ::env(TEST_$i) $i }")
        assert told(evaluating, "TEST_499") == "499"
        assert int(evaluating.value("exec env | grep -c ^TEST_")) == 502
        evaluating.run("for {set i 0} {$i < 500} {incr i} { unset ::env(TEST_$i) }")
        assert told(evaluating, "TEST_499") == "nothing"
        assert set(evaluating.value("array names ::env").split()) == before


def test_another_interpreter_sees_it(evaluating):
    evaluating.run("set ::env(TEST_FIRST) seen; unset ::env(TEST_EMPTY)")
    evaluating.run("set ::other [interp create]")
    assert evaluating.value("$::other eval {set ::env(TEST_FIRST)}") == "seen"
    assert evaluating.value("$::other eval {info exists ::env(TEST_EMPTY)}") == "0"
    # Tcl itself writes what that interpreter sets.
    evaluating.run("$::other eval {set ::env(TEST_FIRST) other; set ::env(TEST_EMPTY) back}")
    assert told(evaluating, "TEST_FIRST") == "other"
    evaluating.run("set ::env(TEST_FIRST) ours")
    assert told(evaluating, "TEST_FIRST") == "ours"
    assert told(evaluating, "TEST_EMPTY") == "back"
    assert evaluating.value("$::other eval {set ::env(TEST_FIRST)}") == "ours"
