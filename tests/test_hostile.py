"""Scripts that use up memory, or change under the server, and clients that behave badly."""

import os
import signal
import subprocess
import sys

import nbd
import pytest

import nbdkit

DISK = """
    function open(readonly) return 1 end
    function get_size(h) return 65536 end
    function pread(h, count, offset)
        if offset == 0 then %s end
        return string.rep("x", count)
    end
"""


def goes_on(server, client):
    assert client.pread(512, 512) == b"x" * 512
    other = server.connect()
    assert other.pread(4096, 4096) == b"x" * 4096
    other.shutdown()
    assert client.pread(512, 1024) == b"x" * 512


@pytest.mark.parametrize(
    "body",
    [
        "string.rep('x', 2 ^ 30)",
        "local t = {} while true do t[#t + 1] = 1 end",
        "local t while true do t = { t } end",
        "local t = {} for i = 1, math.huge do t[i] = 'text ' .. i end",
        "local s = 'x' while true do s = s .. s end",
        "local f = string.rep while true do local g = f f = function() return g end end",
        # What is kept outlives the request, so memory stays short for the following ones.
        "kept = kept or {} while true do kept[#kept + 1] = { #kept } end",
        "while true do kept = { kept } end",
    ],
    ids=["rep", "table", "nested", "strings", "doubling", "closures", "kept", "kept small"],
)
def test_out_of_memory_fails_the_request(serve, body):
    server = serve(DISK % body, prefix=("prlimit", f"--as={512 << 20}"))
    # Both are there before memory is short: a new connection needs a thread, which may not be had.
    client, other = server.connect(), server.connect()
    # Where memory stays short there is none for what comes after either, so it is tried often.
    times = 10 if "kept" in body else 2
    for _ in range(times):
        with pytest.raises(nbd.Error) as error:
            client.pread(512, 0)
        assert error.value.errno in ("EIO", "ENOMEM")
        if "kept" not in body:
            assert client.pread(512, 512) == b"x" * 512
            assert other.pread(4096, 4096) == b"x" * 4096
    lines = server.errors()
    assert len(lines) == times
    for line in lines:
        assert line.startswith("nbdkit: lua[1]: error: pread: ")
        assert "not enough memory" in line
    code, _ = server.stop()
    assert code == 0


def test_script_that_replaces_its_callbacks_while_it_serves(serve):
    server = serve("""
        function open(readonly) return 1 end
        function get_size(h) return 65536 end
        function pread(h, count, offset) return string.rep("x", count) end
        function pwrite(h, buf, offset)
            local byte = buf:sub(1, 1)
            pread = function(h, count, offset) return string.rep(byte, count) end
        end
    """)
    client = server.connect()
    assert client.pread(4, 0) == b"xxxx"
    for byte in (b"a", b"b"):
        client.pwrite(byte * 512, 0)
        assert client.pread(4, 0) == byte * 4
        assert server.connect().pread(4, 0) == byte * 4
    assert server.errors() == []


def test_script_that_removes_its_callbacks_while_it_serves(serve):
    server = serve(DISK % "pwrite = nil flush = nil" + """
        function pwrite(h, buf, offset) end
        function flush(h) end
    """)
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
        "nbdkit: lua[1]: error: pwrite: this callback is not defined",
        "nbdkit: lua[1]: error: flush: this callback is not defined",
    ]
    # Who connects now sees a disk that cannot be written.
    assert server.connect().is_read_only()


def test_script_that_removes_a_required_callback_while_it_serves(serve):
    server = serve(DISK % "pread = nil")
    client = server.connect()
    assert client.pread(4, 0) == b"xxxx"
    with pytest.raises(nbd.Error):
        client.pread(4, 512)
    (line,) = server.errors()
    assert line.startswith("nbdkit: lua[1]: error: pread: ")
    assert server.stop()[0] == 0


VANISH = """
    function open(readonly) return 1 end
    function get_size(h) return 65536 end
    function pread(h, count, offset)
        if offset == 0 then
            io.open("%(inside)s", "w"):close()
            repeat
                os.execute("sleep 0.01")
                local go = io.open("%(go)s")
            until go
        end
        return string.rep("x", count)
    end
    function close(h) io.open("%(closed)s", "a"):write("closed\\n") end
"""


def client_process(code, uri):
    """A client in a process of its own, that can be killed."""
    return subprocess.Popen(
        [sys.executable, "-c", f"import nbd\nh = nbd.NBD()\nh.connect_uri({uri!r})\n{code}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def test_client_that_is_killed_in_the_middle_of_a_request(serve, tmp_path):
    paths = {name: tmp_path / name for name in ("inside", "go", "closed")}
    server = serve(VANISH % paths)
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


def test_fifty_connections_one_after_the_other_and_at_once(serve):
    server = serve(DISK % "")
    for _ in range(50):
        client = server.connect()
        assert client.pread(512, 512) == b"x" * 512
        client.shutdown()
    clients = [server.connect() for _ in range(50)]
    for client in clients:
        assert client.pread(512, 512) == b"x" * 512
    assert server.stop() == (0, b"")


def test_client_that_hangs_up_without_a_word(serve):
    server = serve(DISK % "")
    for _ in range(20):
        with client_process("h.pread(512, 512)\nimport os\nos._exit(0)", server.uri) as client:
            pass
        assert client.returncode == 0
    goes_on(server, server.connect())
    assert server.stop() == (0, b"")


def test_sigterm_under_load(serve):
    server = serve(DISK % "" + "function pwrite(h, buf, offset) end\n")
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
