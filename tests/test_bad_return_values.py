"""Mistakes in callbacks of a running server: one line in the log, and the server goes on."""

import re

import nbd
import pytest

from checks import goes_on
from languages import only, under_test


def disk(language, body, addition=""):
    """A disk where only reads at offset 0 fail, in this way."""
    return language.script("bad_return_values", "disk", body=body) + addition


def once(language, callback, body, answer):
    """A callback that only fails for the first client."""
    code = language.script("bad_return_values", "once", body=body, answer=answer).strip()
    return language.define(callback, code)


def failed_read(serve, language, body, count=512):
    """Serves a disk whose first read is `body`, and returns the line in the log about it."""
    server = serve(disk(language, body))
    client = server.connect()
    with pytest.raises(nbd.Error) as error:
        client.pread(count, 0)
    assert error.value.errno == "EIO"
    goes_on(server, client)
    code, _ = server.stop()
    lines = server.errors()
    assert code == 0
    assert len(lines) == 1, lines
    prefix = language.prefix("pread")
    assert lines[0].startswith(prefix), lines
    return lines[0].removeprefix(prefix)


@pytest.mark.parametrize("length", [0, 1, 100, 511])
def test_read_that_is_too_short_says_how_short(serve, language, length):
    line = failed_read(serve, language, f"return {language.literal('y' * length)}")
    assert line == f"returned {length} bytes, expected 512"


def test_read_that_is_too_long_is_cut(serve, language):
    server = serve(disk(language, f"return {language.literal('y' * 512 + 'z' * 100000)}"))
    client = server.connect()
    assert client.pread(512, 0) == b"y" * 512
    goes_on(server, client)
    assert server.errors() == []


READS = under_test().pieces("bad_return_values", "no bytes")
READ_MESSAGES = only(
    lua={
        "nothing": ("return value is not a string", "nil"),
        "table": ("return value is not a string", "table"),
        "boolean": ("return value is not a string", "boolean"),
        "function": ("return value is not a string", "function"),
        "coroutine": ("return value is not a string", "thread"),
        "file": ("return value is not a string", "userdata"),
    },
    tcl={
        "a character past bytes": ("returned the character U+0100, expected bytes", "U+00FF"),
        "a euro among bytes": ("returned the character U+20AC, expected bytes", "U+00FF"),
        "one at the end": ("returned the character U+0100, expected bytes", "U+00FF"),
        "nothing": ("returned 0 bytes", "expected 512"),
    },
)


@pytest.mark.parametrize("kind", READ_MESSAGES)
def test_read_that_is_no_string_of_bytes(serve, language, kind):
    line = failed_read(serve, language, READS[kind])
    beginning, found = READ_MESSAGES[kind]
    assert line.startswith(beginning) and found in line


def expectation(piece):
    """The two parts of `CODE => MESSAGE`."""
    code, _, message = piece.rpartition(" =>")
    return code, message.strip()


# The message in the log's line; HERE stands for the place of the code.
ERRORS = under_test().pieces("bad_return_values", "errors")


@pytest.mark.parametrize("kind", ERRORS)
def test_errors_of_every_kind(serve, language, kind):
    code, message = expectation(ERRORS[kind])
    message = message.replace("HERE", f"disk.{language.extension}:2")
    found = failed_read(serve, language, code)
    # The longer ones are the language's, whose wording varies between releases.
    assert message in found, found
    # The script's author should see nothing of the adapter, or of a Rust value.
    assert not re.search(
        r"runtime error|stack traceback|Error\(|RuntimeError|\[C\]|while executing|invoked from",
        found,
    ), found


SIZES = under_test().pieces("bad_return_values", "sizes")


@pytest.mark.parametrize("size", SIZES)
def test_size_that_is_none(serve, language, size):
    code, said = expectation(SIZES[size])
    server = serve(disk(language, "", once(language, "get_size", f"return {code}", 65536)))
    with pytest.raises(nbd.Error):
        server.connect()
    goes_on(server, server.connect())
    code, _ = server.stop()
    assert code == 0
    (line,) = server.errors()
    prefix = language.prefix("get_size")
    assert line.startswith(prefix)
    assert said.lower() in line.removeprefix(prefix).lower(), line


def test_a_megabyte_of_text_is_cut(serve, language):
    line = failed_read(serve, language, language.script("bad_return_values", "long error").strip())
    line = line.removeprefix(f"disk.{language.extension}:2: ")
    assert line.startswith("long long long ")
    assert 1000 < len(line) < 5000
    assert re.search(r"\(cut: 10000\d\d bytes in all\)$", line), line


ANSWERS = under_test().pieces("bad_return_values", "answers")


@pytest.mark.parametrize("callback", ["can_write", "can_flush", "can_trim", "is_rotational"])
@pytest.mark.parametrize("kind", ANSWERS)
def test_return_value_that_is_not_a_boolean(serve, language, callback, kind):
    code, said = expectation(ANSWERS[kind])
    addition = language.define("pwrite", "") + once(language, callback, code, "true")
    script = disk(language, "", addition)
    server = serve(script)
    with pytest.raises(nbd.Error):
        server.connect()
    goes_on(server, server.connect())
    code, _ = server.stop()
    assert code == 0
    (line,) = server.errors()
    prefix = language.prefix(callback)
    assert line.startswith(prefix)
    text = line.removeprefix(prefix)
    if kind == "error":
        said = f"{language.place(script, 'cannot say')}: {said}"
    assert said in text.replace("integer", "number"), text


def test_open_that_fails(serve, language):
    script = disk(language, "", once(language, "open", language.error("not yet"), 1))
    server = serve(script)
    with pytest.raises(nbd.Error):
        server.connect()
    goes_on(server, server.connect())
    line = language.logged("open", f"{language.place(script, 'not yet')}: not yet")
    assert server.stop() == (0, line.encode() + b"\n")


def test_close_that_fails(serve, language):
    script = disk(language, "", language.define("close", language.error("no end")))
    server = serve(script)
    goes_on(server, server.connect())
    code, _ = server.stop()
    assert code == 0
    message = f"{language.place(script, 'no end')}: no end"
    assert sorted(server.errors()) == [language.logged("close", message, n) for n in (1, 2)]


@pytest.mark.parametrize("name", ["pwrite", "flush", "trim", "zero"])
def test_each_other_request_that_fails(serve, language, name):
    names = ("pwrite", "flush", "trim", "zero")
    defined = [
        language.define(each, language.error("no such luck") if each == name else "")
        for each in names
    ]
    server = serve(disk(language, "", "".join(defined)))
    client = server.connect()
    requests = {
        "pwrite": lambda: client.pwrite(bytes(512), 0),
        "flush": lambda: client.flush(),
        "trim": lambda: client.trim(512, 0),
        "zero": lambda: client.zero(512, 0),
    }
    with pytest.raises(nbd.Error) as error:
        requests[name]()
    assert error.value.errno == "EIO"
    for other in requests.keys() - {name}:
        requests[other]()
    goes_on(server, client)
    (line,) = server.errors()
    assert line.startswith(language.prefix(name)) and line.endswith(": no such luck")
