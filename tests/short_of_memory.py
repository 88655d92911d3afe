"""Servers whose scripts take all the memory, in the ways of scripts/no_memory.*."""

import nbd
import pytest

import nbdkit
from languages import only, under_test

# nbdkit itself uses 200 MiB of addresses.
LIMIT = ("prlimit", f"--as={300 << 20}")
TIMES = 50

WAYS = under_test().pieces("no_memory", "ways")


# The engine itself may crash if a script catches errors when memory has run out.
not_luajit = pytest.mark.skipif(
    getattr(under_test(), "engine", None) == "luajit", reason="LuaJIT ends the process itself"
)


# When these run out of memory, they collect all garbage for each small allocation, which may take
# minutes, and leave nothing for the next request: this needs `time_limit=`.
slow_lua = getattr(under_test(), "engine", None) in {"lua52", "lua53", "lua55", "vendored55"}


# Its collector allocates, to make the table of strings smaller. If there is no memory for that, it
# fails after a call, even one that needs none.
lua51 = getattr(under_test(), "engine", None) == "lua51"


def serve_way(serve, language, body, after=""):
    """Serves a script that takes memory in this way when offset 0 is read."""
    return serve(language.script("no_memory", "disk", body=body) + after, prefix=LIMIT)


def fails_and_goes_on(server, errnos, times=TIMES):
    """Requests that find no memory, one client after another, and then one that needs none."""
    client = server.connect()
    for _ in range(times):
        with pytest.raises(nbd.Error) as error:
            client.pread(512, 0)
        assert error.value.errno in errnos, (error.value, server.log()[-300:])
    reads_on(client)
    # A client needs a thread, and memory for nbdkit. With Tcl, nothing is kept free for that.
    if only(lua=True, tcl=False):
        reads_on(server.connect())
    code, log = server.stop()
    assert code == 0
    return nbdkit.error_lines(log)


def reads_on(client):
    """What needs no memory is read, unless the engine has left nothing even for that."""
    try:
        assert client.pread(4, 512) == b"xxxx"
    except nbd.Error as error:
        assert (slow_lua or lua51) and error.errno == "ENOMEM", error


def fails_in_time_and_goes_on(start, language, write_script, body):
    """The same for a script that Lua never finishes; what is left may be too little for a read."""
    script = write_script(language.script("no_memory", "disk", body=body))
    server = start(language.plugin, "time_limit=1", script, prefix=LIMIT)
    client = server.connect()
    for _ in range(3):
        with pytest.raises(nbd.Error) as error:
            client.pread(512, 0)
        assert error.value.errno in {"ENOMEM", "EIO", "EINVAL"}
    code, log = server.stop()
    assert code == 0
    lines = nbdkit.error_lines(log)
    # The last is what nbdkit itself says.
    words = ("not enough memory", "no memory", "took longer than", "Cannot allocate memory")
    assert lines and all(any(word in line for word in words) for line in lines), lines
