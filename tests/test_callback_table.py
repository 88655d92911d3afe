"""The callbacks of a plugin's life, from the command line to the end, that the reference lacks."""

import socket

import nbd
import pytest

REQUIRED = """
    function open(readonly) return {} end
    function get_size(h) return 65536 end
    function pread(h, count, offset) return string.rep("x", count) end
"""

# Logs each step of a life, with the arguments, in the file that log= names.
LIFE = """
    local function note(...)
        local words = { ... }
        for i = 1, select("#", ...) do words[i] = tostring(words[i]) end
        log:write(table.concat(words, " "), "\\n")
        log:flush()
    end
    function config(key, value)
        if key == "log" then log = assert(io.open(value, "w")) end
        note("config", key)
    end
    for _, name in ipairs({
        "config_complete", "get_ready", "after_fork", "cleanup", "preconnect", "open", "close",
    }) do
        _G[name] = function(...) note(name, select("#", ...), ...) return name end
    end
    function thread_model(...) note("thread_model", ...) return "serialize_connections" end
    function get_size(h) note("get_size", h) return 65536 end
    function pread(h, count, offset) note("pread", h) return string.rep("x", count) end
"""


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("daemon", [False, True])
@pytest.mark.parametrize("options, readonly", [([], "false"), (["-r"], "true")])
def test_order_of_a_life(serve, tmp_path, version, daemon, options, readonly):
    script = f"API_VERSION = {version}\n" + LIFE
    if version == 2:
        script += "function pread(h, buf, offset, flags) note('pread', h) end"
        script = script.replace("local function note", "function note")
    server = serve(script, f"log={tmp_path}/log", "other=1", *options, daemon=daemon)
    client = server.connect()
    client.pread(512, 0)
    client.shutdown()
    assert server.stop()[1] == b""
    assert (tmp_path / "log").read_text().splitlines() == [
        "config log",
        "config other",
        "config_complete 0",
        "thread_model",
        "get_ready 0",
        "after_fork 0",
        f"preconnect 1 {readonly}",
        f"open 1 {readonly}",
        "get_size open",
        "pread open",
        "close 1 open",
        "cleanup 0",
    ]


@pytest.mark.parametrize("step", ["thread_model", "get_ready", "after_fork"])
@pytest.mark.parametrize(
    "body, message",
    [
        ('error("not today")', "disk.lua:6: not today"),
        ('nbdkit.error("ENOSPC", "not today")', "disk.lua:6: not today"),
        ('error({ message = "not today", errno = 5 })', "not today"),
        ('return nil, "not today"', "not today"),
    ],
)
def test_step_that_fails_ends_the_start(expect_failure, step, body, message):
    line = expect_failure(f"{REQUIRED}\nfunction {step}() {body} end")
    assert line == f"{step}: {message}"


def test_cleanup_that_fails_is_logged_and_no_more(serve):
    server = serve(REQUIRED + 'function cleanup() error("cannot tidy up") end')
    server.connect()
    code, _ = server.stop()
    assert code == 0
    assert server.errors() == ["nbdkit: error: cleanup: disk.lua:5: cannot tidy up"]


@pytest.mark.parametrize(
    "number, word",
    [
        (0, "serialize_connections"),
        (1, "serialize_all_requests"),
        (2, "serialize_requests"),
        (3, "parallel"),
    ],
)
def test_thread_model(serve, number, word):
    for answer in (str(number), f"{number}.0", f'"{word}"', f"nbdkit.THREAD_MODEL_{word.upper()}"):
        server = serve(REQUIRED + f"function thread_model() return {answer} end", verbose=True)
        # In the debug log nbdkit says which it is using.
        assert f"using thread model: {word}\n".encode() in server.log(), answer
        assert server.connect().pread(4, 0) == b"xxxx"


@pytest.mark.parametrize(
    "answer, said",
    [
        ("4", "returned 4,"),
        ("-1", "returned -1,"),
        ("0.5", "returned 0.5,"),
        ('"paralell"', 'returned "paralell",'),
        ('"Parallel"', 'returned "Parallel",'),
        ('""', 'returned "",'),
        ('"0"', 'returned "0",'),
        ("nil", "returned nil,"),
        ("true", "returned boolean,"),
        ("{}", "returned table,"),
    ],
)
def test_unknown_thread_model_is_refused(expect_failure, answer, said):
    line = expect_failure(REQUIRED + f"function thread_model() return {answer} end")
    assert line.startswith(f"thread_model: {said} expected a thread model"), line


def test_preconnect_refuses_one_client_and_not_the_next(serve):
    server = serve(REQUIRED + """
        local clients = 0
        function preconnect(readonly)
            clients = clients + 1
            if clients == 1 then error("come back later") end
        end
        function open(readonly) return clients end
    """)
    with pytest.raises(nbd.Error):
        server.connect()
    client = server.connect()
    assert client.pread(4, 0) == b"xxxx"
    assert server.errors() == ["nbdkit: lua[1]: error: preconnect: disk.lua:9: come back later"]


def test_preconnect_comes_before_any_byte_of_the_client(serve, tmp_path):
    server = serve(
        REQUIRED + 'function preconnect() io.open(log, "w"):close() error("no") end\n'
        "function config(key, value) log = value end",
        f"log={tmp_path}/log",
    )
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(server.socket))
        # The server has not greeted it either.
        assert client.recv(1) == b""
    assert (tmp_path / "log").exists()


CONFIG = """
    local text = ""
    function config(key, value) text = text .. key .. "=" .. value .. ";" end
    function pread(h, count, offset) return (text .. string.rep(" ", count)) end
"""


def test_bare_parameters_have_the_magic_key(serve):
    server = serve(
        REQUIRED + CONFIG + 'function magic_config_key() return "file" end',
        "first",
        "key=second",
        "./third=3",
        "",
    )
    found = server.connect().pread(64, 0).rstrip()
    assert found == b"file=first;key=second;file=./third=3;file=;"


def test_magic_key_is_asked_for_each_bare_parameter(serve):
    script = REQUIRED + CONFIG + """
        local calls = 0
        function magic_config_key(...)
            calls = calls + 1
            return "key" .. calls .. "of" .. select("#", ...)
        end
    """
    server = serve(script, "a", "b")
    assert server.connect().pread(64, 0).rstrip() == b"key1of0=a;key2of0=b;"


@pytest.mark.parametrize(
    "body, message",
    [
        ("return nil", "returned nil, expected a string"),
        ("return", "returned nil, expected a string"),
        ("return 5", "returned number, expected a string or nil"),
        ("return {}", "returned table, expected a string or nil"),
        (r'return "\255"', r'returned the string "\xff", expected UTF-8'),
        ('error("no")', "disk.lua:9: no"),
    ],
)
def test_magic_key_that_is_none(expect_failure, body, message):
    script = REQUIRED + CONFIG + f"function magic_config_key() {body} end"
    assert expect_failure(script, "bare") == f"magic_config_key: {message}"


def test_without_a_magic_key_bare_parameters_are_named_script(serve):
    server = serve(REQUIRED + CONFIG, "bare")
    assert server.connect().pread(64, 0).rstrip() == b"script=bare;"


def test_can_multi_conn(serve):
    for answer in (True, False):
        server = serve(REQUIRED + f"function can_multi_conn(h) return {str(answer).lower()} end")
        assert server.connect().can_multi_conn() is answer


@pytest.mark.parametrize("callback", ["can_multi_conn", "can_zero", "can_fast_zero", "can_extents"])
@pytest.mark.parametrize(
    "body, message",
    [
        ("return nil", "return value is not a boolean: returned nil, expected true or false"),
        ("return 1", "return value is not a boolean: returned number, expected true or false"),
        ("return 'no'", "return value is not a boolean: returned string, expected true or false"),
        ("error('cannot say')", "disk.lua:9: cannot say"),
        ("return nil, 'cannot say', 5", "cannot say"),
    ],
)
def test_answer_that_is_no_boolean(serve, callback, body, message):
    server = serve(REQUIRED + f"""
        local asked = 0
        function pwrite(h, buf, offset) end
        function extents(h, count, offset) return {{ {{ 0, 65536, 0 }} }} end
        function {callback}(h) asked = asked + 1 if asked == 1 then {body} end return true end
    """)
    with pytest.raises(nbd.Error):
        server.connect()
    assert server.connect().pread(4, 0) == b"xxxx"
    assert server.errors() == [f"nbdkit: lua[1]: error: {callback}: {message}"]


@pytest.mark.parametrize("callback", ["can_fua", "can_cache"])
@pytest.mark.parametrize(
    "body, said",
    [
        ("return 3", "returned 3, expected a level of"),
        ("return -1", "returned -1, expected a level of"),
        ("return 'Native'", 'returned "Native", expected a level of'),
        ("return nil", "returned nil, expected a level of"),
        ("return true", "returned boolean, expected a level of"),
        ("error('cannot say')", "disk.lua:8: cannot say"),
    ],
)
def test_level_that_is_none(serve, callback, body, said):
    server = serve(REQUIRED + f"""
        local asked = 0
        function pwrite(h, buf, offset) end
        function {callback}(h) asked = asked + 1 if asked == 1 then {body} end return "none" end
    """)
    with pytest.raises(nbd.Error):
        server.connect()
    assert server.connect().pread(4, 0) == b"xxxx"
    (line,) = server.errors()
    assert line.startswith(f"nbdkit: lua[1]: error: {callback}: {said}"), line
