"""The callbacks that the official plugin lacks, from the command line to the end."""

import socket

import nbd
import pytest

from languages import only


@pytest.fixture
def required(language):
    """A disk with what nbdkit requires, and additional code."""
    return lambda addition="": language.script("callback_table", "required") + addition


def once(language, body, answer):
    """Makes a callback fail the first time, as a body in one line."""
    return language.script("callback_table", "once", body=body, answer=answer).strip()


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("daemon", [False, True])
@pytest.mark.parametrize("options, readonly", [([], "false"), (["-r"], "true")])
def test_order_of_a_life(serve, language, tmp_path, version, daemon, options, readonly):
    script = language.set_global("API_VERSION", version) + language.script("callback_table", "life")
    if version == 2:
        script += language.script("callback_table", "life, version 2")
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
    "body, placed",
    only(
        lua=[
            ('error("not today")', True),
            ('nbdkit.error("ENOSPC", "not today")', True),
            ('error({ message = "not today", errno = 5 })', False),
            ('return nil, "not today"', False),
        ],
        tcl=[
            ('error "not today"', True),
            ('nbdkit::error ENOSPC "not today"', True),
            ('throw {POSIX ENOSPC {}} "not today"', True),
            ('return -code error "not today"', False),
        ],
    ),
)
def test_step_that_fails_ends_the_start(expect_failure, required, language, step, body, placed):
    script = required(language.define(step, body))
    place = f"{language.place(script, 'not today')}: " if placed else ""
    assert expect_failure(script) == f"{step}: {place}not today"


def test_cleanup_that_fails_is_logged_and_no_more(serve, required, language):
    script = required(language.define("cleanup", language.error("cannot tidy up")))
    server = serve(script)
    server.connect()
    code, _ = server.stop()
    assert code == 0
    assert server.errors() == [
        f"nbdkit: error: cleanup: {language.place(script, 'tidy')}: cannot tidy up"
    ]


@pytest.mark.parametrize(
    "number, word",
    [
        (0, "serialize_connections"),
        (1, "serialize_all_requests"),
        (2, "serialize_requests"),
        (3, "parallel"),
    ],
)
def test_thread_model(serve, required, language, number, word):
    constant = f"THREAD_MODEL_{word.upper()}"
    answers = [str(number), language.literal(word)]
    answers += only(lua=[f"{number}.0", f"nbdkit.{constant}"], tcl=[f"$nbdkit::{constant}"])
    for answer in answers:
        script = required(language.define("thread_model", f"return {answer}"))
        server = serve(script, verbose=True)
        # nbdkit's debug log says which one it uses.
        assert f"using thread model: {word}\n".encode() in server.log(), answer
        assert server.connect().pread(4, 0) == b"xxxx"


@pytest.mark.parametrize(
    "answer, said",
    [
        ("4", "returned 4,"),
        ("-1", "returned -1,"),
        ('"paralell"', 'returned "paralell",'),
        ('"Parallel"', 'returned "Parallel",'),
        ('""', 'returned "",'),
        *only(
            lua=[
                ("0.5", "returned 0.5,"),
                ('"0"', 'returned "0",'),
                ("nil", "returned nil,"),
                ("true", "returned boolean,"),
                ("{}", "returned table,"),
            ],
            tcl=[
                ("0.5", 'returned "0.5",'),
                ("true", 'returned "true",'),
                ("{1 2}", 'returned "1 2",'),
                # The words are nbdkit's, and cannot be abbreviated as Tcl's options can.
                ("paral", 'returned "paral",'),
            ],
        ),
    ],
)
def test_unknown_thread_model_is_refused(expect_failure, required, language, answer, said):
    line = expect_failure(required(language.define("thread_model", f"return {answer}")))
    assert line == (
        f'thread_model: {said} expected a thread model: "serialize_connections" (0), '
        '"serialize_all_requests" (1), "serialize_requests" (2), "parallel" (3)'
    )


def test_preconnect_refuses_one_client_and_not_the_next(serve, required, language):
    body = once(language, language.error("come back later"), "0")
    script = required(language.define("preconnect", body))
    server = serve(script)
    with pytest.raises(nbd.Error):
        server.connect()
    client = server.connect()
    assert client.pread(4, 0) == b"xxxx"
    assert server.errors() == [
        language.logged("preconnect", f"{language.place(script, 'later')}: come back later")
    ]


def test_preconnect_comes_before_any_byte_of_the_client(serve, required, language, tmp_path):
    script = required(language.script("callback_table", "preconnect that logs"))
    server = serve(script, f"log={tmp_path}/log")
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(server.socket))
        # The server has not even greeted it.
        assert client.recv(1) == b""
    assert (tmp_path / "log").exists()


@pytest.fixture
def configured(required, language):
    """A disk that reads as its configuration, with additional code."""
    return lambda addition="": required(language.script("callback_table", "config") + addition)


def test_bare_parameters_have_the_magic_key(serve, configured, language):
    magic = language.define("magic_config_key", f"return {language.literal('file')}")
    server = serve(configured(magic), "first", "key=second", "./third=3", "")
    found = server.connect().pread(64, 0).rstrip()
    assert found == b"file=first;key=second;file=./third=3;file=;"


def test_magic_key_is_asked_for_each_bare_parameter(serve, configured, language):
    script = configured(language.script("callback_table", "another magic key each time"))
    server = serve(script, "a", "b")
    assert server.connect().pread(64, 0).rstrip() == b"key1of0=a;key2of0=b;"


@pytest.mark.parametrize(
    "body, message",
    only(
        lua=[
            ("return nil", "returned nil, expected a string"),
            ("return", "returned nil, expected a string"),
            ("return 5", "returned number, expected a string or nil"),
            ("return {}", "returned table, expected a string or nil"),
            (r'return "\255"', r'returned the string "\xff", expected UTF-8'),
            ('error("no key")', "PLACE: no key"),
        ],
        tcl=[('error "no key"', "PLACE: no key"), ('return -code error "no key"', "no key")],
    ),
)
def test_magic_key_that_is_none(expect_failure, configured, language, body, message):
    script = configured(language.define("magic_config_key", body))
    if "PLACE" in message:
        message = message.replace("PLACE", language.place(script, "no key"))
    assert expect_failure(script, "bare") == f"magic_config_key: {message}"


def test_without_a_magic_key_bare_parameters_are_named_script(serve, configured):
    server = serve(configured(), "bare")
    assert server.connect().pread(64, 0).rstrip() == b"script=bare;"


def test_can_multi_conn(serve, required, language):
    for answer in (True, False):
        script = required(language.define("can_multi_conn", f"return {str(answer).lower()}"))
        assert serve(script).connect().can_multi_conn() is answer


def answered_wrongly(serve, required, language, callback, body, answer):
    """Makes a callback fail for the first client; returns the script and the log's line."""
    script = required(language.script("callback_table", "data"))
    script += language.define(callback, once(language, body, answer))
    server = serve(script)
    with pytest.raises(nbd.Error):
        server.connect()
    assert server.connect().pread(4, 0) == b"xxxx"
    (line,) = server.errors()
    return script, line


@pytest.mark.parametrize("callback", ["can_multi_conn", "can_zero", "can_fast_zero", "can_extents"])
@pytest.mark.parametrize(
    "body, message",
    only(
        lua=[
            ("return nil", "return value is not a boolean: returned nil, expected true or false"),
            ("return 1", "return value is not a boolean: returned number, expected true or false"),
            ("return 'no'",
             "return value is not a boolean: returned string, expected true or false"),
            ("error('cannot say')", "PLACE: cannot say"),
            ("return nil, 'cannot say', 5", "cannot say"),
        ],
        tcl=[
            ("return", 'returned "", expected true or false'),
            ("return maybe", 'returned "maybe", expected true or false'),
            ("return {1 0}", 'returned "1 0", expected true or false'),
            ("error {cannot say}", "PLACE: cannot say"),
            ("return -code error {cannot say}", "cannot say"),
        ],
    ),
)  # fmt: skip
def test_return_value_that_is_not_a_boolean(serve, required, language, callback, body, message):
    script, line = answered_wrongly(serve, required, language, callback, body, "true")
    if "PLACE" in message:
        message = message.replace("PLACE", language.place(script, "cannot say"))
    assert line == language.logged(callback, message)


@pytest.mark.parametrize("callback", ["can_fua", "can_cache"])
@pytest.mark.parametrize(
    "body, said",
    [
        ("return 3", "returned 3, expected a level of"),
        ("return -1", "returned -1, expected a level of"),
        *only(
            lua=[
                ("return 'Native'", 'returned "Native", expected a level of'),
                ("return nil", "returned nil, expected a level of"),
                ("return true", "returned boolean, expected a level of"),
                ("error('cannot say')", "disk.lua:6: cannot say"),
            ],
            tcl=[
                ("return Native", 'returned "Native", expected a level of'),
                ("return", 'returned "", expected a level of'),
                ("return true", 'returned "true", expected a level of'),
                ("error {cannot say}", "disk.tcl:6: cannot say"),
            ],
        ),
    ],
)
def test_level_that_is_none(serve, required, language, callback, body, said):
    none = language.literal("none")
    _, line = answered_wrongly(serve, required, language, callback, body, none)
    assert line.startswith(language.logged(callback, said)), line
