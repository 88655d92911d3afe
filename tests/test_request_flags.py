"""The flags of writes, zeroes and trims, and the can_ callbacks that say which may come."""

import nbd
import pytest

FUA, NO_HOLE, FAST_ZERO = nbd.CMD_FLAG_FUA, nbd.CMD_FLAG_NO_HOLE, nbd.CMD_FLAG_FAST_ZERO
MAY_TRIM = 1

# Every request is a line in `calls`, which is what the disk reads as.
DISK = """
    API_VERSION = 2
    calls = ""
    local function note(name, flags)
        calls = calls .. name .. ":" .. string.format("%.0f ", flags)
    end
    function open(readonly) return {} end
    function get_size(h) return 65536 end
    function pread(h, buf, offset, flags)
        buf:writestring(0, calls, math.min(#calls, #buf))
        if #buf == 4096 then calls = "" else note("pread", flags) end
    end
    function pwrite(h, buf, offset, flags) note("pwrite", flags) end
    function flush(h, flags) note("flush", flags) end
    function trim(h, count, offset, flags) note("trim", flags) end
    function zero(h, count, offset, flags) note("zero", flags) end
    function cache(h, count, offset, flags) note("cache", flags) end
"""


def calls(client):
    return client.pread(4096, 0).rstrip(b"\0").decode().split()


def answers(**callbacks):
    return "".join(f"function {name}(h) return {to} end\n" for name, to in callbacks.items())


def fua_requests(client):
    for request in (
        lambda: client.pwrite(b"x", 0, FUA),
        lambda: client.trim(512, 0, FUA),
        lambda: client.zero(512, 0, FUA),
        lambda: client.zero(512, 0, FUA | NO_HOLE),
    ):
        request()
        yield calls(client)


@pytest.mark.parametrize("answer", ["2", "'native'", "nbdkit.FUA_NATIVE"])
def test_native_fua_is_a_flag(serve, answer):
    client = serve(DISK + answers(can_fua=answer)).connect()
    assert client.can_fua()
    assert list(fua_requests(client)) == [["pwrite:2"], ["trim:2"], ["zero:3"], ["zero:2"]]


@pytest.mark.parametrize("answer", ["1", "'emulate'", "nbdkit.FUA_EMULATE"])
def test_emulated_fua_is_a_flush(serve, answer):
    client = serve(DISK + answers(can_fua=answer)).connect()
    assert client.can_fua()
    assert list(fua_requests(client)) == [
        ["pwrite:0", "flush:0"],
        ["trim:0", "flush:0"],
        ["zero:1", "flush:0"],
        ["zero:0", "flush:0"],
    ]


@pytest.mark.parametrize("answer", ["0", "'none'", "nbdkit.FUA_NONE"])
def test_without_fua_the_server_refuses_it(serve, answer):
    server = serve(DISK + answers(can_fua=answer))
    client = server.connect(strict=False)
    assert not client.can_fua()
    with pytest.raises(nbd.Error) as error:
        client.pwrite(b"x", 0, FUA)
    assert error.value.errno == "EINVAL"
    client.pwrite(b"x", 0)
    assert calls(client) == ["pwrite:0"]


def test_flags_of_zero(serve):
    client = serve(DISK + answers(can_fast_zero="true", can_fua="'native'")).connect()
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


FALLING_BACK = """
    function zero(h, count, offset, flags)
        calls = calls .. "zero "
        %s
    end
"""


@pytest.mark.parametrize(
    "body",
    [
        "nbdkit.error('EOPNOTSUPP', 'not here')",
        "nbdkit.error(nbdkit.errno.ENOTSUP, 'not here')",
        "nbdkit.set_error('ENOTSUP') error('not here')",
        "return nil, 'not here', 'EOPNOTSUPP'",
        "error({ errno = 'ENOTSUP' })",
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_zero_that_is_not_supported_is_written(serve, version, body):
    script = DISK + FALLING_BACK % body + answers(can_fast_zero="true")
    if version == 1:
        script = script.replace("API_VERSION = 2", "").replace("buf, offset, flags", "buf, offset")
        script += """
            function pread(h, count, offset)
                local found = calls .. string.rep("\\0", count)
                calls = ""
                return found
            end
            function pwrite(h, buf, offset)
                if buf ~= string.rep("\\0", #buf) then error("not zeroes") end
                calls = calls .. "pwrite:0 "
            end
        """
    client = serve(script).connect()
    client.zero(512, 0)
    assert calls(client) == ["zero", "pwrite:0"]
    client.zero(512, 0, NO_HOLE)
    assert calls(client) == ["zero", "pwrite:0"]
    # Unless it was to be fast, which a write is not.
    with pytest.raises(nbd.Error) as error:
        client.zero(512, 0, FAST_ZERO)
    assert error.value.errno == "ENOTSUP"
    # A script of version 1 is not asked: it could not be told that it was to be fast.
    assert calls(client) == (["zero"] if version == 2 else [])


def test_zero_that_fails_otherwise_is_not_written(serve):
    client = serve(DISK + FALLING_BACK % "nbdkit.error('ENOSPC', 'full')").connect()
    with pytest.raises(nbd.Error) as error:
        client.zero(512, 0)
    assert error.value.errno == "ENOSPC"
    assert calls(client) == ["zero"]


def test_can_zero_false_is_not_asked_to(serve):
    client = serve(DISK + answers(can_zero="false")).connect()
    assert client.can_zero()
    client.zero(512, 0)
    assert calls(client) == ["pwrite:0"]


def test_can_zero_true_without_a_zero(serve):
    script = DISK.replace("function zero", "local function unused") + answers(can_zero="true")
    client = serve(script).connect()
    client.zero(512, 0)
    assert calls(client) == ["pwrite:0"]


@pytest.mark.parametrize("answer", [True, False])
def test_can_fast_zero(serve, answer):
    client = serve(DISK + answers(can_fast_zero=str(answer).lower())).connect()
    assert client.can_fast_zero() is answer
    # nbdkit 1.32 itself ends over a fast zero that it has not offered, so that is not asked for.
    if answer:
        client.zero(512, 0, FAST_ZERO)
        assert calls(client) == ["zero:9"]


@pytest.mark.parametrize("answer", ["2", "'native'", "nbdkit.CACHE_NATIVE"])
def test_native_cache(serve, answer):
    client = serve(DISK + answers(can_cache=answer)).connect()
    assert client.can_cache()
    client.cache(512, 1024)
    assert calls(client) == ["cache:0"]


@pytest.mark.parametrize("answer", ["1", "'emulate'", "nbdkit.CACHE_EMULATE"])
def test_emulated_cache_reads(serve, answer):
    client = serve(DISK + answers(can_cache=answer)).connect()
    assert client.can_cache()
    client.cache(512, 1024)
    assert calls(client) == ["pread:0"]


@pytest.mark.parametrize("answer", ["0", "'none'", "nbdkit.CACHE_NONE"])
def test_no_cache(serve, answer):
    client = serve(DISK + answers(can_cache=answer)).connect(strict=False)
    assert not client.can_cache()
    with pytest.raises(nbd.Error) as error:
        client.cache(512, 1024)
    assert error.value.errno == "EINVAL"
    assert calls(client) == []


def test_native_cache_without_a_cache_does_nothing(serve):
    script = DISK.replace("function cache", "local function unused")
    client = serve(script + answers(can_cache="'native'")).connect()
    client.cache(512, 1024)
    assert calls(client) == []


@pytest.mark.parametrize("callback", ["cache", "trim", "flush"])
def test_each_may_fail(serve, callback):
    server = serve(DISK + f"function {callback}() error('not now') end")
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
    assert line.startswith(f"nbdkit: lua[1]: error: {callback}: disk.lua:")
