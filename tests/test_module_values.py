"""The module's functions for values, paths and passwords, and for the server itself."""

import os
import subprocess
import time

import nbd
import pytest

import evaluating
import nbdkit

DISK = """
    function open(readonly) return {} end
    function get_size(h) return 65536 end
    function pread(h, count, offset) return string.rep("x", count) end
"""


@pytest.fixture
def lua(serve, language):
    return evaluating.evaluator(serve, language)


@pytest.mark.parametrize(
    "text, size",
    [("0", 0), ("512", 512), ("1K", 1024), ("1k", 1024), ("10M", 10 << 20), ("3G", 3 << 30),
     ("4T", 4 << 40), ("7s", 7 * 512), ("100b", 100)],
)  # fmt: skip
def test_parse_size(lua, text, size):
    assert lua.value(f"return nbdkit.parse_size('{text}')") == str(size)


@pytest.mark.parametrize("text", ["", "x", "-1", "1Q", "1.5M", "99999999999999999999", "1K1"])
def test_parse_size_of_what_is_none(lua, text):
    code = f"nbdkit.parse_size('{text}')"
    assert lua.error(code).startswith("code:1: nbdkit.parse_size: nbdkit_parse_size failed")
    # nbdkit says why, in a line of its own.
    assert "nbdkit: lua[1]: error: " in lua.server.errors()[-2]
    assert lua.errno(code) == "EINVAL"


def test_a_size_that_is_rounded_by_the_engine_is_an_error(lua, language):
    code = "return nbdkit.parse_size('9007199254740993')"
    if language.integers:
        assert lua.value(code) == "9007199254740993"
        assert lua.value("return nbdkit.parse_size('7E')") == str(7 << 60)
    else:
        assert "9007199254740993 is more than a number of this Lua holds" in lua.error(code)


def test_parse_bool(lua):
    for text in ("1", "true", "t", "yes", "y", "on", "TRUE", "On"):
        assert lua.value(f"return nbdkit.parse_bool('{text}')") == "true"
    for text in ("0", "false", "f", "no", "n", "off", "FALSE"):
        assert lua.value(f"return nbdkit.parse_bool('{text}')") == "false"
    for text in ("", "2", "maybe", "true "):
        assert "nbdkit_parse_bool failed" in lua.error(f"nbdkit.parse_bool('{text}')")


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
def test_parse_int_at_the_ends_of_each_type(lua, language, c_type):
    least, greatest = RANGES[c_type]
    exact = 2**63 - 1 if language.integers else 2**53
    for value in (least, least + 1, 0, 1, greatest - 1, greatest):
        code = f"local n = nbdkit.parse_int('n', '{value}', '{c_type}') return n"
        if -exact - language.integers <= value <= exact:
            assert lua.value(code) == str(value)
        else:
            assert f"{value} is more than a number of this Lua holds" in lua.error(code)
    for value in (least - 1, greatest + 1):
        line = lua.error(f"nbdkit.parse_int('n', '{value}', '{c_type}')")
        assert line.startswith("code:1: nbdkit.parse_int: "), line
        assert "n: " in line or "failed" in line
    for text in ("", "x", "1.0", "5 x", "1e3", "--1"):
        assert "nbdkit_parse_" in lua.error(f"nbdkit.parse_int('n', '{text}', '{c_type}')")


def test_parse_int_in_other_bases_and_without_a_type(lua):
    assert lua.values(
        "return nbdkit.parse_int('n', '0x10')",
        "return nbdkit.parse_int('n', '010')",
        "return nbdkit.parse_int('n', '-7')",
        "return nbdkit.parse_int('n', '0xff', 'uint8_t')",
    ) == {
        "return nbdkit.parse_int('n', '0x10')": "16",
        "return nbdkit.parse_int('n', '010')": "8",
        "return nbdkit.parse_int('n', '-7')": "-7",
        "return nbdkit.parse_int('n', '0xff', 'uint8_t')": "255",
    }


def test_nil_is_as_good_as_an_argument_left_out(lua):
    assert lua.value("return nbdkit.parse_int('n', '-7', nil)") == "-7"
    lua.run("nbdkit.nanosleep(0, nil)")


WRITTEN = DISK + """
    local function write(name, text)
        local file = assert(io.open(name, "w"))
        file:write(tostring(text))
        file:close()
    end
"""


def test_paths_before_nbdkit_changes_its_directory(serve, tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("file")
    serve(WRITTEN + """
        function config(key, value) end
        function get_ready()
            write("answers", table.concat({
                nbdkit.absolute_path("no/such"), nbdkit.absolute_path("/as/it/is"),
                nbdkit.realpath("link"), nbdkit.realpath("below/../file"), nbdkit.realpath("."),
            }, "\\n"))
        end
    """)
    real = os.path.realpath(tmp_path)
    assert (tmp_path / "answers").read_text().splitlines() == [
        f"{tmp_path}/no/such", "/as/it/is", f"{real}/file", f"{real}/file", real,
    ]  # fmt: skip


PASSWORD = WRITTEN + """
    function config(key, value) write("answer", "<" .. nbdkit.read_password(value) .. ">") end
"""


@pytest.mark.parametrize(
    "value, expected",
    [("secret", "<secret>"), ("", "<>"), ("+secret.txt", "<from a file>"), ("-9", "<from a file>")],
)
def test_read_password(serve, tmp_path, value, expected):
    (tmp_path / "secret.txt").write_text("from a file\n")
    serve(
        PASSWORD,
        f"password={value}",
        prefix=("bash", "-c", 'exec 9<secret.txt; exec "$@"', "bash"),
    )
    assert (tmp_path / "answer").read_text() == expected


def test_password_that_nobody_can_type_ends_the_start(write_script, language, tmp_path):
    result = nbdkit.run(language.plugin, write_script(PASSWORD), "password=-", cwd=tmp_path)
    assert result.returncode == 1
    assert b"nbdkit.read_password: nbdkit_read_password failed" in result.stderr


def test_stdio_safe(serve, tmp_path, language, write_script):
    script = WRITTEN + 'write("loading", nbdkit.stdio_safe())\n'
    script += 'function config(key, value) write("config", nbdkit.stdio_safe()) end\n'
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


def test_nanosleep(lua):
    for arguments, least in (("0", 0), ("0, 0", 0), ("0.02", 0.02), ("0, 20000000", 0.02),
                             ("0.01, 10000000", 0.02)):  # fmt: skip
        before = time.monotonic()
        lua.run(f"nbdkit.nanosleep({arguments})")
        assert time.monotonic() - before >= least


@pytest.mark.parametrize(
    "step", ["", "config_complete", "thread_model", "get_ready", "after_fork", "cleanup"]
)
def test_nanosleep_where_there_is_no_client(serve, step):
    # nbdkit would end by a failed assertion if it were asked to, before it serves.
    sleep = "pcall(nbdkit.nanosleep, 0.001)"
    body = f"function {step}() {sleep} return 1 end" if step else sleep
    server = serve(DISK + body)
    assert server.connect().pread(4, 0) == b"xxxx"
    assert server.stop()[0] == 0


@pytest.mark.parametrize("function", ["export_name", "is_tls", "peer_name", "peer_pid"])
def test_questions_about_a_client_where_there_is_none(serve, function):
    server = serve(DISK + f"""
        local failed = 0
        local function ask() if not pcall(nbdkit.{function}) then failed = failed + 1 end end
        ask()
        function config_complete() ask() end
        function get_ready() ask() end
        function after_fork() ask() end
        function pread(h, count, offset) return failed .. string.rep("x", count) end
        function cleanup() ask() end
    """)
    assert server.connect().pread(2, 0) == b"4x"
    assert server.stop()[0] == 0


def test_shutdown_ends_the_server(serve):
    server = serve(DISK + "function flush(h) nbdkit.shutdown() end")
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
        (r"one\ntwo", b"one two"),
        (r"caf\195\169 100% %s %n", b"caf\xc3\xa9 100% %s %n"),
        (r"a\0b\27[1m", b"a\\0b\\x1b[1m"),
        # One byte that is no UTF-8 leaves the others as they are, as in an error's message.
        (r"caf\195\169 \255", b"caf\xc3\xa9 \\xff"),
    ],
)
def test_debug_is_in_the_debug_log_only(serve, text, shown):
    for verbose in (False, True):
        server = serve(DISK + f"function flush(h) nbdkit.debug('{text}') end", verbose=verbose)
        server.connect().flush()
        assert server.errors() == []
        assert (b"debug: " + shown + b"\n" in server.log()) is verbose
