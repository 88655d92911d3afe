"""What a script leaves out behaves as nbdkit has it for a C plugin that leaves it out."""

import nbd
import pytest

REQUIRED = """
    disk = string.rep("\\0", 65536)
    calls = ""
    function open(readonly) return 1 end
    function get_size(h) return #disk end
    -- The end of the disk reads as the calls so far.
    function pread(h, count, offset)
        if offset == 65024 then return calls .. string.rep(".", count) end
        return disk:sub(offset + 1, offset + count)
    end
"""

PWRITE = """
    function pwrite(h, buf, offset)
        calls = calls .. "pwrite "
        disk = disk:sub(1, offset) .. buf .. disk:sub(offset + #buf + 1)
    end
"""

FLUSH = "function flush(h) calls = calls .. 'flush ' end\n"
TRIM = "function trim(h, count, offset) calls = calls .. 'trim ' end\n"

ZERO = """
    function zero(h, count, offset, may_trim)
        calls = calls .. "zero "
        disk = disk:sub(1, offset) .. string.rep("\\0", count) .. disk:sub(offset + count + 1)
    end
"""


def offered(client):
    names = ("flush", "trim", "zero", "fast_zero", "fua", "cache", "multi_conn")
    found = {name for name in names if getattr(client, f"can_{name}")()}
    return found | ({"write"} if not client.is_read_only() else set())


def calls(client):
    return client.pread(512, 65024).decode().split(".")[0].split()


@pytest.mark.parametrize(
    "parts, expected",
    [
        ([], set()),
        ([FLUSH], {"flush"}),
        # nbdkit writes zeroes itself; a fast zero it refuses, which is a fast answer.
        ([PWRITE], {"write", "zero", "fast_zero"}),
        ([PWRITE, FLUSH], {"write", "zero", "fast_zero", "flush", "fua"}),
        ([PWRITE, TRIM], {"write", "zero", "fast_zero", "trim"}),
        # A script's own zero may be slow.
        ([PWRITE, ZERO], {"write", "zero"}),
        ([PWRITE, FLUSH, TRIM, ZERO], {"write", "zero", "flush", "fua", "trim"}),
        # Without pwrite the disk is read-only whatever else there is.
        ([TRIM, ZERO], set()),
    ],
    ids=[
        "none", "flush", "pwrite", "pwrite+flush", "pwrite+trim", "pwrite+zero", "all", "no-pwrite",
    ],
)  # fmt: skip
def test_what_is_offered_follows_from_what_is_defined(serve, parts, expected):
    client = serve(REQUIRED + "".join(parts)).connect()
    assert offered(client) == expected
    assert not client.is_rotational()
    assert client.get_size() == 65536


def test_without_zero_nbdkit_writes_zeroes(serve):
    client = serve(REQUIRED + PWRITE).connect()
    client.pwrite(b"x" * 1024, 0)
    client.zero(512, 256)
    assert client.pread(1024, 0) == b"x" * 256 + bytes(512) + b"x" * 256
    assert calls(client) == ["pwrite", "pwrite"]
    with pytest.raises(nbd.Error) as error:
        client.zero(512, 0, nbd.CMD_FLAG_FAST_ZERO)
    assert error.value.errno == "ENOTSUP"
    assert calls(client) == ["pwrite", "pwrite"]


def test_with_zero_nbdkit_does_not_write(serve):
    client = serve(REQUIRED + PWRITE + ZERO).connect()
    client.pwrite(b"x" * 1024, 0)
    client.zero(512, 256)
    assert client.pread(1024, 0) == b"x" * 256 + bytes(512) + b"x" * 256
    assert calls(client) == ["pwrite", "zero"]


def test_without_flush_there_is_none_but_writes_work(serve):
    client = serve(REQUIRED + PWRITE).connect()
    client.pwrite(b"y" * 512, 512)
    assert client.pread(512, 512) == b"y" * 512
    with pytest.raises(nbd.Error):
        client.flush()
    assert client.pread(512, 512) == b"y" * 512


def test_extents_say_that_all_is_data(serve):
    client = serve(REQUIRED).connect()
    found = []
    if client.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION):
        client.block_status(65536, 0, lambda context, offset, extents, error: found.append(extents))
        assert found == [[65536, 0]]
    else:
        # nbdkit does not offer the context where there is nothing to say.
        with pytest.raises(nbd.Error):
            client.block_status(65536, 0, lambda *_: 0)


@pytest.mark.parametrize(
    "callback, request_, errno",
    [
        # The errno that nbdkit itself has for a C plugin with a NULL pointer there, as NBD has it:
        # EROFS becomes EPERM.
        ("write", lambda c: c.pwrite(bytes(512), 0), "EPERM"),
        ("flush", lambda c: c.flush(), "EINVAL"),
        ("trim", lambda c: c.trim(512, 0), "EINVAL"),
    ],
    ids=["pwrite", "flush", "trim"],
)
def test_a_promise_without_the_callback_is_an_error(serve, callback, request_, errno):
    script = REQUIRED + f"function can_{callback}(h) return true end\n"
    if callback == "trim":
        script += PWRITE
    server = serve(script)
    client = server.connect()
    with pytest.raises(nbd.Error) as error:
        request_(client)
    assert error.value.errno == errno
    assert client.pread(512, 0) == bytes(512)
    name = "pwrite" if callback == "write" else callback
    assert server.errors() == [f"nbdkit: lua[1]: error: {name}: this callback is not defined"]


def test_the_optional_callbacks_of_the_whole_plugin_may_be_absent(serve):
    # No dump_plugin, config, config_complete, close: nothing is missed.
    server = serve(REQUIRED)
    server.connect().shutdown()
    assert server.stop() == (0, b"")


def test_config_help_and_magic_parameter(serve, start, language, write_script):
    # `script=` may be written out or left out.
    script = write_script(REQUIRED)
    assert start(language.plugin, f"script={script}").connect().get_size() == 65536
    assert start(language.plugin, script).connect().get_size() == 65536


