"""The module's functions for values, paths and passwords, and for the server itself."""

import os
import subprocess
import time

import nbd
import pytest

import evaluating
import nbdkit
from languages import only


@pytest.fixture
def disk(language):
    """A disk, and additional code."""
    return lambda addition="": language.script("module_values", "disk") + addition


@pytest.fixture
def evaluate(serve, language):
    return evaluating.evaluator(serve, language)


@pytest.mark.parametrize(
    "text, size",
    [("0", 0), ("512", 512), ("1K", 1024), ("1k", 1024), ("10M", 10 << 20), ("3G", 3 << 30),
     ("4T", 4 << 40), ("7s", 7 * 512), ("100b", 100)],
)  # fmt: skip
def test_parse_size(evaluate, language, text, size):
    assert evaluate.answer(language.call("parse_size", text)) == str(size)


@pytest.mark.parametrize("text", ["", "x", "-1", "1Q", "1.5M", "99999999999999999999", "1K1"])
def test_parse_size_of_text_that_is_not_a_size(evaluate, language, text):
    code = language.call("parse_size", text)
    name = language.function("parse_size")
    assert evaluate.message(code).startswith(f"{name}: nbdkit_parse_size failed")
    # nbdkit logs the reason in a separate line.
    assert f"nbdkit: {language.name}[1]: error: " in evaluate.server.errors()[-2]
    assert evaluate.errno(code) == "EINVAL"


def test_a_size_that_is_rounded_by_the_engine_is_an_error(evaluate, language):
    code = language.call("parse_size", "9007199254740993")
    if language.integers:
        assert evaluate.answer(code) == "9007199254740993"
        assert evaluate.answer(language.call("parse_size", "7E")) == str(7 << 60)
    else:
        assert "9007199254740993 is too large: integers are exact up to" in evaluate.error(code)


def test_parse_bool(evaluate, language):
    def parsed(text):
        return evaluate.answer(language.call("parse_bool", text))

    true, false = only(lua=("true", "false"), tcl=("1", "0"))
    for text in ("1", "true", "t", "yes", "y", "on", "TRUE", "On"):
        assert parsed(text) == true
    for text in ("0", "false", "f", "no", "n", "off", "FALSE"):
        assert parsed(text) == false
    for text in ("", "2", "maybe", "true "):
        assert "nbdkit_parse_bool failed" in evaluate.error(language.call("parse_bool", text))


RANGES = {
    "int": (-(2**31), 2**31 - 1),
    "unsigned": (0, 2**32 - 1),
    "int8_t": (-128, 127),
    "uint8_t": (0, 255),
    "int16_t": (-32768, 32767),
    "uint16_t": (0, 65535),
    "int32_t": (-(2**31), 2**31 - 1),
    "uint32_t": (0, 2**32 - 1),
    "int64_t": (-(2**63), 2**63 - 1),
    "uint64_t": (0, 2**64 - 1),
}


@pytest.mark.parametrize("c_type", RANGES)
def test_parse_int_at_the_ends_of_each_type(evaluate, language, c_type):
    least, greatest = RANGES[c_type]
    for value in (least, least + 1, 0, 1, greatest - 1, greatest):
        code = language.call("parse_int", "n", str(value), c_type)
        if language.holds(value):
            assert evaluate.answer(code) == str(value)
        else:
            assert f"{value} is too large: integers are exact up to" in evaluate.error(code)
    for value in (least - 1, greatest + 1):
        line = evaluate.message(language.call("parse_int", "n", str(value), c_type))
        assert line.startswith(language.function("parse_int") + ": "), line
        assert "n: " in line or "failed" in line
    for text in ("", "x", "1.0", "5 x", "1e3", "--1"):
        call = language.call("parse_int", "n", text, c_type)
        assert "nbdkit_parse_" in evaluate.error(call)


def test_parse_int_in_other_bases_and_without_a_type(evaluate, language):
    for arguments, value in {
        ("n", "0x10"): "16",
        ("n", "010"): "8",
        ("n", "-7"): "-7",
        ("n", "0xff", "uint8_t"): "255",
    }.items():
        assert evaluate.answer(language.call("parse_int", *arguments)) == value


def test_paths_before_nbdkit_changes_its_directory(serve, disk, language, tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("file")
    serve(disk(language.script("module_values", "paths")))
    real = os.path.realpath(tmp_path)
    assert (tmp_path / "answers").read_text().splitlines() == [
        f"{tmp_path}/no/such", "/as/it/is", f"{real}/file", f"{real}/file", real,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "value, expected",
    [("secret", "<secret>"), ("", "<>"), ("+secret.txt", "<from a file>"), ("-9", "<from a file>")],
)
def test_read_password(serve, disk, language, tmp_path, value, expected):
    (tmp_path / "secret.txt").write_text("from a file\n")
    serve(
        disk(language.script("module_values", "password")),
        f"password={value}",
        prefix=("bash", "-c", 'exec 9<secret.txt; exec "$@"', "bash"),
    )
    assert (tmp_path / "answer").read_text() == expected


def test_password_that_nobody_can_type_ends_the_start(write_script, disk, language, tmp_path):
    script = write_script(disk(language.script("module_values", "password")))
    result = nbdkit.run(language.plugin, script, "password=-", cwd=tmp_path)
    assert result.returncode == 1
    name = language.function("read_password")
    assert f"{name}: nbdkit_read_password failed" in result.stderr.decode()


def test_stdio_safe(serve, disk, tmp_path, language, write_script):
    script = disk(language.script("module_values", "stdio_safe"))
    serve(script, "x=y")
    assert (tmp_path / "loading").read_text() == (tmp_path / "config").read_text() == "true"
    plugin, name = str(language.plugin), str(tmp_path / write_script(script))
    with subprocess.Popen(
        ["nbdkit", "-s", plugin, name, "x=y"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as server:
        assert server.wait(nbdkit.DEADLINE) in (0, 1)
    assert (tmp_path / "loading").read_text() == (tmp_path / "config").read_text() == "false"


def test_nanosleep(evaluate, language):
    for arguments, least in (((0,), 0), ((0, 0), 0), ((0.02,), 0.02), ((0, 20000000), 0.02),
                             ((0.01, 10000000), 0.02)):  # fmt: skip
        before = time.monotonic()
        evaluate.run(language.call("nanosleep", *arguments))
        assert time.monotonic() - before >= least


@pytest.mark.parametrize(
    "step", ["", "config_complete", "thread_model", "get_ready", "after_fork", "cleanup"]
)
def test_nanosleep_where_there_is_no_client(serve, disk, language, step):
    # Before it serves, nbdkit would fail an assertion if we asked it to.
    sleep = only(lua="pcall(nbdkit.nanosleep, 0.001)", tcl="catch {nbdkit::nanosleep 0.001};")
    server = serve(disk(language.define(step, f"{sleep} return 1") if step else sleep + "\n"))
    assert server.connect().pread(4, 0) == b"xxxx"
    assert server.stop()[0] == 0


@pytest.mark.parametrize("function", ["export_name", "is_tls", "peer_name", "peer_pid"])
def test_questions_about_a_client_where_there_is_none(serve, disk, language, function):
    asking = language.script("module_values", "asking", question=language.function(function))
    server = serve(disk(asking))
    assert server.connect().pread(2, 0) == b"4x"
    assert server.stop()[0] == 0


def test_shutdown_ends_the_server(serve, disk, language):
    server = serve(disk(language.define("flush", language.call("shutdown"))))
    client = server.connect()
    assert client.pread(4, 0) == b"xxxx"
    try:
        client.flush()
    except nbd.Error:
        pass  # Whether the answer still comes is a matter of luck.
    assert server.process.wait(nbdkit.DEADLINE) == 0
    assert server.errors() == []


@pytest.mark.parametrize(
    "text, shown",
    [
        ("plain", b"plain"),
        ("one\ntwo", b"one two"),
        # Escaped as in the debug log of nbdkit 1.36 and later, with any version.
        ("caf\u00e9 100% %s %n", rb"caf\xc3\xa9 100% %s %n"),
        (b"a\x1b[1m\tb\rc\x7f", rb"a\x1b[1m\tb\rc\x7f"),
        # A NUL byte would end nbdkit's string, so it becomes text first.
        (b"a\0b\\n", rb"a\\0b\\n"),
        *only(lua=[(b"caf\xc3\xa9 \xff", rb"caf\xc3\xa9 \xff")], tcl=[]),
    ],
)
def test_debug_is_in_the_debug_log_only(serve, disk, language, text, shown):
    script = disk(language.define("flush", language.call("debug", text)))
    for verbose in (False, True):
        server = serve(script, verbose=verbose)
        server.connect().flush()
        assert server.errors() == []
        assert (b"debug: " + shown + b"\n" in server.log()) is verbose
