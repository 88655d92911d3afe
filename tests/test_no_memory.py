"""Running out of memory fails one request: the server goes on, and serves what it still can."""

import nbd
import pytest

from languages import rust_plugin
from short_of_memory import (
    LIMIT,
    TIMES,
    WAYS,
    fails_and_goes_on,
    fails_in_time_and_goes_on,
    lua51,
    not_luajit,
    slow_lua,
    serve_way,
)


@not_luajit
@pytest.mark.parametrize("way", WAYS)
def test_a_request_without_memory_fails_alone(
    serve, start, language, write_script, way
):
    body = language.script("no_memory", "until it fails", way=WAYS[way])
    if slow_lua and way == "tables that are thrown":
        fails_in_time_and_goes_on(start, language, write_script, body)
        return
    lines = fails_and_goes_on(serve_way(serve, language, body), ["ENOMEM"])
    # nbdkit also logs what it has no memory for.
    lines = [line for line in lines if line.startswith(language.prefix("pread"))]
    # A read that should need no memory may have failed as well: see `reads_on`.
    assert TIMES <= len(lines) <= TIMES + (2 if lua51 else 1 if slow_lua else 0)


def test_deleting_makes_room(serve, language):
    """The same server can store new values once a script has dropped the old ones."""
    body = language.script("no_memory", "until it fails", way=WAYS["large values"])
    server = serve_way(serve, language, body, language.script("no_memory", "delete"))
    client = server.connect()
    for _ in range(3):
        with pytest.raises(nbd.Error):
            client.pread(512, 0)
        client.flush()
    code, _ = server.stop()
    assert code == 0


def test_a_plugin_in_rust(start):
    server = start(rust_plugin("ramdisk"), "size=1G", "-t", "1", prefix=LIMIT)
    client = server.connect()
    chunk = b"a" * (1 << 20)
    offset = 0
    with pytest.raises(nbd.Error) as error:
        while True:
            client.pwrite(chunk, offset)
            offset += len(chunk)
    assert error.value.errno == "ENOMEM"
    assert offset > 0
    for number in range(1, TIMES):
        with pytest.raises(nbd.Error) as error:
            client.pwrite(chunk, offset + number * len(chunk))
        assert error.value.errno == "ENOMEM"
        assert client.pread(512, 0) == chunk[:512]
    # A trim frees memory.
    client.trim(offset, 0)
    client.pwrite(chunk, 0)
    assert server.connect().pread(512, 0) == chunk[:512]
    code, _ = server.stop()
    assert code == 0
