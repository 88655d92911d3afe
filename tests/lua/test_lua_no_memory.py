"""Scripts that use up Lua's memory, catch the error, and go on. Tcl has no such error."""

import nbd
import pytest

import nbdkit
from short_of_memory import (
    LIMIT,
    TIMES,
    WAYS,
    fails_and_goes_on,
    fails_in_time_and_goes_on,
    not_luajit,
    slow_lua,
    serve_way,
)

pytestmark = not_luajit


@pytest.mark.parametrize("how", ["filled before", "filled before, and caught"])
@pytest.mark.parametrize("way", WAYS)
def test_a_script_that_has_filled_the_memory_itself(
    serve, start, language, write_script, way, how
):
    body = language.script("lua_no_memory", how, way=WAYS[way])
    if slow_lua and how == "filled before, and caught":
        fails_in_time_and_goes_on(start, language, write_script, body)
    else:
        fails_and_goes_on(serve_way(serve, language, body), ["ENOMEM", "EIO"], times=5)


@pytest.mark.parametrize(
    "way",
    [
        "nbdkit.file('x', s)",
        "nbdkit.file(s, 'r')",
        "nbdkit.file('/' .. s, 'create', 5)",
        r"nbdkit.file('/' .. ('\255'):rep(#s), 'r')",
        "nbdkit.parse_delay(s, s)",
        "nbdkit.parse_probability(s, 'x')",
        "nbdkit.parse_int(s, '300', 'uint8_t')",
        "nbdkit.parse_int(s, s)",
        "nbdkit.parse_size(s)",
    ],
)
def test_a_text_that_a_message_would_repeat(serve, language, way):
    body = language.script("lua_no_memory", "a text that grows", way=way)
    fails_and_goes_on(serve_way(serve, language, body), ["ENOMEM"], times=5)


@pytest.mark.parametrize(
    "metamethod",
    [
        "__tostring = function() return s end",
        "__tostring = setmetatable({}, { __call = function() return s end })",
        "__tostring = function() error(s, 0) end",
        "__index = function() error(s, 0) end",
    ],
)
@pytest.mark.parametrize("value", ["table", "userdata"])
def test_a_long_text_that_describes_an_error(serve, language, metamethod, value):
    piece = "a long text that describes an error"
    body = language.script("lua_no_memory", f"{piece}, of a {value}", metamethod=metamethod)
    fails_and_goes_on(serve_way(serve, language, body), ["ENOMEM", "EIO"], times=5)


def test_lists_that_there_is_no_memory_for(start, language, write_script):
    """Return values other than data. The client gets an error or the value; the server goes on."""
    script = write_script(language.script("lua_no_memory", "lists"))
    server = start(language.plugin, script, prefix=LIMIT)
    client = server.connect()
    for _ in range(TIMES):
        with pytest.raises(nbd.Error) as error:
            client.block_status(65536, 0, lambda *_: None)
        assert error.value.errno == "ENOMEM"
    for _ in range(5):
        lister = nbd.NBD()
        lister.set_opt_mode(True)
        lister.connect_uri(server.uri)
        with pytest.raises(nbd.Error):
            lister.opt_list(lambda *_: None)
        lister.opt_abort()
    assert client.pread(4, 512) == b"xxxx"
    code, log = server.stop()
    assert code == 0
    for callback in ("extents", "list_exports"):
        assert any(f"{callback}: " in line for line in nbdkit.error_lines(log))
