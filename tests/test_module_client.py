"""The module's functions about the client: who it is, where it is, and what it wants."""

import os
import secrets
import socket
import subprocess

import nbd
import pytest

import listening
import nbdkit
from crowd import InFlight


@pytest.fixture
def asking(serve, language):
    """A disk that reads as what its `open` learnt about the client."""
    return serve(language.script("module_client", "asking", questions=ALL))


# As a list of words in each language.
ALL = "export_name is_tls peer_name peer_pid peer_uid peer_gid"


def answers(client):
    lines = client.pread(4096, 0).split(b"\n\n")[0].decode().split("\n")
    return dict(zip(("export_name", "is_tls", "peer_name", "pid", "uid", "gid"), lines))


@pytest.fixture
def group():
    """The client's group: if the tests can choose, not the same number as its user."""
    before = os.getegid()
    if os.geteuid() == 0:
        os.setegid(12_345)
    yield os.getegid()
    os.setegid(before)


def test_over_a_unix_socket(asking, group):
    server = asking
    client = server.connect()
    assert answers(client) == {
        "export_name": "",
        "is_tls": "false",
        "peer_name": "unix:",
        "pid": str(os.getpid()),
        "uid": str(os.getuid()),
        "gid": str(group),
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
    # nbdkit logs that it knows no process.
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
        f"{name} unix: mine" for name in ("open", "get_size", "pread", "pwrite", "close")
    ]


# --- what is known in `close`, when nbdkit has closed the client's socket ---

# Including those that this nbdkit may lack.
EVERYTHING = f"{ALL} peer_security_context peer_tls_dn peer_tls_issuer_dn"
MODELS = ["serialize_connections", "serialize_all_requests", "serialize_requests", "parallel"]


class Notes:
    """What the script `noting all` has written, and the arguments to serve it with."""

    def __init__(self, language, write_script, directory, interpreters, pread, model, questions):
        script = language.script("module_client", "noting all", questions=questions, pread=pread)
        self.file = directory / "notes"
        self.arguments = [language.plugin, f"interpreters={interpreters}", write_script(script)]
        self.arguments += [f"log={self.file}", f"model={model}"]

    def lines(self):
        """WHERE, EXPORT and {FUNCTION: RESULT}, in the order in which they were written."""
        for line in self.file.read_text().splitlines():
            where, export, *answers = line.split("|")
            yield where, export, dict(answer.split("=", 1) for answer in answers)

    def closed(self):
        return [(export, answers) for where, export, answers in self.lines() if where == "close"]

    def all(self, where):
        return [answers for here, _, answers in self.lines() if here == where]


@pytest.fixture
def noting(language, write_script, tmp_path):
    def noting(interpreters=1, pread="", model="parallel", questions=EVERYTHING):
        return Notes(language, write_script, tmp_path, interpreters, pread, model, questions)

    return noting


def without_contexts(answers):
    """On a system without them, they fail differently in `close`."""
    return {name: found for name, found in answers.items() if name != "peer_security_context"}


@pytest.mark.parametrize("model", MODELS)
def test_in_close_over_a_unix_socket(start, noting, model, group):
    notes = noting(model=model)
    server = start(*notes.arguments)
    server.connect().pread(512, 0)
    code, log = server.stop()
    (opened,), (closed,) = notes.all("open"), notes.all("close")
    assert without_contexts(closed) == without_contexts(opened)
    assert closed["peer_pid"] == str(os.getpid())
    assert closed["peer_uid"] == str(os.getuid())
    assert closed["peer_gid"] == str(group)
    assert closed["peer_name"] == "unix:"
    assert (code, log) == (0, b"")


def test_in_close_in_each_interpreter_that_a_connection_was_open_in(start, language, noting):
    notes = noting(2, language.script("module_client", "meets another"))
    server = start(*notes.arguments)
    requests = InFlight(server.connect())
    for _ in range(2):
        requests.pread(512, 512, lambda data: None)
    requests.wait_for_all()
    assert server.stop() == (0, b"")
    opened, closed = notes.all("open"), notes.all("close")
    assert len(opened) == len(closed) == 2
    for answers in closed:
        assert answers["peer_pid"] == str(os.getpid())
        assert answers["peer_name"] == "unix:"


@pytest.mark.parametrize("model", MODELS[1:])
def test_in_close_it_is_the_client_that_is_gone(language, noting, tmp_path, model):
    # The next client gets the number of a socket that nbdkit has closed.
    questions = "peer_name peer_pid"
    notes = noting(model=model, questions=questions)
    names = {}
    with listening.tcp_server(
        socket.AF_INET, "127.0.0.1", *notes.arguments, cwd=tmp_path
    ) as address:
        clients = []
        for number in range(40):
            connection = socket.create_connection(address)
            client = nbd.NBD()
            client.set_export_name(f"export {number}")
            names[f"export {number}"] = "{}:{}".format(*connection.getsockname())
            client.connect_socket(connection.detach())
            clients.append(client)
            if number >= 3:
                clients.pop(0).shutdown()
        for client in clients:
            client.shutdown()
        done = lambda: len(notes.all("close")) == len(names)  # noqa: E731
        nbdkit.wait_until(done, "all connections to close")
    assert {export: answers["peer_name"] for export, answers in notes.closed()} == names
    name = language.function("peer_pid")
    for answers in notes.all("close"):
        assert answers["peer_pid"] == (
            f"failed: {name}: nbdkit_peer_pid failed:"
            " nbdkit did not know it while this client was connected"
        )


def test_in_close_when_the_server_ends_before_its_clients(start, noting):
    notes = noting(2)
    server = start(*notes.arguments)
    clients = []
    for name in ("one", "two"):
        client = nbd.NBD()
        client.set_export_name(name)
        client.connect_unix(str(server.socket))
        client.pread(512, 0)
        clients.append(client)
    assert server.stop(disconnect=False) == (0, b"")
    closed = [(export, answers["export_name"]) for export, answers in notes.closed()]
    assert sorted(closed) == [("one", "one"), ("two", "two")]
    for answers in notes.all("close"):
        assert answers["peer_pid"] == str(os.getpid())
        assert answers["is_tls"] == "false"


def test_in_a_thread_of_a_filter(start, language, write_script):
    """`readahead` calls `cache` in its own thread, where nbdkit does not know the client."""
    script = write_script(language.script("module_client", "ahead"))
    server = start("--filter=readahead", language.plugin, script)
    client = nbd.NBD()
    client.set_export_name("ahead")
    client.connect_unix(str(server.socket))
    # Reads in order start it.
    found = {bytes(client.pread(65536, 65536 * n)).rstrip(b"\0") for n in range(256)}
    client.shutdown()
    seen = b"ahead ahead unix: false"
    assert seen in found and found <= {b"", seen}, found
    assert server.errors() == []


def test_an_error_in_a_thread_of_a_filter_ends_no_server(start, language, write_script):
    """nbdkit 1.32 would crash."""
    fails = language.define("cache", language.error("nothing is read ahead"))
    script = write_script(language.script("module_client", "ahead") + fails)
    server = start("--filter=readahead", language.plugin, script)
    client = server.connect()
    for number in range(256):
        assert client.pread(65536, 65536 * number) == bytes(65536)
    nbdkit.wait_until(lambda: b"nothing is read ahead" in server.log(), "the error")
    code, _ = server.stop()
    assert code == 0


def test_in_close_after_a_filter_has_opened_the_plugin_again(start, language, noting):
    notes = noting(pread=language.script("module_client", "fails once"))
    server = start("--filter=retry", *notes.arguments, "retry-delay=1")
    server.connect().pread(512, 512)
    code, _ = server.stop()
    assert code == 0
    opened, closed = notes.all("open"), notes.all("close")
    assert len(opened) == len(closed) == 2
    for answers in closed:
        assert answers["peer_pid"] == str(os.getpid())


def test_in_close_after_an_export_was_only_looked_at(start, noting):
    notes = noting()
    server = start(*notes.arguments)
    client = nbd.NBD()
    client.set_opt_mode(True)
    client.connect_unix(str(server.socket))
    for name in ("one", "two"):
        client.set_export_name(name)
        client.opt_info()
    client.opt_go()
    client.shutdown()
    assert server.stop() == (0, b"")
    closed = [(export, answers["export_name"]) for export, answers in notes.closed()]
    assert closed == [("one", "one"), ("two", "two"), ("two", "two")]
    assert {answers["peer_pid"] for answers in notes.all("close")} == {str(os.getpid())}


def test_in_close_over_tls(start, noting, tls_files):
    directory, client = tls_files
    notes = noting()
    options = ["--tls=require", f"--tls-certificates={directory}", "--tls-verify-peer"]
    server = start(*options, *notes.arguments)
    client.connect_unix(str(server.socket))
    client.pread(512, 0)
    client.shutdown()
    assert server.stop() == (0, b"")
    (opened,), (closed,) = notes.all("open"), notes.all("close")
    assert without_contexts(closed) == without_contexts(opened)
    assert closed["is_tls"] == "true"
    if "it needs nbdkit 1.40" not in closed["peer_tls_dn"]:
        assert closed["peer_tls_dn"] == "CN=a client,O=the clients"
        assert closed["peer_tls_issuer_dn"] == "CN=the authority"


@pytest.fixture
def tls_files(tmp_path):
    """Certificates for a server and a client, and a client that uses them."""
    directory = tmp_path / "pki"
    directory.mkdir()

    def certtool(*arguments):
        subprocess.run(["certtool", *arguments], cwd=directory, check=True, capture_output=True)

    def certificate(name, template, *signed):
        (directory / "template").write_text(template)
        certtool("--generate-privkey", "--key-type=ecdsa", "--outfile", f"{name}-key.pem")
        certtool(*signed, "--template", "template", "--load-privkey", f"{name}-key.pem",
                 "--outfile", f"{name}-cert.pem")  # fmt: skip

    certificate("ca", "cn = the authority\nca\ncert_signing_key\n", "--generate-self-signed")
    by_ca = ["--generate-certificate", "--load-ca-certificate", "ca-cert.pem"]
    by_ca += ["--load-ca-privkey", "ca-key.pem"]
    certificate("server", "cn = a server\ntls_www_server\nsigning_key\n", *by_ca)
    certificate(
        "client",
        'organization = "the clients"\ncn = "a client"\ntls_www_client\nsigning_key\n',
        *by_ca,
    )
    client = nbd.NBD()
    client.set_tls(nbd.TLS_REQUIRE)
    client.set_tls_certificates(str(directory))
    client.set_tls_verify_peer(False)
    return directory, client


# --- what is written to the log ---


@pytest.mark.parametrize("pipes", [False, True])
def test_a_client_on_standard_input_adds_nothing_to_the_log(noting, tmp_path, pipes):
    notes = noting(questions="is_tls")
    ours, theirs = socket.socketpair()
    command = ["nbdkit", "-s", *map(str, notes.arguments)]
    stdin, stdout, others = theirs, theirs, []
    if pipes:
        # `cat` on both sides of nbdkit: it has two pipes.
        others.append(subprocess.Popen(["cat"], stdin=theirs, stdout=subprocess.PIPE))
        others.append(subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=theirs))
        stdin, stdout = others[0].stdout, others[1].stdin
    server = subprocess.Popen(
        command, cwd=tmp_path, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE
    )
    theirs.close()
    for other in others:
        for stream in filter(None, (other.stdin, other.stdout)):
            stream.close()
    client = nbd.NBD()
    client.connect_socket(ours.detach())
    client.pread(512, 0)
    client.shutdown()
    _, log = server.communicate(timeout=nbdkit.DEADLINE)
    for other in others:
        other.wait(nbdkit.DEADLINE)
    assert (server.returncode, log) == (0, b"")
    assert len(notes.all("close")) == 1


def test_no_callback_ends_the_server(start, language, write_script):
    # From nbdkit 1.40 on, asking for a certificate without a connection fails an assertion.
    script = language.script("module_client", "asks everywhere", questions=EVERYTHING)
    server = start(language.plugin, write_script(script), verbose=True)
    client = nbd.NBD()
    client.set_opt_mode(True)
    client.connect_unix(str(server.socket))
    client.opt_list(lambda name, description: 0)
    client.opt_go()
    assert client.pread(3, 0) == b"xxx"
    client.shutdown()
    code, log = server.stop()
    assert code == 0
    # Outside a connection, the kind of socket is irrelevant, and no message mentions it.
    assert b"peer_pid failed: nbdkit does not know the client's process here\n" in log
    assert b"Unix domain" not in log
