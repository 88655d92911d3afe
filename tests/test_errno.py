"""Which errno reaches the client, for each way in which a script can set one."""

import errno
import re

import nbd
import pytest

from languages import only, under_test

# How nbdkit 1.32 translates an errno for the client.
SENT = {
    "EPERM": "EPERM",
    "EROFS": "EPERM",
    "EIO": "EIO",
    "ENOMEM": "ENOMEM",
    "EINVAL": "EINVAL",
    "ENOSPC": "ENOSPC",
    "EFBIG": "ENOSPC",
    "EDQUOT": "ENOSPC",
    "ESHUTDOWN": "ESHUTDOWN",
    # The protocol has ENOTSUP only for a fast zero, and no other errors.
    "EOPNOTSUPP": "EINVAL",
    "ENOTSUP": "EINVAL",
    "EOVERFLOW": "EINVAL",
    "ENOENT": "EINVAL",
    "EACCES": "EINVAL",
    "EBUSY": "EINVAL",
    "ETIMEDOUT": "EINVAL",
}


def disk(language, body):
    """A disk where reads at 0 end this way, and all others succeed."""
    return language.script("errno", "disk", body=body)


def failed_read(serve, language, body, **options):
    """The errno of a failed read, and the line in the log about it."""
    server = serve(disk(language, body), **options)
    client = server.connect()
    with pytest.raises(nbd.Error) as error:
        client.pread(512, 0)
    assert client.pread(512, 512) == b"x" * 512
    line = [line for line in server.errors() if "error: pread: " in line][-1]
    return error.value.errno, line.removeprefix(language.prefix("pread"))


# @name@ stands for the name of an errno.
WAYS = under_test().pieces("errno", "ways", name="@name@")
# These add the place themselves; the others show whatever was thrown.
PLACED = only(
    lua={"set_error by name", "set_error by number", "error by name", "error by number"},
    # A failure by `return` happens where the callback was called, which is in no script.
    tcl=set(WAYS) - {"return"},
)


@pytest.mark.parametrize("name", SENT)
@pytest.mark.parametrize("way", WAYS)
def test_errno_by_each_way(serve, language, name, way):
    body = language.pieces("errno", "ways", name=name)[way]
    place = language.place(disk(language, "HERE"), "HERE")
    message = f"{place}: why" if way in PLACED else "why"
    assert failed_read(serve, language, body) == (SENT[name], message)


SEVERAL = dict.fromkeys(under_test().pieces("errno", "no errno").values(), "EIO")
SEVERAL |= dict.fromkeys(under_test().pieces("errno", "ENOSPC of several").values(), "ENOSPC")


@pytest.mark.parametrize("body, expected", SEVERAL.items())
def test_which_of_several_and_what_is_none(serve, language, body, expected):
    found, line = failed_read(serve, language, body)
    assert found == expected
    assert "why" in line


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "callback", ["pread", "pwrite", "flush", "trim", "zero", "cache", "extents"]
)
@pytest.mark.parametrize("way", under_test().pieces("errno", "ENOSPC"))
def test_from_every_callback_of_data(serve, language, version, callback, way):
    body = language.pieces("errno", "ENOSPC")[way]
    names = ("pread", "pwrite", "flush", "trim", "zero", "cache", "extents")
    script = language.set_global("API_VERSION", version) + disk(language, "")
    for name in names:
        script += language.define(name, body if name == callback else "", version=version)
    server = serve(script)
    client = server.connect()
    requests = {
        "pread": lambda: client.pread(512, 0),
        "pwrite": lambda: client.pwrite(bytes(512), 0),
        "flush": client.flush,
        "trim": lambda: client.trim(512, 0),
        "zero": lambda: client.zero(512, 0),
        "cache": lambda: client.cache(512, 0),
        "extents": lambda: client.block_status(512, 0, lambda *_: 0),
    }
    with pytest.raises(nbd.Error) as error:
        requests[callback]()
    assert error.value.errno == "ENOSPC"
    (line,) = server.errors()
    place = rf"(disk\.{language.extension}:\d+: )?"
    assert re.fullmatch(re.escape(language.prefix(callback)) + place + "why", line), line


@pytest.mark.parametrize("callback", ["open", "get_size"])
@pytest.mark.parametrize("way", under_test().pieces("errno", "at the start"))
def test_from_the_start_of_a_connection(serve, language, callback, way):
    body = language.pieces("errno", "at the start")[way]
    once = language.script("errno", "the first time", body=body).strip()
    server = serve(disk(language, "") + language.define(callback, once))
    with pytest.raises(nbd.Error):
        server.connect()
    assert server.connect().pread(512, 512) == b"x" * 512
    (line,) = server.errors()
    place = rf"(disk\.{language.extension}:\d+: )?"
    assert re.fullmatch(re.escape(language.prefix(callback)) + place + "why", line), line


def test_full_device(serve, language):
    server = serve(language.script("errno", "full device"))
    with pytest.raises(nbd.Error) as error:
        server.connect().pwrite(bytes(512), 0)
    assert error.value.errno == "ENOSPC"


def test_set_error_without_an_error_is_forgotten(serve, language):
    server = serve(language.script("errno", "set_error"))
    client, other = server.connect(), server.connect()
    for request in (
        lambda: client.pread(512, 512),
        lambda: client.pread(512, 1024),
        lambda: other.pread(512, 512),
        client.flush,
    ):
        assert client.pread(512, 0) == b"x" * 512
        with pytest.raises(nbd.Error) as error:
            request()
        assert error.value.errno == "EIO"


# The traceback's first line, and the lines of the calls that led to the failure.
TRACEBACK = only(
    lua=["stack traceback", "disk.lua:6"],
    tcl=["while executing", 'procedure "deeper"', 'procedure "pread"'],
)


def test_traceback_is_in_the_debug_log_only(serve, language):
    script = disk(language, language.script("errno", "deeper"))
    for verbose in (False, True):
        server = serve(script, verbose=verbose)
        with pytest.raises(nbd.Error):
            server.connect().pread(512, 0)
        place = language.place(script, "why")
        assert server.errors() == [language.logged("pread", f"{place}: why")]
        debug = [line for line in server.log().decode().splitlines() if "debug: " in line]
        for words in TRACEBACK:
            assert any(words in line for line in debug) is verbose, words


def test_numbers_are_those_of_this_system(serve, language):
    # For any errno that Python knows, the name and the number are the same error.
    for name in ("ENOSPC", "ENOMEM", "EPERM", "ESHUTDOWN"):
        call = language.call("error", getattr(errno, name), "why")
        place = language.place(disk(language, "HERE"), "HERE")
        assert failed_read(serve, language, call) == (SENT[name], f"{place}: why")


@pytest.mark.parametrize("way", under_test().pieces("errno", "long messages"))
def test_message_that_is_larger_than_what_memory_is_left(serve, language, way):
    # The message appears once; there is no room for it to appear three times.
    body = language.pieces("errno", "long messages")[way]
    server = serve(disk(language, body), prefix=("prlimit", f"--as={512 << 20}"))
    client = server.connect()
    with pytest.raises(nbd.Error) as error:
        client.pread(512, 0)
    assert error.value.errno in ("EIO", "ENOMEM", "ENOSPC")
    assert client.pread(512, 512) == b"x" * 512
