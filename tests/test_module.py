"""The module `nbdkit`: its contents, and its functions' errors about wrong arguments."""

import errno
import re
import subprocess
from pathlib import Path

import nbd
import pytest

import evaluating
from languages import only

# Functions without arguments.
BARE = """
    export_name is_tls peer_gid peer_name peer_pid peer_uid stdio_safe
""".split()

# Functions that nbdkit 1.32 lacks, with the version that has them, valid arguments, and what they
# return for a client without TLS.
LACKING = {
    "peer_tls_dn": ("1.40", (), ""),
    "peer_tls_issuer_dn": ("1.40", (), ""),
    "name": ("1.48", (), only(lua="nil", tcl="")),
    "peer_security_context": ("1.36", (), None),
    "disconnect": ("1.34", (True,), None),
}


@pytest.fixture
def evaluate(serve, language):
    return evaluating.evaluator(serve, language)


def running_version():
    output = subprocess.run(["nbdkit", "--dump-config"], capture_output=True, check=True, text=True)
    major, minor = re.search(r"^version=(\d+)\.(\d+)", output.stdout, re.M).groups()
    return int(major), int(minor)


def numbers_of(evaluate, name):
    """The module's constants, as NAME=VALUE words."""
    found = evaluate.value(evaluate.language.script("module", name))
    return {name: int(value) for name, value in (pair.split("=") for pair in found.split())}


def test_constants_are_those_of_the_headers(evaluate):
    header = Path("/usr/include/nbdkit-plugin.h").read_text()
    header += Path("/usr/include/nbdkit-common.h").read_text()
    numbers = {}
    definition = r"^#define\s+NBDKIT_(\w+)\s+\(?(\d+)U?(?:\s*<<\s*(\d+))?\)?"
    for name, value, shift in re.findall(definition, header, re.M):
        numbers[name] = int(value) << int(shift or 0)
    wanted = re.compile(r"(FLAG|FUA|CACHE|EXTENT|THREAD_MODEL)_")
    expected = {name: value for name, value in numbers.items() if wanted.match(name)}
    assert len(expected) == 16, expected
    assert numbers_of(evaluate, "constants") == expected


def test_errno_holds_what_python_knows(evaluate):
    numbers = numbers_of(evaluate, "errors")
    known = {name: value for name, value in vars(errno).items() if name.startswith("E")}
    assert {name: value for name, value in numbers.items() if name in known} == known
    # Python leaves a few out.
    few = {"EFTYPE", "EHWPOISON", "ENOTSUP", "EKEYEXPIRED", "ENOKEY"}
    assert numbers.keys() - known.keys() <= few


def this_nbdkit_has(name):
    return running_version() >= tuple(map(int, LACKING[name][0].split(".")))


@pytest.mark.parametrize("name", LACKING)
def test_what_this_nbdkit_may_lack(evaluate, language, name):
    version, arguments, answer = LACKING[name]
    call = language.call(name, *arguments)
    if not this_nbdkit_has(name):
        assert evaluate.message(call) == (
            f"{language.function(name)}: nbdkit_{name} is not in this nbdkit: "
            f"it needs nbdkit {version}"
        )
        # ENOTSUP, as nbdkit translates it except for a fast zero.
        assert evaluate.errno(call) == "EINVAL"
    elif answer is not None:
        assert evaluate.answer(call) == answer


def test_a_client_without_a_known_security_context(evaluate, language):
    name = "peer_security_context"
    if not this_nbdkit_has(name):
        return  # The test above is about that.
    # Most systems have none. nbdkit says so only in its debug log, and our message has to say that.
    if evaluate.errno(language.call(name)) is not None:
        assert evaluate.message(language.call(name)) == (
            f"{language.function(name)}: nbdkit_{name} failed: "
            "nbdkit has logged the reason, if only in its debug log (nbdkit -v)"
        )


def test_disconnect_ends_a_connection_and_no_other(evaluate, language):
    if not this_nbdkit_has("disconnect"):
        return
    other = evaluate.server.connect()
    assert evaluate.errno(language.call("disconnect", True)) is not None
    with pytest.raises(nbd.Error):
        evaluate.client.pread(512, 0)
    assert other.get_size() == len(other.pread(2**20, 0))
    assert evaluate.server.errors() == []


@pytest.mark.parametrize("name", BARE)
def test_surplus_arguments_of_functions_without_any(evaluate, language, name):
    for arguments in ((1,), ("",), (1, 2), ("a", "b", "c")):
        assert evaluate.message(language.call(name, *arguments)) == (
            f"{language.function(name)}: {len(arguments)} arguments, expected at most 0"
        )


NAME = '"ENOSPACE" is not the name of an errno'
FAILED = "failed: nbdkit has logged the reason"
ERRNO = "argument 1 (the error number): found"


def found(lua, tcl):
    """How a message describes an unexpected value."""
    return only(lua=lua, tcl=f'"{tcl}"')


@pytest.mark.parametrize(
    "call, message",
    [
        (("debug",), "argument 1 (the message): found nothing, expected a string"),
        (("debug", "a", "b"), "2 arguments, expected at most 1"),
        (("set_error",), f"{ERRNO} nothing, expected a number from 1"),
        (("set_error", 0), f"{ERRNO} 0, expected a number from 1 on"),
        (("set_error", -5), f"{ERRNO} -5, expected a number from 1"),
        (("set_error", 1.5), f"{ERRNO} 1.5, expected a number from 1"),
        (("set_error", 2**31), f"{ERRNO} 2147483648, expected a"),
        (("set_error", "ENOSPACE"), NAME),
        (("set_error", "enospc"), '"enospc" is not the name of an errno'),
        (("set_error", "EIO", 1), "2 arguments, expected at most 1"),
        (("error",), f"{ERRNO} nothing, expected a number from 1 on"),
        (("error", "EIO"), "argument 2 (the message): found nothing, expected a string"),
        (("error", "EIO", "x", 2), "3 arguments, expected at most 2"),
        (("error", "text"), '"text" is not the name of an errno'),
        (("parse_size",), "argument 1 (the size): found nothing, expected a string"),
        (("parse_size", "1", "2"), "2 arguments, expected at most 1"),
        (("parse_size", b"1\0"), "the size has a NUL byte in it"),
        (("parse_size", "x"), f"nbdkit_parse_size {FAILED}"),
        (("parse_bool",), "argument 1 (the boolean): found nothing, expected a string"),
        (("parse_bool", "maybe"), f"nbdkit_parse_bool {FAILED}"),
        (("parse_int",), "argument 1 (what it is): found nothing, expected a string"),
        (("parse_int", "n"), "argument 2 (the number): found nothing, expected a string"),
        (("parse_int", "n", "5", "int", 1), "4 arguments, expected at most 3"),
        (("parse_int", "n", "5", "long"),
         '"long" is not an integer type, expected one of int, '),
        (("absolute_path",), "argument 1 (the path): found nothing, expected a string"),
        (("absolute_path", ""), f"nbdkit_absolute_path {FAILED}"),
        (("absolute_path", b"a\0b"), "the path has a NUL byte in it"),
        (("realpath",), "argument 1 (the path): found nothing, expected a string"),
        (("realpath", "/no/such/file"), f"nbdkit_realpath {FAILED}"),
        (("read_password",), "argument 1 (the value of the parameter): found nothing, expected"),
        (("read_password", "+/no/such/file"), f"nbdkit_read_password {FAILED}"),
        (("read_password", "-x"), f"nbdkit_read_password {FAILED}"),
        (("nanosleep",), "argument 1 (the seconds): found nothing, expected a number"),
        (("nanosleep", "x"),
         f"argument 1 (the seconds): found {found('string', 'x')}, expected a number"),
        (("nanosleep", 0, 0.5), "argument 2 (the nanoseconds): found 0.5, expected a whole number"),
        (("nanosleep", -1), "-1 s and 0 ns is no time that can be slept"),
        (("nanosleep", 0, -1), "0 s and -1 ns is no time that can be slept"),
        (("nanosleep", float("inf")), "inf s and 0 ns is no time that can be slept"),
        (("nanosleep", 2**31), "2147483648 seconds is too long"),
        (("nanosleep", 2**40), "1099511627776 seconds is too long"),
        (("nanosleep", 0, 0, 0), "3 arguments, expected at most 2"),
    ],
)  # fmt: skip
def test_wrong_arguments(evaluate, language, call, message):
    line = evaluate.message(language.call(*call))
    assert line.startswith(f"{language.function(call[0])}: {message}"), line


def test_a_wrong_call_does_nothing(evaluate, language):
    # A surplus argument is a mistake of unknown intent: nothing is done.
    line = evaluate.message(language.call("shutdown", 1))
    assert line.startswith(f"{language.function('shutdown')}: 1 arguments")
    assert evaluate.answer(1) == "1"
    again = evaluate.server.connect()
    assert again.get_size() == 2**20
    surplus = language.script("module", "surplus argument, then an error")
    assert evaluate.errno(surplus) == "EIO"


def test_the_place_in_a_script_is_its_file_and_line(expect_failure, language):
    line = expect_failure(f"\n\n{language.call('parse_bool')}\n")
    assert line == language.load_error(3, (
        f"{language.function('parse_bool')}: "
        "argument 1 (the boolean): found nothing, expected a string"
    ))  # fmt: skip
