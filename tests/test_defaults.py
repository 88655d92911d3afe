"""Callbacks that a script omits behave as in a C plugin that omits them."""

import nbd
import pytest


@pytest.fixture
def disk(serve, language):
    """Serves a script with what nbdkit requires, and these callbacks."""

    def disk(*parts, addition=""):
        text = [language.script("defaults", name) for name in ("required", *parts)]
        return serve("".join(text) + addition)

    return disk


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
        (["flush"], {"flush"}),
        # nbdkit writes zeroes itself; it refuses a fast zero, which is a fast reply.
        (["pwrite"], {"write", "zero", "fast_zero"}),
        (["pwrite", "flush"], {"write", "zero", "fast_zero", "flush", "fua"}),
        (["pwrite", "trim"], {"write", "zero", "fast_zero", "trim"}),
        # A script's own zero may be slow. nbdkit would accept a fast one anyway: it fails.
        (["pwrite", "zero"], {"write", "zero", "fast_zero"}),
        (
            ["pwrite", "flush", "trim", "zero"],
            {"write", "zero", "fast_zero", "flush", "fua", "trim"},
        ),
        # Without pwrite, the disk is read-only whatever else there is.
        (["trim", "zero"], set()),
    ],
    ids=[
        "none", "flush", "pwrite", "pwrite+flush", "pwrite+trim", "pwrite+zero", "all", "no-pwrite",
    ],
)  # fmt: skip
def test_what_is_offered_follows_from_what_is_defined(disk, parts, expected):
    client = disk(*parts).connect()
    assert offered(client) == expected
    assert not client.is_rotational()
    assert client.get_size() == 65536


def test_without_zero_nbdkit_writes_zeroes(disk):
    client = disk("pwrite").connect()
    client.pwrite(b"x" * 1024, 0)
    client.zero(512, 256)
    assert client.pread(1024, 0) == b"x" * 256 + bytes(512) + b"x" * 256
    assert calls(client) == ["pwrite", "pwrite"]
    with pytest.raises(nbd.Error) as error:
        client.zero(512, 0, nbd.CMD_FLAG_FAST_ZERO)
    assert error.value.errno == "ENOTSUP"
    assert calls(client) == ["pwrite", "pwrite"]


def test_with_zero_nbdkit_does_not_write(disk):
    client = disk("pwrite", "zero").connect()
    client.pwrite(b"x" * 1024, 0)
    client.zero(512, 256)
    assert client.pread(1024, 0) == b"x" * 256 + bytes(512) + b"x" * 256
    assert calls(client) == ["pwrite", "zero"]


def test_without_flush_there_is_none_but_writes_work(disk):
    client = disk("pwrite").connect()
    client.pwrite(b"y" * 512, 512)
    assert client.pread(512, 512) == b"y" * 512
    with pytest.raises(nbd.Error):
        client.flush()
    assert client.pread(512, 512) == b"y" * 512


def test_extents_say_that_all_is_data(disk):
    client = disk().connect()
    found = []
    if client.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION):
        client.block_status(65536, 0, lambda context, offset, extents, error: found.append(extents))
        assert found == [[65536, 0]]
    else:
        # nbdkit does not offer the context if it has nothing to report.
        with pytest.raises(nbd.Error):
            client.block_status(65536, 0, lambda *_: 0)


@pytest.mark.parametrize(
    "callback, request_, errno",
    [
        # nbdkit's own errno for a C plugin with a NULL pointer there, as translated for NBD: EROFS
        # becomes EPERM.
        ("write", lambda c: c.pwrite(bytes(512), 0), "EPERM"),
        ("flush", lambda c: c.flush(), "EINVAL"),
        ("trim", lambda c: c.trim(512, 0), "EINVAL"),
    ],
    ids=["pwrite", "flush", "trim"],
)
def test_a_promise_without_the_callback_is_an_error(
    disk, language, callback, request_, errno
):
    promise = language.define(f"can_{callback}", "return true")
    server = disk(*(["pwrite"] if callback == "trim" else []), addition=promise)
    client = server.connect()
    with pytest.raises(nbd.Error) as error:
        request_(client)
    assert error.value.errno == errno
    assert client.pread(512, 0) == bytes(512)
    name = "pwrite" if callback == "write" else callback
    assert server.errors() == [language.logged(name, "this callback is not defined")]


def test_the_optional_callbacks_of_the_whole_plugin_may_be_absent(disk):
    # No dump_plugin, config, config_complete or close: nothing is missing.
    server = disk()
    server.connect().shutdown()
    assert server.stop() == (0, b"")


def test_config_help_and_magic_parameter(start, language, write_script):
    # `script=` may be given or omitted.
    script = write_script(language.script("defaults", "required"))
    assert start(language.plugin, f"script={script}").connect().get_size() == 65536
    assert start(language.plugin, script).connect().get_size() == 65536
