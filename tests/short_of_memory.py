"""Servers of which scripts take all the memory, in the ways of scripts/no_memory.*."""

import nbd
import pytest

import nbdkit
from languages import under_test

# nbdkit itself has 200 MiB of addresses.
LIMIT = ("prlimit", f"--as={300 << 20}")
TIMES = 50

WAYS = under_test().pieces("no_memory", "ways")


def serve_way(serve, language, body, after=""):
    """Serves a script that takes memory in this way when it is read from offset 0."""
    return serve(language.script("no_memory", "disk", body=body) + after, prefix=LIMIT)


def fails_and_goes_on(server, errnos):
    """Requests that find no memory, one client after the other, and then one that needs none."""
    client = server.connect()
    for _ in range(TIMES):
        with pytest.raises(nbd.Error) as error:
            client.pread(512, 0)
        assert error.value.errno in errnos
    assert client.pread(4, 512) == b"xxxx"
    # A client needs a thread and memory of nbdkit's.
    assert server.connect().pread(4, 512) == b"xxxx"
    code, log = server.stop()
    assert code == 0
    return nbdkit.error_lines(log)
