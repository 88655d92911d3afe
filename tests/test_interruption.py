"""Callbacks that never end: the end of the server, a client that leaves, and the user's limits."""

import contextlib
import signal
import socket

import nbd
import pytest

import nbdkit
from languages import only, rust_plugin
from listening import tcp_server

LOOPS = only(
    lua=["a loop", "one that catches errors", "one in a coroutine", "coroutines again and again"],
    tcl=["a loop", "one that catches errors", "one in a coroutine", "one that waits"],
)
MODELS = ["serialize_connections", "serialize_all_requests", "serialize_requests", "parallel"]


def disk(language, notes, body, model="serialize_all_requests"):
    bodies = language.pieces("interruption", "loops") | language.pieces("interruption", "others")
    body = bodies[body]
    return language.script("interruption", "disk", notes=notes, body=body, model=model)


def begin(server, notes, offset=512):
    """A client whose read is running."""
    client = server.connect()
    client.aio_pread(nbd.Buffer(512), offset)

    def begun():
        client.poll(0)
        return notes.exists() and "begins" in notes.read_text()

    nbdkit.wait_until(begun, "a read to begin")
    return client


def terminate(server):
    """Ends the server while all clients are still there; returns the exit code and the log."""
    server.process.send_signal(signal.SIGTERM)
    server.process.wait(nbdkit.DEADLINE)
    return server.process.returncode, server.errors()


@pytest.mark.parametrize("loop", LOOPS)
def test_the_server_ends_whatever_a_callback_does(serve, language, tmp_path, loop):
    notes = tmp_path / "notes"
    server = serve(disk(language, notes, loop))
    begin(server, notes)
    code, log = terminate(server)
    assert code == 0
    assert [line for line in log if "interrupted: the server is ending" in line], log
    assert notes.read_text().split() == ["begins", "close", "cleanup"]


@pytest.mark.parametrize("loop", LOOPS)
def test_a_client_that_leaves_does_not_leave_its_callback_behind(serve, language, tmp_path, loop):
    notes = tmp_path / "notes"
    fails = language.define("pwrite", language.error("no errno of its own"))
    server = serve(disk(language, notes, loop) + fails)
    client = begin(server, notes)
    server.connections.clear()
    del client
    # One request runs at a time.
    client = server.connect()
    assert client.pread(512, 0) == b"x" * 512
    # The errno of the interruption does not become that of the next failure.
    with pytest.raises(nbd.Error) as error:
        client.pwrite(b"x" * 512, 0)
    assert error.value.errno == "EIO"
    assert any("interrupted: the client has gone" in line for line in server.errors())


def test_a_client_that_leaves_over_tcp(language, write_script, tmp_path):
    notes = tmp_path / "notes"
    script = write_script(disk(language, notes, "a loop"))
    # A client that may wait for its last reply has longer.
    arguments = (language.plugin, "time_limit=20", script)
    error = b"interrupted: the client has gone"
    with tcp_server(
        socket.AF_INET, "127.0.0.1", *arguments, cwd=tmp_path, error=error
    ) as (host, port):

        def connect():
            client = nbd.NBD()
            client.connect_tcp(host, str(port))
            return client

        client = connect()
        client.aio_pread(nbd.Buffer(512), 512)
        nbdkit.wait_until(lambda: client.poll(0) >= 0 and notes.exists(), "a read to begin")
        del client
        assert connect().pread(512, 0) == b"x" * 512


def test_a_callback_that_takes_long_is_left_alone(serve, language, tmp_path):
    server = serve(disk(language, tmp_path / "notes", "takes long"))
    assert server.connect().pread(512, 512) == b"x" * 512
    assert server.stop() == (0, b"")


def test_a_client_that_sends_nothing_more_gets_its_last_reply(serve, language, tmp_path):
    written = language.define("pwrite", language.pieces("interruption", "others")["takes long"])
    server = serve(disk(language, tmp_path / "notes", "takes long") + written)
    client = server.connect()
    errors = []

    def replied(error):
        errors.append(error.value)

    client.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(512)), 0, completion=replied)
    # libnbd half-closes the connection, and waits.
    client.shutdown()
    assert errors == [0]
    server.connections.clear()
    assert server.stop() == (0, b"")


@pytest.mark.parametrize("ends", ["only the client", "the server too"])
def test_a_close_that_takes_long_is_left_alone(serve, language, tmp_path, ends):
    notes = tmp_path / "notes"
    close = language.define("close", language.pieces("interruption", "others")["closes slowly"])
    server = serve(disk(language, notes, "takes long") + close)
    server.connect().shutdown()
    nbdkit.wait_until(lambda: notes.exists() and notes.read_text(), "the close to begin")
    if ends == "only the client":
        nbdkit.wait_until(lambda: "ends" in notes.read_text(), "the close to end")
    server.connections.clear()
    assert server.stop() == (0, b"")
    assert notes.read_text().split() == ["begins", "ends", "cleanup"]


@pytest.mark.parametrize("model", MODELS)
def test_idle_clients_do_not_keep_the_server(many, language, tmp_path, model):
    notes = tmp_path / "notes"
    server = many(2, disk(language, notes, "a loop", model))
    clients = 1 if model == "serialize_connections" else 3
    for _ in range(clients):
        server.connect().pread(512, 0)
    assert terminate(server) == (0, [])
    ran = notes.read_text().split()
    closed = ran.count("close")
    # Each in the instances where it was opened; then all instances clean up.
    assert clients <= closed <= clients * 2
    assert ran[:closed] == ["close"] * closed and set(ran[closed:]) == {"cleanup"}


def test_idle_clients_of_a_socket_from_systemd_do_not_keep_the_server(
    language, write_script, tmp_path
):
    script = write_script(disk(language, tmp_path / "notes", "a loop"))
    arguments = (language.plugin, script)
    with tcp_server(socket.AF_INET, "127.0.0.1", *arguments, cwd=tmp_path) as (host, port):
        client = nbd.NBD()
        client.connect_tcp(host, str(port))
        client.pread(512, 0)


def test_what_is_closed_at_the_end_has_longer_than_a_request(serve, language, tmp_path):
    notes = tmp_path / "notes"
    takes_long = language.pieces("interruption", "others")["takes long"]
    note = only(lua='note("close")', tcl="note close")
    script = disk(language, notes, "a loop") + language.define("close", f"{takes_long}\n{note}")
    server = serve(script)
    server.connect().pread(512, 0)
    assert terminate(server) == (0, [])
    assert notes.read_text().split() == ["close", "cleanup"]


def test_shutdown_with_clients(serve, language, tmp_path):
    notes = tmp_path / "notes"
    server = serve(disk(language, notes, "shuts down"))
    idle = server.connect()
    idle.pread(512, 0)
    with contextlib.suppress(nbd.Error):
        server.connect().pread(512, 512)
    server.process.wait(nbdkit.DEADLINE)
    assert server.process.returncode == 0
    assert notes.read_text().split() == ["begins", "close", "close", "cleanup"]


def test_loops_in_many_instances(many, language, tmp_path):
    notes = tmp_path / "notes"
    server = many(4, disk(language, notes, "a loop", "parallel"))
    clients = []
    for count in range(1, 5):
        client = server.connect()
        client.aio_pread(nbd.Buffer(512), 512)
        clients.append(client)

        def begun(count=count):
            for client in clients:
                client.poll(0)
            return notes.exists() and notes.read_text().split().count("begins") == count

        nbdkit.wait_until(begun, "reads to begin")
    code, log = terminate(server)
    assert code == 0, log
    assert sum("interrupted: the server is ending" in line for line in log) == 4, log


@pytest.mark.parametrize("loop", LOOPS)
def test_time_limit(start, language, write_script, tmp_path, loop):
    script = write_script(disk(language, tmp_path / "notes", loop))
    server = start(language.plugin, "time_limit=500ms", script)
    client = server.connect()
    for _ in range(2):
        with pytest.raises(nbd.Error) as error:
            client.pread(512, 512)
        assert error.value.errno == "EIO"
        assert client.pread(512, 0) == b"x" * 512
    message = "interrupted: ETIMEDOUT: it took longer than time_limit=0.5"
    lines = [line for line in server.errors() if message in line]
    assert len(lines) == 2 and all(f"disk.{language.extension}:" in line for line in lines)


BEFORE_THE_FIRST_CLIENT = [
    "magic_config_key", "config", "config_complete", "thread_model", "get_ready",
]  # fmt: skip


def test_time_limit_of_what_comes_before_the_first_client(start, language, write_script, tmp_path):
    loop = language.pieces("interruption", "loops")["a loop"]
    prefix = "if jit then jit.off() end\n" if language.title == "Lua" else ""
    whole = prefix + disk(language, tmp_path / "notes", "a loop")
    whole += language.define("config", "")
    scripts = {"the top level": prefix + loop}
    for callback in BEFORE_THE_FIRST_CLIENT:
        scripts[callback] = whole + language.define(callback, loop)
    for where, script in scripts.items():
        result = nbdkit.run(
            language.plugin, "time_limit=0.3", write_script(script), "value", cwd=tmp_path
        )
        assert result.returncode == 1, where
        expected = b"it took longer than time_limit=0.3"
        assert expected in result.stderr, (where, result.stderr)
    server = start(language.plugin, "time_limit=60", write_script(whole), "k=v")
    assert server.connect().pread(512, 0) == b"x" * 512


@pytest.mark.parametrize("value", ["", "0", "-1", "soon", "1h", "nan"])
def test_a_time_limit_that_is_none(language, tmp_path, value):
    result = nbdkit.run(language.plugin, f"time_limit={value}", "disk", cwd=tmp_path)
    assert result.returncode == 1
    expected = f"time_limit={value}: expected a time, such as 5, 0.5 or 500ms"
    assert nbdkit.error_lines(result.stderr) == [f"nbdkit: error: {expected}"]


def test_help_tells_of_the_parameters_in_front_of_a_script(language, tmp_path):
    text = nbdkit.run(language.plugin, "--help", cwd=tmp_path).stdout.decode()
    for key in ["interpreters=", "time_limit=", "memory_limit=", f"The {language.title} script"]:
        assert text.count(key) == 1, text


def test_a_plugin_in_rust_learns_that_nobody_waits(start):
    server = start(rust_plugin("panicking"), "panic=never")
    other = server.connect()

    def wait(client, count):
        client.aio_pread(nbd.Buffer(512), 0)

        def waits():
            client.poll(0)
            return server.log().count(b"a read waits") == count

        nbdkit.wait_until(waits, "a read to wait")

    client = server.connect()
    wait(client, 1)
    server.connections.clear()
    del client
    nbdkit.wait_until(lambda: b"nobody waits any more" in server.log(), "the read to fail")
    # At the end of the server, a read that is waiting then fails too.
    assert other.pread(512, 512) == b"x" * 512
    wait(other, 2)
    code, log = terminate(server)
    assert code == 0
    assert sum("nobody waits any more" in line for line in log) == 2, log
