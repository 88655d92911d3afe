"""The module's functions about the client: who it is, where it is, and what it asked for."""

import os
import secrets
import socket

import nbd
import pytest

import listening


@pytest.fixture
def asking(serve, language):
    """A disk that reads as what its `open` was told about the client."""
    return serve(language.script("module_client", "asking", questions=ALL))


# As a list of words in each language.
ALL = "export_name is_tls peer_name peer_pid peer_uid peer_gid"


def answers(client):
    lines = client.pread(4096, 0).split(b"\n\n")[0].decode().split("\n")
    return dict(zip(("export_name", "is_tls", "peer_name", "pid", "uid", "gid"), lines))


def test_over_a_unix_socket(asking):
    server = asking
    client = server.connect()
    assert answers(client) == {
        "export_name": "",
        "is_tls": "false",
        "peer_name": "unix:",
        "pid": str(os.getpid()),
        "uid": str(os.getuid()),
        "gid": str(os.getgid()),
    }
    assert server.errors() == []


@pytest.mark.parametrize("path", ["a-client", "\0a-client"])
def test_a_client_whose_own_socket_has_a_name(asking, path):
    server = asking
    name = str(server.directory / path) if path[0] != "\0" else f"{path}-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.bind(name)
        connection.connect(str(server.socket))
        client = nbd.NBD()
        client.connect_socket(connection.detach())
    assert answers(client)["peer_name"] == f"unix:{name}".replace("\0", "@")
    client.shutdown()


@pytest.mark.parametrize("name", ["an export", "caf\u00e9", "n" * 2000])
def test_export_name(asking, name):
    server = asking
    client = nbd.NBD()
    client.set_export_name(name)
    client.connect_unix(str(server.socket))
    assert answers(client)["export_name"] == name
    client.shutdown()


def test_export_name_of_each_of_many_connections(asking):
    server = asking
    clients = []
    for i in range(5):
        client = nbd.NBD()
        client.set_export_name(f"export {i}")
        client.connect_unix(str(server.socket))
        clients.append(client)
    for i, client in enumerate(clients):
        assert answers(client)["export_name"] == f"export {i}"
    for client in clients:
        client.shutdown()


@pytest.mark.parametrize(
    "family, host, shown",
    [(socket.AF_INET, "127.0.0.1", "127.0.0.1"), (socket.AF_INET6, "::1", "[::1]")],
)
def test_over_tcp(language, write_script, tmp_path, family, host, shown):
    # nbdkit logs that there is no process to name.
    questions = "export_name is_tls peer_name"
    script = write_script(language.script("module_client", "asking", questions=questions))
    with listening.tcp_server(family, host, language.plugin, script, cwd=tmp_path) as address:
        with socket.socket(family) as connection:
            connection.connect(address)
            port = connection.getsockname()[1]
            client = nbd.NBD()
            client.connect_socket(connection.detach())
        assert answers(client)["peer_name"] == f"{shown}:{port}"
        client.shutdown()


def test_over_tls(start, language, write_script, tmp_path):
    keys = tmp_path / "keys.psk"
    keys.write_text(f"somebody:{secrets.token_hex(32)}\n")
    keys.chmod(0o600)
    script = language.script("module_client", "asking", questions=ALL)
    script = write_script(script + language.script("module_client", "whether it is TLS"))
    server = start("--tls=on", f"--tls-psk={keys}", language.plugin, script)
    for tls in (nbd.TLS_REQUIRE, nbd.TLS_DISABLE):
        word = "true" if tls == nbd.TLS_REQUIRE else "false"
        client = nbd.NBD()
        client.set_tls(tls)
        client.set_tls_psk_file(str(keys))
        client.set_tls_username("somebody")
        client.set_opt_mode(True)
        client.set_full_info(True)
        client.connect_unix(str(server.socket))
        names = []
        client.opt_list(lambda name, description: names.append(name) or 0)
        assert names == [f"tls is {word}"]
        client.opt_go()
        assert client.get_tls_negotiated() is (word == "true")
        assert client.get_canonical_export_name() == f"tls is {word}"
        assert answers(client)["is_tls"] == word
        client.shutdown()
    assert server.errors() == []


def test_in_every_callback_of_a_connection(serve, language, tmp_path):
    server = serve(language.script("module_client", "noting"), f"log={tmp_path}/log")
    client = nbd.NBD()
    client.set_export_name("mine")
    client.connect_unix(str(server.socket))
    client.pread(512, 0)
    client.pwrite(bytes(512), 0)
    client.shutdown()
    assert server.stop() == (0, b"")
    assert (tmp_path / "log").read_text().splitlines() == [
        f"{name} unix: mine" for name in ("open", "get_size", "pread", "pwrite")
    ] + ["close gone mine"]
