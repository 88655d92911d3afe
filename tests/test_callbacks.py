"""Every callback of the official plugin: when it is called, with arguments of which types."""

import subprocess

import nbd
import pytest


@pytest.fixture
def noting(serve, language, tmp_path):
    """Serves the script that records its calls; returns the server and a way to read the record."""
    notes = tmp_path / "notes"

    def start(*parameters, **options):
        server = serve(language.script("note"), f"note={notes}", *parameters, **options)
        return server, lambda: notes.read_text().splitlines()

    return start


def number(language, value):
    """How the recording script shows a number that it got from the plugin."""
    kind = "integer" if language.integers else "number"
    return f"{kind}:{value}"


def after(lines, command):
    """The lines since `command` was last recorded."""
    names = [line.split(" ")[0] for line in lines]
    last = len(names) - 1 - names[::-1].index(command)
    return lines[last + 1 :]


def test_configuration_comes_in_order_and_is_strings(noting):
    server, notes = noting("size=10", "name.with-dots_=", "size=x=y", "text=\u00e9 \u00fc")
    assert notes()[1:] == [
        "config string:4:size string:2:10",
        "config string:15:name.wit string:0:",
        "config string:4:size string:3:x.y",
        "config string:4:text string:5:.....",
        "config_complete",
    ]


def test_config_takes_bytes_that_are_not_utf8(noting, tmp_path, language):
    # A file name may be any bytes. nbdkit gets the command line as the same bytes.
    server, notes = noting(b"file=a\xff\xfeb".decode("utf-8", "surrogateescape"))
    # The script `note` converts it back to bytes, in the encoding of file names.
    shown = "6:a....b" if language.reads_utf8 else "4:a..b"
    assert f"config string:4:file string:{shown}" in notes()


def test_dump_plugin_has_no_arguments_and_follows_config(language, write_script, tmp_path):
    script = write_script(language.script("note"))
    output = subprocess.run(
        ["nbdkit", "--dump-plugin", language.plugin, script, "note=notes"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
        text=True,
    )
    assert output.stdout.splitlines()[-1] == "noted=0"
    assert (tmp_path / "notes").read_text() == "config string:4:note string:5:notes\n"


@pytest.mark.parametrize("options, readonly", [([], "false"), (["-r"], "true")])
def test_a_connection_opens_asks_and_closes(noting, options, readonly):
    server, notes = noting(*options)
    client = server.connect()
    client.shutdown()
    second = server.connect()
    second.shutdown()
    code, _ = server.stop()
    assert code == 0
    opened = after(notes(), "config_complete")
    # nbdkit calls each of these at most once, in its own order.
    for handle in ("handle1", "handle2"):
        mine = [line for line in opened if line.endswith(f" handle:{handle}")]
        names = [line.split(" ")[0] for line in mine]
        assert names[-1] == "close"
        assert names.count("close") == 1
        questions = {"get_size", "can_write", "can_flush", "can_trim", "is_rotational"}
        if readonly == "true":
            # A client that cannot write does not learn how it could.
            questions -= {"can_write", "can_trim"}
            names = [name for name in names if name not in ("can_write", "can_trim")]
        assert sorted(names[:-1]) == sorted(questions)
    assert opened.count(f"open boolean:{readonly}") == 2


def test_the_return_values_reach_the_client(noting):
    server, _ = noting()
    client = server.connect()
    assert client.get_size() == 65536
    assert not client.is_read_only()
    assert client.can_flush()
    assert client.can_trim()
    assert client.is_rotational()
    # Those that the official plugin lacks have nbdkit's defaults.
    assert client.can_zero()
    assert client.can_fast_zero()
    assert client.can_fua()
    assert not client.can_multi_conn()
    assert not client.can_cache()


@pytest.mark.parametrize("callback", ["can_write", "can_flush", "can_trim", "is_rotational"])
def test_each_callback_may_return_false(serve, language, callback):
    script = language.script("note") + language.define(callback, "return false")
    client = serve(script, "x=y").connect()
    told = {
        "can_write": not client.is_read_only(),
        "can_flush": client.can_flush(),
        # nbdkit offers neither trims nor FUA on a read-only disk.
        "can_trim": client.can_trim() or callback == "can_write",
        "is_rotational": client.is_rotational(),
    }
    expected = {name: name != callback for name in told}
    assert told == expected


def test_data_requests_have_the_arguments_of_the_reference(noting, language):
    server, notes = noting()
    client = server.connect()

    def n(value):
        return number(language, value)

    client.pwrite(b"abcdefgh" * 64, 1024)
    assert client.pread(16, 1028) == b"efghabcdefghabcd"
    client.flush()
    client.trim(512, 1024)
    client.pwrite(b"z" * 1024, 4096)
    client.zero(512, 4096)
    client.zero(256, 4608, nbd.CMD_FLAG_NO_HOLE)
    assert client.pread(1024, 4096) == bytes(768) + b"z" * 256

    assert [line for line in notes() if line.split(" ")[0] in
            ("pread", "pwrite", "flush", "trim", "zero")] == [
        f"pwrite handle:handle1 string:512:abcdefgh {n(1024)}",
        f"pread handle:handle1 {n(16)} {n(1028)}",
        "flush handle:handle1",
        f"trim handle:handle1 {n(512)} {n(1024)}",
        f"pwrite handle:handle1 string:1024:zzzzzzzz {n(4096)}",
        f"zero handle:handle1 {n(512)} {n(4096)} boolean:true",
        f"zero handle:handle1 {n(256)} {n(4608)} boolean:false",
        f"pread handle:handle1 {n(1024)} {n(4096)}",
    ]  # fmt: skip


def test_fua_is_a_flush_after_the_request(noting):
    server, notes = noting()
    client = server.connect()
    for request in (
        lambda: client.pwrite(b"x" * 512, 0, nbd.CMD_FLAG_FUA),
        lambda: client.zero(512, 0, nbd.CMD_FLAG_FUA),
        lambda: client.trim(512, 0, nbd.CMD_FLAG_FUA),
    ):
        before = len(notes())
        request()
        names = [line.split(" ")[0] for line in notes()[before:]]
        assert len(names) == 2 and names[1] == "flush", names
    before = len(notes())
    client.pwrite(b"x" * 512, 0)
    assert len(notes()) == before + 1


def test_a_string_holds_any_bytes_in_both_directions(noting):
    server, _ = noting()
    client = server.connect()
    everything = bytes(range(256)) * 4
    client.pwrite(everything, 512)
    assert client.pread(len(everything), 512) == everything


def test_the_largest_request_that_nbdkit_takes(serve, language):
    # Not strict, because otherwise libnbd, from 1.20 on, sends no more than 32 MiB.
    client = serve(language.script("callbacks", "one write")).connect(strict=False)
    data = bytes(range(256)) * (64 * 1024 * 1024 // 256)
    client.pwrite(data, 0)
    assert client.pread(len(data), 0) == data
