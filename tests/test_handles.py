"""A handle is any value of the language: the very same one until its connection closes."""

import pytest

from languages import only, under_test

# The kinds of values, each with a test that only this very value passes.
HANDLES = under_test().pieces("handles", "kinds of values")
SAME = under_test().pieces("handles", "whether it is the same")
# Values by which connections cannot be told apart.
EQUAL = under_test().pieces("handles", "values that are equal")


def test_each_kind_has_its_check():
    assert HANDLES.keys() == SAME.keys() and len(HANDLES) >= 8


@pytest.mark.parametrize("kind", HANDLES)
def test_every_callback_gets_the_value_that_open_returned(serve, language, tmp_path, kind):
    script = language.script("handles", "checked", value=HANDLES[kind], same=SAME[kind])
    result = tmp_path / "calls"
    server = serve(script, f"result={result}")
    client = server.connect()
    client.pread(512, 0)
    client.pwrite(bytes(512), 0)
    client.flush()
    client.trim(512, 0)
    client.zero(512, 0)
    client.shutdown()
    assert server.stop() == (0, b"")
    assert set(result.read_text().split()) == {
        "get_size", "can_write", "can_flush", "can_trim", "is_rotational", "pread", "pwrite",
        "flush", "trim", "zero", "close",
    }  # fmt: skip


@pytest.mark.parametrize("fails", [False, True], ids=["closed", "close fails"])
def test_handles_of_connections_that_have_ended_take_no_memory(serve, language, fails):
    large = only(lua='return string.rep("x", 4194304)', tcl="return [string repeat x 4194304]")
    script = language.script("handles", "equal", value=EQUAL[next(iter(EQUAL))])
    script += language.define("open", large)
    if fails:
        script += language.define("close", language.error("not closed"))
    server = serve(script)
    for _ in range(50):
        server.connect().shutdown()
        # On a busy machine, several would be there at once.
        server.wait_idle()
    assert server.peak_memory() < 100 << 20
    _, log = server.stop()
    assert log.count(b"not closed") == (50 if fails else 0)


@pytest.mark.parametrize("value", EQUAL)
def test_connections_with_equal_handles_are_apart(serve, language, value):
    # When one such connection ends, those with an equal handle must go on.
    server = serve(language.script("handles", "equal", value=EQUAL[value]))
    clients = [server.connect() for _ in range(4)]
    while clients:
        for client in clients:
            assert client.pread(512, 0) == b"x" * 512
        clients.pop(0).shutdown()
    assert server.stop() == (0, b"")
