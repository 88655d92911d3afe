"""A panic in a plugin is the error of one callback: one line in the log, and nbdkit goes on."""

import re

import nbd
import pytest

import languages
import nbdkit

PLUGIN = languages.rust_plugin("panicking")
PLACE = r"panicked at [^ ]*tests/panicking/src/lib\.rs:\d+:\d+"

# The plugin's number of instances.
INSTANCES = 3

REQUESTS = {
    "pread": lambda client: client.pread(512, 0),
    "pwrite": lambda client: client.pwrite(bytes(512), 0),
    "flush": lambda client: client.flush(),
    "trim": lambda client: client.trim(512, 0),
    "zero": lambda client: client.zero(512, 0),
    "extents": lambda client: client.block_status(512, 0, lambda *_: 0),
    "cache": lambda client: client.cache(512, 0),
}


@pytest.fixture
def panic(start):
    return lambda *parameters, **options: start(PLUGIN, *parameters, **options)


def goes_on(client):
    assert client.pread(512, 512) == b"x" * 512
    client.pwrite(b"y" * 512, 512)


def the_line(errors, callback, text="as told"):
    (line,) = errors
    # nbdkit names the plugin, and the thread or the connection if there is one.
    where = r"(panicking(\.\d+|\[\d+\]): )?"
    text = f": {re.escape(text)}" if text else ":"
    assert re.fullmatch(f"nbdkit: {where}error: {callback}: {PLACE}{text}", line), line


@pytest.mark.parametrize("callback", REQUESTS)
def test_panic_in_a_request(panic, callback):
    server = panic(f"panic={callback}")
    client = server.connect()
    other = server.connect()
    with pytest.raises(nbd.Error) as error:
        REQUESTS[callback](client)
    assert error.value.errno == "EIO"
    the_line(server.errors(), callback)
    # All the other requests still work, on this connection and on another one.
    for name in REQUESTS.keys() - {callback}:
        REQUESTS[name](client)
    for each in (client, other, server.connect()):
        goes_on(each)
    assert len(server.errors()) == 1
    assert server.stop()[0] == 0


@pytest.mark.parametrize("callback", REQUESTS)
def test_a_thousand_panics(panic, callback):
    server = panic(f"panic={callback}")
    client = server.connect()
    for _ in range(1000):
        with pytest.raises(nbd.Error):
            REQUESTS[callback](client)
    goes_on(server.connect())
    goes_on(client)
    assert len(server.errors()) == 1000
    assert server.stop()[0] == 0


@pytest.mark.parametrize(
    "callback",
    [
        "preconnect", "open", "get_size", "can_write", "can_flush", "is_rotational", "can_trim",
        "can_zero", "can_fast_zero", "can_extents", "can_fua", "can_multi_conn", "can_cache",
        "block_size",
    ],
)  # fmt: skip
def test_panic_while_a_client_connects(panic, callback):
    server = panic(f"panic={callback}")
    with pytest.raises(nbd.Error):
        server.connect()
    first = server.errors()
    the_line(first, callback)
    # The server still replies: the next client is refused in the same way.
    with pytest.raises(nbd.Error):
        server.connect()
    assert len(server.errors()) == 2 * len(first)
    code, _ = server.stop()
    assert code == 0


@pytest.mark.parametrize("callback", ["list_exports", "default_export", "export_description"])
def test_panic_in_a_callback_that_clients_trigger(panic, callback):
    server = panic(f"panic={callback}")
    client = nbd.NBD()
    client.set_opt_mode(True)
    client.set_full_info(True)
    client.connect_uri(server.uri)
    try:
        client.opt_list(lambda name, description: 0)
        client.opt_info()
    except nbd.Error:
        # nbdkit decides whether a missing result is an error.
        pass
    client.opt_abort()
    del client
    # nbdkit logs its own line about a client that asks for a missing default export.
    lines = [line for line in server.errors() if "default export" not in line]
    assert lines
    for line in lines:
        the_line([line], callback)
    if callback != "default_export":
        goes_on(server.connect())
    assert server.stop()[0] == 0


@pytest.mark.parametrize("callback", ["close", "handle"])
def test_panic_at_the_end_of_a_connection(panic, callback):
    server = panic(f"panic={callback}")
    client = server.connect()
    goes_on(client)
    client.shutdown()
    server.wait_idle()
    text = "in the handle" if callback == "handle" else "as told"
    the_line(server.errors(), "close", text)
    goes_on(server.connect())
    code, _ = server.stop()
    assert code == 0
    assert len(server.errors()) == 2


@pytest.mark.parametrize("callback", ["cleanup", "unload"])
def test_panic_at_the_end_of_the_server(panic, callback):
    server = panic(f"panic={callback}")
    goes_on(server.connect())
    code, _ = server.stop()
    assert code == 0
    # Each instance ends on its own, whatever happened to the previous one.
    errors = server.errors()
    assert len(errors) == INSTANCES
    for line in errors:
        the_line([line], callback)


@pytest.mark.parametrize(
    "callback", ["config", "config_complete", "thread_model", "get_ready", "after_fork"]
)
def test_panic_while_nbdkit_starts(tmp_path, callback):
    result = nbdkit.run(PLUGIN, f"panic={callback}", "other=x", cwd=tmp_path)
    assert result.returncode == 1
    the_line(nbdkit.error_lines(result.stderr), callback)


def test_panic_in_load(tmp_path):
    # It happens before there are parameters; `load` cannot fail, so a later step does.
    for parameters in ([], ["other=x"]):
        result = nbdkit.run(PLUGIN, *parameters, cwd=tmp_path, env={"NBDKIT_PANIC": "load"})
        assert result.returncode == 1
        (line,) = nbdkit.error_lines(result.stderr)
        assert re.fullmatch(f"nbdkit: error: (load: )?{PLACE}: while loading", line), line


def test_panic_in_dump_plugin(tmp_path):
    result = nbdkit.run("--dump-plugin", PLUGIN, "panic=dump_plugin", cwd=tmp_path)
    the_line(nbdkit.error_lines(result.stderr), "dump_plugin")
    assert b"name=panicking\n" in result.stdout


@pytest.mark.parametrize(
    "text, shown",
    [
        ("", ""),
        ("a{NUL}b", r"a\0b"),
        ("one{NEWLINE}two", "one two"),
        ("100%s %n", "100%s %n"),
        ("caf\u00e9", "caf\u00e9"),
    ],
    ids=["empty", "nul", "newline", "percent", "utf8"],
)
def test_what_a_panic_says_is_one_line(panic, text, shown):
    server = panic("panic=pread", f"text={text}")
    client = server.connect()
    with pytest.raises(nbd.Error) as error:
        client.pread(512, 0)
    assert error.value.errno == "EIO"
    the_line(server.errors(), "pread", shown)
    goes_on(client)


def test_a_long_panic_is_cut(panic):
    server = panic("panic=pread", "text=" + "long " * 20000)
    client = server.connect()
    with pytest.raises(nbd.Error):
        client.pread(512, 0)
    (line,) = server.errors()
    assert len(line) < 5000 and line.endswith("bytes in all)")
    goes_on(client)
