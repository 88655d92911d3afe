"""Scripts that change under the server, and clients that behave badly."""

import os
import signal
import subprocess
import sys

import nbd
import pytest

import nbdkit
from checks import goes_on


def disk(language, body, addition=""):
    """A disk whose reads at 0 do this first."""
    return language.script("hostile", "disk", body=body) + addition


def test_script_that_replaces_its_callbacks_while_it_serves(serve, language):
    server = serve(language.script("hostile", "replaces pread"))
    client = server.connect()
    assert client.pread(4, 0) == b"xxxx"
    for byte in (b"a", b"b"):
        client.pwrite(byte * 512, 0)
        assert client.pread(4, 0) == byte * 4
        assert server.connect().pread(4, 0) == byte * 4
    assert server.errors() == []


def test_script_that_removes_its_callbacks_while_it_serves(serve, language):
    removing = language.without("pwrite") + language.without("flush")
    defined = language.define("pwrite", "") + language.define("flush", "")
    server = serve(disk(language, removing, defined))
    client = server.connect()
    client.pwrite(bytes(512), 0)
    client.flush()
    client.pread(512, 0)
    with pytest.raises(nbd.Error) as error:
        client.pwrite(bytes(512), 0)
    assert error.value.errno == "EPERM"
    with pytest.raises(nbd.Error) as error:
        client.flush()
    assert error.value.errno == "EINVAL"
    goes_on(server, client)
    assert server.errors() == [
        language.logged("pwrite", "this callback is not defined"),
        language.logged("flush", "this callback is not defined"),
    ]
    # A client that connects now sees a read-only disk.
    assert server.connect().is_read_only()


def test_script_that_removes_a_required_callback_while_it_serves(serve, language):
    server = serve(disk(language, language.without("pread")))
    client = server.connect()
    assert client.pread(4, 0) == b"xxxx"
    with pytest.raises(nbd.Error):
        client.pread(4, 512)
    (line,) = server.errors()
    assert line.startswith(language.prefix("pread"))
    assert server.stop()[0] == 0


def client_process(code, uri):
    """A client in a separate process, which can be killed."""
    return subprocess.Popen(
        [sys.executable, "-c", f"import nbd\nh = nbd.NBD()\nh.connect_uri({uri!r})\n{code}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def test_client_that_is_killed_in_the_middle_of_a_request(serve, language, tmp_path):
    paths = {name: tmp_path / name for name in ("inside", "go", "closed")}
    server = serve(language.script("hostile", "until told to go", **paths))
    with client_process("h.pread(65536, 0)", server.uri) as client:
        nbdkit.wait_until(paths["inside"].exists, "the request to be served")
        client.kill()
    paths["go"].touch()
    other = server.connect()
    assert other.pread(512, 512) == b"x" * 512
    other.shutdown()
    code, _ = server.stop()
    assert code == 0
    assert server.errors() == [] or all("error: write" in line for line in server.errors())


def test_fifty_connections_one_after_the_other_and_at_once(serve, language):
    server = serve(disk(language, ""))
    for _ in range(50):
        client = server.connect()
        assert client.pread(512, 512) == b"x" * 512
        client.shutdown()
    clients = [server.connect() for _ in range(50)]
    for client in clients:
        assert client.pread(512, 512) == b"x" * 512
    assert server.stop() == (0, b"")


def test_client_that_hangs_up_without_a_word(serve, language):
    server = serve(disk(language, ""))
    for _ in range(20):
        with client_process("h.pread(512, 512)\nimport os\nos._exit(0)", server.uri) as client:
            pass
        assert client.returncode == 0
    goes_on(server, server.connect())
    assert server.stop() == (0, b"")


def test_sigterm_under_load(serve, language):
    server = serve(disk(language, "", language.define("pwrite", "")))
    load = """
print("begun", flush=True)
while True:
    h.pread(65536, 0)
    h.pwrite(bytes(65536), 0)
"""
    clients = [client_process(load, server.uri) for _ in range(6)]
    try:
        for client in clients:
            assert client.stdout.readline() == b"begun\n"
        os.kill(server.pid, signal.SIGTERM)
        assert server.process.wait(nbdkit.DEADLINE) == 0
        for client in clients:
            assert client.wait(nbdkit.DEADLINE) != 0
    finally:
        for client in clients:
            client.kill()
            client.wait()
            client.stdout.close()
