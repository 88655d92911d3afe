"""The flags of writes, zeroes and trims, and the can_ callbacks that allow them."""

import nbd
import pytest

from languages import only, under_test

FUA, NO_HOLE, FAST_ZERO = nbd.CMD_FLAG_FUA, nbd.CMD_FLAG_NO_HOLE, nbd.CMD_FLAG_FAST_ZERO
MAY_TRIM = 1


@pytest.fixture
def disk(serve, language):
    """Serves a disk that reads as all requests so far, with additional code or callbacks."""

    def disk(addition="", **callbacks):
        script = language.script("request_flags", "disk") + addition
        for name, answer in callbacks.items():
            script += language.define(name, f"return {answer}")
        return serve(script)

    return disk


def calls(client):
    return client.pread(4096, 0).rstrip(b"\0").decode().split()


def levels(word, number):
    """The possible return values: a number, a word, and a constant."""
    kind, name = word.split("_")
    constant = only(lua=f"nbdkit.{word}", tcl=f"$nbdkit::{word}")
    return [str(number), only(lua=f"'{name.lower()}'", tcl=name.lower()), constant]


def fua_requests(client):
    for request in (
        lambda: client.pwrite(b"x", 0, FUA),
        lambda: client.trim(512, 0, FUA),
        lambda: client.zero(512, 0, FUA),
        lambda: client.zero(512, 0, FUA | NO_HOLE),
    ):
        request()
        yield calls(client)


@pytest.mark.parametrize("answer", levels("FUA_NATIVE", 2))
def test_native_fua_is_a_flag(disk, answer):
    client = disk(can_fua=answer).connect()
    assert client.can_fua()
    assert list(fua_requests(client)) == [["pwrite:2"], ["trim:2"], ["zero:3"], ["zero:2"]]


@pytest.mark.parametrize("answer", levels("FUA_EMULATE", 1))
def test_emulated_fua_is_a_flush(disk, answer):
    client = disk(can_fua=answer).connect()
    assert client.can_fua()
    assert list(fua_requests(client)) == [
        ["pwrite:0", "flush:0"],
        ["trim:0", "flush:0"],
        ["zero:1", "flush:0"],
        ["zero:0", "flush:0"],
    ]


@pytest.mark.parametrize("answer", levels("FUA_NONE", 0))
def test_without_fua_the_server_refuses_it(disk, answer):
    server = disk(can_fua=answer)
    client = server.connect(strict=False)
    assert not client.can_fua()
    with pytest.raises(nbd.Error) as error:
        client.pwrite(b"x", 0, FUA)
    assert error.value.errno == "EINVAL"
    client.pwrite(b"x", 0)
    assert calls(client) == ["pwrite:0"]


def test_flags_of_zero(disk, language):
    client = disk(can_fast_zero="true", can_fua=language.literal("native")).connect()
    for flags, expected in {
        0: MAY_TRIM,
        NO_HOLE: 0,
        FAST_ZERO: MAY_TRIM | 8,
        FAST_ZERO | NO_HOLE: 8,
        FUA | FAST_ZERO: MAY_TRIM | 2 | 8,
        FUA | FAST_ZERO | NO_HOLE: 2 | 8,
    }.items():
        client.zero(512, 0, flags)
        assert calls(client) == [f"zero:{expected}"]


NOT_SUPPORTED = under_test().pieces("request_flags", "not supported")


@pytest.mark.parametrize("way", NOT_SUPPORTED)
@pytest.mark.parametrize("version", [1, 2])
def test_zero_that_is_not_supported_is_written(serve, language, version, way):
    script = language.script("request_flags", f"version {version}")
    script += language.script("request_flags", "failing zero", body=NOT_SUPPORTED[way])
    client = serve(script + language.define("can_fast_zero", "return true")).connect()
    client.zero(512, 0)
    assert calls(client) == ["zero", "pwrite:0"]
    client.zero(512, 0, NO_HOLE)
    assert calls(client) == ["zero", "pwrite:0"]
    # Unless the zero has to be fast, which a write is not.
    with pytest.raises(nbd.Error) as error:
        client.zero(512, 0, FAST_ZERO)
    assert error.value.errno == "ENOTSUP"
    # A script of version 1 is not called: it could not know that the zero has to be fast.
    assert calls(client) == (["zero"] if version == 2 else [])


def test_what_is_written_in_place_of_a_zero_has_its_fua(disk, language):
    body = NOT_SUPPORTED["error by name"]
    script = language.script("request_flags", "failing zero", body=body)
    client = disk(script, can_fua=language.literal("native")).connect()
    for flags, written in [(FUA, "pwrite:2"), (FUA | NO_HOLE, "pwrite:2"), (0, "pwrite:0")]:
        client.zero(512, 0, flags)
        assert calls(client) == ["zero", written]


def test_zero_that_fails_otherwise_is_not_written(disk, language):
    full = language.call("error", "ENOSPC", "full")
    client = disk(language.script("request_flags", "failing zero", body=full)).connect()
    with pytest.raises(nbd.Error) as error:
        client.zero(512, 0)
    assert error.value.errno == "ENOSPC"
    assert calls(client) == ["zero"]


def test_can_zero_false_is_not_asked_to(disk):
    client = disk(can_zero="false").connect()
    assert client.can_zero()
    client.zero(512, 0)
    assert calls(client) == ["pwrite:0"]


def test_can_zero_true_without_a_zero(disk, language):
    client = disk(language.without("zero"), can_zero="true").connect()
    client.zero(512, 0)
    assert calls(client) == ["pwrite:0"]


@pytest.mark.parametrize("answer", [True, False])
def test_can_fast_zero(disk, answer):
    client = disk(can_fast_zero=str(answer).lower()).connect()
    # nbdkit accepts fast zeroes whether it has offered them or not, and fails an assertion if the
    # plugin has refused them.
    assert client.can_fast_zero()
    if answer:
        client.zero(512, 0, FAST_ZERO)
        assert calls(client) == ["zero:9"]
        return
    with pytest.raises(nbd.Error) as error:
        client.zero(512, 0, FAST_ZERO)
    assert error.value.errno == "ENOTSUP"
    assert calls(client) == []


@pytest.mark.parametrize("way", NOT_SUPPORTED)
@pytest.mark.parametrize("callback", ["pwrite", "flush"])
def test_only_zero_may_say_that_it_is_not_supported(serve, language, way, callback):
    # From a write or a flush that belongs to a zero, it would fail an assertion in nbdkit.
    script = language.script("request_flags", "version 2")
    body = NOT_SUPPORTED[way]
    script += language.script("request_flags", "failing zero", body=body if callback == "pwrite" else "")
    script += language.define("flush", body if callback == "flush" else "", version=2)
    if callback == "pwrite":
        script += language.define("pwrite", body, version=2)
    client = serve(script).connect()
    for flags in (0, nbd.CMD_FLAG_FUA):
        if callback == "flush" and not flags:
            continue
        with pytest.raises(nbd.Error) as error:
            client.zero(512, 0, flags)
        assert error.value.errno == "EINVAL"
    assert client.pread(512, 0)


# Not a multiple of the framework's largest write.
LARGE = (96 << 20) + 12_345


def test_a_large_zero_that_is_written_is_written_everywhere(serve, language):
    # nbdkit 1.32 would write all of it at the offset of its first 64 MiB.
    client = serve(language.script("request_flags", "large", size=LARGE)).connect()
    last = LARGE - 4096
    for offset in (0, 64 << 20, last):
        client.pwrite(b"x" * 4096, offset)
    client.zero(LARGE, 0)
    for offset in (0, 64 << 20, last):
        assert client.pread(4096, offset) == bytes(4096), offset


@pytest.mark.parametrize("answer", levels("CACHE_NATIVE", 2))
def test_native_cache(disk, answer):
    client = disk(can_cache=answer).connect()
    assert client.can_cache()
    client.cache(512, 1024)
    assert calls(client) == ["cache:0"]


@pytest.mark.parametrize("answer", levels("CACHE_EMULATE", 1))
def test_emulated_cache_reads(disk, answer):
    client = disk(can_cache=answer).connect()
    assert client.can_cache()
    client.cache(512, 1024)
    assert calls(client) == ["pread:0"]


@pytest.mark.parametrize("answer", levels("CACHE_NONE", 0))
def test_no_cache(disk, answer):
    client = disk(can_cache=answer).connect(strict=False)
    assert not client.can_cache()
    with pytest.raises(nbd.Error) as error:
        client.cache(512, 1024)
    assert error.value.errno == "EINVAL"
    assert calls(client) == []


def test_native_cache_without_a_cache_does_nothing(disk, language):
    native = language.literal("native")
    client = disk(language.without("cache"), can_cache=native).connect()
    client.cache(512, 1024)
    assert calls(client) == []


@pytest.mark.parametrize("callback", ["cache", "trim", "flush"])
def test_each_may_fail(disk, language, callback):
    server = disk(language.define(callback, language.error("not now"), version=2))
    client = server.connect()
    requests = {
        "cache": lambda: client.cache(512, 0),
        "trim": lambda: client.trim(512, 0),
        "flush": lambda: client.flush(),
    }
    with pytest.raises(nbd.Error) as error:
        requests[callback]()
    assert error.value.errno == "EIO"
    assert calls(client) == []
    (line,) = server.errors()
    assert line.startswith(language.logged(callback, f"disk.{language.extension}:"))
