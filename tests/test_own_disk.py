"""A disk in a buffer of one of several interpreters draws a warning, once."""

import nbd
import pytest

from languages import only, under_test

MISTAKES = {
    (version, name): body
    for version in (1, 2)
    for name, body in under_test().pieces("own_disk", f"mistakes, version {version}").items()
}
RIGHT = under_test().pieces("own_disk", "right")
SEVERAL = ["serialize_requests", "parallel"]
DISK = only(lua="nbdkit.disk", tcl="nbdkit::disk")


@pytest.fixture
def disk(many, language):
    def disk(count, body, version=2, model="serialize_requests"):
        script = language.script("own_disk", "disk", version=version, model=model, body=body)
        return many(count, script)

    return disk


def written(server):
    """Writes from several connections; returns the errors in the log."""
    for _ in range(2):
        client = server.connect()
        for offset in (0, 512, 0):
            client.pwrite(b"x" * 512, offset)
        client.shutdown()
    return server.errors()


@pytest.mark.parametrize("model", SEVERAL)
@pytest.mark.parametrize("version, name", MISTAKES)
def test_it_is_warned_of_once(disk, language, version, name, model):
    # The first write in an interpreter makes the page, which is older than the second.
    server = disk(2, MISTAKES[version, name], version, model)
    (line,) = written(server)
    assert line.startswith(f"nbdkit: {language.name}")
    assert line.endswith(
        "error: warning: pwrite has written into a buffer that one interpreter of several has, "
        f"and the others do not see it: expected {DISK}, which is the same for all of them"
    )


@pytest.mark.parametrize(
    "count, model",
    [(1, "serialize_requests"), (1, "parallel"), (16, "serialize_all_requests"),
     (16, "serialize_connections")],
)  # fmt: skip
def test_one_interpreter_has_all_that_there_is(disk, count, model):
    assert written(disk(count, MISTAKES[2, "copy"], 2, model)) == []


@pytest.mark.parametrize("model", SEVERAL)
@pytest.mark.parametrize("name", RIGHT)
def test_no_warning_without_a_mistake(disk, name, model):
    assert written(disk(2, RIGHT[name], 2, model)) == []


def test_a_write_that_fails_is_no_mistake(disk, language):
    server = disk(2, MISTAKES[2, "copy"] + "\n" + language.error("not written"))
    client = server.connect()
    for offset in (0, 512, 0):
        with pytest.raises(nbd.Error):
            client.pwrite(b"x" * 512, offset)
    lines = server.errors()
    assert len(lines) == 3 and all(line.endswith("not written") for line in lines), lines


def test_other_requests_may_write_into_buffers_of_their_interpreter(disk, language):
    body = "" + language.define("flush", only(lua="own:fill(0, 1)", tcl="$::own fill 0 1"), 2)
    server = disk(2, only(lua="end " + body + " local function f()", tcl="}\n" + body + "proc f {} {"))
    client = server.connect()
    client.flush()
    client.pwrite(b"x" * 512, 0)
    assert server.errors() == []
