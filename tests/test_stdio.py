"""`nbdkit -s` serves a client on standard output: nothing that a script prints may go there."""

import os

import nbd
import pytest

import nbdkit


@pytest.mark.parametrize("buffering", ["no", "line", "full"])
def test_what_a_script_prints_does_not_reach_the_client(
    language, write_script, tmp_path, buffering
):
    first = language.script("stdio", f"buffering: {buffering}")
    script = write_script(first + language.script("stdio", "chatter"))
    log = tmp_path / "log"
    client = nbd.NBD()
    # A shell, because a client that libnbd starts has the test's own standard error.
    server = f"timeout {nbdkit.DEADLINE} nbdkit -s '{language.plugin}' '{tmp_path / script}' a=b"
    command = f"exec {server} 2>'{log}'"
    client.connect_command(["sh", "-c", command])
    assert client.get_size() == 65536
    for _ in range(20):
        assert client.pread(4096, 0) == b"x" * 4096
        client.pwrite(b"y" * 512, 512)
    client.shutdown()


def test_each_parameter_leaves_the_descriptors_as_they_were(language, write_script, tmp_path):
    script = write_script(language.script("stdio", "chatter"))
    arguments = f"'{language.plugin}' '{tmp_path / script}'" + " a=b" * 50
    pid_file = tmp_path / "pid"
    command = f"echo $$ >'{pid_file}'; exec nbdkit -s {arguments} 2>'{tmp_path / 'log'}'"
    client = nbd.NBD()
    client.connect_command(["sh", "-c", command])
    client.pread(512, 0)
    assert len(os.listdir(f"/proc/{int(pid_file.read_text())}/fd")) < 50
    client.shutdown()


def test_what_is_read_from_standard_input_is_not_the_clients(language, write_script, tmp_path):
    script = write_script(language.script("stdio", "reads"))
    client = nbd.NBD()
    # A server that waits for the client to write a line waits for ever.
    command = ["timeout", str(nbdkit.DEADLINE), "nbdkit", "-s"]
    client.connect_command([*command, str(language.plugin), str(tmp_path / script)])
    assert client.pread(512, 0).split() == [b"nothing", b"nothing"]
    client.shutdown()


def test_a_script_may_print_where_the_output_is_its_own(serve, language):
    server = serve(language.script("stdio", "chatter"), "a=b")
    assert server.connect().pread(512, 0) == b"x" * 512
    code, log = server.stop()
    assert code == 0
    # nbdkit itself redirects the output of a running server, but not during its start.
    for line in (b"print top\n", b"write config\n", b"execute config_complete\n"):
        assert line in log
