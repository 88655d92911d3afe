"""Errors in Tcl: error codes and errnos, other return codes, wrong arguments."""

import nbd
import pytest

from evaluating import evaluator

# The errno of each piece of code, as the client sees it.
ERRNOS = {
    "throw {POSIX ENOSPC {no space left on device}} text": "ENOSPC",
    "throw {POSIX ENOSPC} text": "ENOSPC",
    "error text info {POSIX EPERM {not owner}}": "EPERM",
    "error text {} [list POSIX ENOMEM]": "ENOMEM",
    "return -code error -errorcode {POSIX ESHUTDOWN x} text": "ESHUTDOWN",
    # Errnos that the protocol lacks.
    "open /nonexistent/file": "EINVAL",
    # A number, for an errno without a name.
    "throw {POSIX 28 {}} text": "ENOSPC",
    # A caught error no longer counts.
    "catch {throw {POSIX ENOSPC x} text}; error other": "EIO",
    "try {throw {POSIX ENOSPC x} text} trap {POSIX ENOSPC} {} {error other}": "EIO",
    "set ::errorCode {POSIX ENOSPC x}; error text": "EIO",
    # A rethrown one does.
    "catch {throw {POSIX ENOSPC x} text} text how; return -options $how $text": "ENOSPC",
    "try {throw {POSIX ENOSPC x} text} finally {set x 1}": "ENOSPC",
    "catch {nbdkit::error ENOSPC full} text how; return -options $how $text": "ENOSPC",
    # Error codes that are not POSIX, or not in Tcl's form.
    "error text": "EIO",
    "error text {} {MY ENOSPC x}": "EIO",
    "error text {} {posix ENOSPC x}": "EIO",
    "error text {} {POSIX enospc x}": "EIO",
    "error text {} {POSIX 0 x}": "EIO",
    "error text {} {POSIX -28 x}": "EIO",
    "error text {} {POSIX 28x x}": "EIO",
    "error text {} {POSIX ENONE x}": "EIO",
    "error text {} POSIX": "EIO",
    "error text {} {POSIX {} x}": "EIO",
    r'error text {} "POSIX \{"': "EIO",
    "expr {1 / 0}": "EIO",
    "exec false": "EIO",
    # nbdkit::set_error counts if the error code has no errno.
    "nbdkit::set_error ENOSPC; error text": "ENOSPC",
    "nbdkit::set_error ENOSPC; throw {MY CODE} text": "ENOSPC",
    "nbdkit::set_error ENOSPC; throw {POSIX EPERM x} text": "EPERM",
    "nbdkit::set_error ENOSPC; throw {POSIX EIO x} text": "EIO",
    "nbdkit::set_error ENOSPC; error text {} {POSIX ENONE x}": "ENOSPC",
    "nbdkit::set_error ENOSPC; nbdkit::set_error EPERM; error text": "EPERM",
    "nbdkit::set_error ENOSPC; catch {error text}; error text": "ENOSPC",
    "nbdkit::error EPERM text": "EPERM",
    "nbdkit::set_error ENOSPC; nbdkit::error EPERM text": "EPERM",
}


@pytest.mark.parametrize("code", ERRNOS)
def test_errno(serve, language, code):
    evaluating = evaluator(serve, language)
    assert evaluating.errno(code) == ERRNOS[code]
    # It only applies to that request.
    assert evaluating.errno("error text") == "EIO"
    assert evaluating.value("expr 1 + 1") == "2"


def test_messages(serve, language):
    evaluating = evaluator(serve, language)
    # The text of an error code is for programs; people see the message.
    assert evaluating.message("throw {POSIX ENOSPC {no space}} {the disk is full}") == (
        "the disk is full"
    )
    assert evaluating.message("error text {some info}") == "text"
    assert evaluating.message("open /nonexistent/file") == (
        'couldn\'t open "/nonexistent/file": no such file or directory'
    )
    assert evaluating.message("exec false") == "child process exited abnormally"
    assert evaluating.message("undefined") == 'invalid command name "undefined"'


@pytest.mark.parametrize(
    "text",
    ["caf\u00e9", "5\u20ac", "\U0001f600", "\u00e9\U0001f600\u20ac", "\U0001f600\U0001f601"],
)
def test_messages_of_all_characters(serve, language, text):
    evaluating = evaluator(serve, language)
    evaluating.run(f"set text {{{text}}}")
    assert evaluating.value("encoding convertto utf-8 $text") == text
    assert evaluating.message("error $text") == text


# Ways for a callback to end other than an ordinary return.
CODES = {
    "return -code break": 'invoked "break" outside of a loop',
    "return -code continue": 'invoked "continue" outside of a loop',
    "break": 'invoked "break" outside of a loop',
    "return -code 7 text": "command returned bad code: 7",
    "return -code -1 text": "command returned bad code: -1",
    "return -level 2 -code break": 'invoked "break" outside of a loop',
    "return -level 0 -code 7 text": "command returned bad code: 7",
    "return -level 5 -code error text": "command returned bad code: 2",
}


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("callback", ["pwrite", "flush"])
def test_return_codes_that_are_errors(serve, language, callback, code):
    server = serve(language.script("tcl_errors", "disk") + language.define(callback, code))
    client = server.connect()
    with pytest.raises(nbd.Error) as caught:
        client.pwrite(bytes(512), 0) if callback == "pwrite" else client.flush()
    assert caught.value.errno == "EIO"
    (line,) = server.errors()
    assert line.startswith(language.prefix(callback)) and line.endswith(CODES[code]), line
    # Neither the interpreter nor the connection is affected.
    assert client.pread(512, 0) == b"x" * 512


@pytest.mark.parametrize("code", ["return -code return", "return -level 1", "return -code ok"])
def test_return_codes_that_are_none(serve, language, code):
    disk = language.script("tcl_errors", "disk")
    client = serve(disk + language.define("pwrite", code)).connect()
    client.pwrite(bytes(512), 0)


@pytest.mark.parametrize(
    "arguments, usage",
    [("", ""), ("h", " h"), ("h count", " h count"), ("h a b c", " h a b c")],
)
def test_wrong_number_of_arguments(serve, language, arguments, usage):
    server = serve(
        language.script("tcl_errors", "disk")
        + f"proc pread {{{arguments}}} {{ return [string repeat x 512] }}\n"
    )
    client = server.connect()
    with pytest.raises(nbd.Error) as caught:
        client.pread(512, 0)
    assert caught.value.errno == "EIO"
    assert server.errors() == [language.logged("pread", f'wrong # args: should be "pread{usage}"')]


def test_optional_arguments_and_args(serve, language):
    server = serve(
        language.script("tcl_errors", "disk")
        + "proc pread args { lassign $args h count offset; return [string repeat a $count] }\n"
        + "proc pwrite {h buf {offset 7} {flags none}} { if {$flags ne {none}} { error flags } }\n"
        + "proc plugin_flush {{h nothing}} { if {$h eq {nothing}} { error h } }\n"
    )
    client = server.connect()
    assert client.pread(512, 512) == b"a" * 512
    client.pwrite(bytes(512), 0)
    client.flush()


@pytest.mark.parametrize(
    "code",
    ["[nbdkit::buffer 8] readu8 -1", "[nbdkit::disk coded 8] pread 9 0",
     "[nbdkit::file coded create 8] pread 9 0"],
)  # fmt: skip
def test_an_error_of_a_method_has_a_code_that_try_can_trap(serve, language, code):
    evaluating = evaluator(serve, language)
    trapped = f"try {{ {code} }} trap {{POSIX EIO}} {{}} {{ set x trapped }} "
    trapped += f"trap {{POSIX EINVAL}} {{}} {{ set x trapped }}"
    assert evaluating.value(trapped) == "trapped"
