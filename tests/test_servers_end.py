"""Servers end with their test, even if one of them cannot be stopped."""

import pytest

import nbdkit


class Fake:
    """The part of a server that `nbdkit.end` uses."""

    daemon = False

    def __init__(self, stop):
        self.stop, self.discarded = stop, False
        self.process = self

    def poll(self):
        return None

    def log(self):
        return b"its log"

    def discard(self):
        self.discarded = True


def hangs():
    raise TimeoutError("it does not end")


def test_a_server_that_cannot_be_stopped_leaves_none_behind():
    servers = [Fake(lambda: (0, b"")), Fake(hangs), Fake(lambda: (1, b"")), Fake(lambda: (0, b""))]
    with pytest.raises(AssertionError, match="it does not end.*its log"):
        nbdkit.end(servers)
    assert all(server.discarded for server in servers)


def test_servers_that_end_well():
    servers = [Fake(lambda: (0, b""))] * 2
    nbdkit.end(servers)
    assert servers[0].discarded
