"""API_VERSION: which signatures a script's callbacks have, and the buffers of version 2."""

import nbd
import pytest

from languages import only, under_test

NUMBERS = {version: under_test().pieces("api_versions", f"version {version}") for version in (1, 2)}
NONE = under_test().pieces("api_versions", "no version")
# How the message shows each; strings and numbers differ.
SHOWN = {"3": "3", "0": "0", "-1": "-1", "1.5": "1.5"} | only(
    lua={"0/0": "nan", "2 ^ 53": "", "{}": "table", "true": "true", "function": "function"},
    tcl={"true": "true", "list": "", "empty": '""', "1 and a word": "1 x", "word": "two"},
)


def versioned(language, prefix):
    """A script with every callback, which logs the arguments in the file that log= names."""
    return prefix + "\n" + language.script("api_versions", "logged")


def disk(language, name, **replacements):
    required = language.script("api_versions", "required")
    return required + language.script("api_versions", name, **replacements)


def number(language, value):
    return f"{'integer' if language.integers else 'number'}:{value}"


def all_requests(client, zero_flags=nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FUA):
    client.pread(512, 1024)
    client.pwrite(b"z" * 512, 1024)
    client.pwrite(b"z" * 512, 1024, nbd.CMD_FLAG_FUA)
    client.flush()
    client.trim(512, 1024, nbd.CMD_FLAG_FUA)
    client.zero(512, 1024)
    client.zero(512, 1024, zero_flags)
    client.cache(512, 1024)
    client.block_status(512, 1024, lambda *_: 0, nbd.CMD_FLAG_REQ_ONE)


@pytest.mark.parametrize("version", NUMBERS[1])
def test_signatures_of_version_1(serve, language, tmp_path, version):
    script = versioned(language, NUMBERS[1][version])
    signatures_of_version_1(serve, language, tmp_path, script)


def signatures_of_version_1(serve, language, tmp_path, script):
    client = serve(script, f"log={tmp_path}/log").connect()
    all_requests(client)
    n = lambda value: number(language, value)  # noqa: E731
    at = f"{n(512)} {n(1024)}"
    assert [line for line in (tmp_path / "log").read_text().splitlines()] == [
        "open boolean:false",
        "get_size handle",
        f"pread handle {at}",
        f"pwrite handle string:{'z' * 512} {n(1024)}",
        # There is no argument for flags, so FUA becomes a flush, whatever can_fua says.
        f"pwrite handle string:{'z' * 512} {n(1024)}",
        "flush handle",
        "flush handle",
        f"trim handle {at}",
        "flush handle",
        f"zero handle {at} boolean:true",
        f"zero handle {at} boolean:false",
        "flush handle",
        # Callbacks that the official plugin lacks are the same in both versions.
        f"cache handle {at} {n(0)}",
        f"extents handle {at} {n(4)}",
    ]


def test_fast_zero_fails_under_version_1(serve, language, tmp_path):
    # The script would not know that the zero has to be fast.
    client = serve(versioned(language, ""), f"log={tmp_path}/log").connect()
    with pytest.raises(nbd.Error) as error:
        client.zero(512, 1024, nbd.CMD_FLAG_FAST_ZERO)
    assert error.value.errno == "ENOTSUP"
    assert "zero" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("version", NUMBERS[2])
def test_signatures_of_version_2(serve, language, tmp_path, version):
    script = versioned(language, NUMBERS[2][version])
    signatures_of_version_2(serve, language, tmp_path, script)


def signatures_of_version_2(serve, language, tmp_path, script):
    client = serve(script, f"log={tmp_path}/log").connect()
    fast = nbd.CMD_FLAG_FAST_ZERO
    all_requests(client, nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FUA | fast)
    n = lambda value: number(language, value)  # noqa: E731
    at = f"{n(512)} {n(1024)}"
    assert [line for line in (tmp_path / "log").read_text().splitlines()] == [
        "open boolean:false",
        "get_size handle",
        f"pread handle buffer:512 {n(1024)} {n(0)}",
        f"pwrite handle buffer:512 {n(1024)} {n(0)}",
        f"pwrite handle buffer:512 {n(1024)} {n(2)}",
        f"flush handle {n(0)}",
        f"trim handle {at} {n(2)}",
        f"zero handle {at} {n(1)}",
        f"zero handle {at} {n(2 | 8)}",
        f"cache handle {at} {n(0)}",
        f"extents handle {at} {n(4)}",
    ]


@pytest.mark.parametrize("version", NONE)
def test_version_that_is_none(expect_failure, language, version):
    line = expect_failure(versioned(language, NONE[version]))
    assert line.startswith("API_VERSION is ") and line.endswith(", expected 1 or 2"), line
    assert SHOWN[version] in line.lower()


@pytest.mark.parametrize(
    "writes, expected",
    [
        ([], {}),
        ([(0, b"a")], {0: b"a"}),
        ([(511, b"z")], {511: b"z"}),
        ([(100, b"mid"), (0, b"a"), (511, b"z")], {0: b"a", 100: b"mid", 511: b"z"}),
        ([(400, b"later"), (100, b"before"), (300, b"between")],
         {100: b"before", 300: b"between", 400: b"later"}),
        ([(10, b"aaaa"), (12, b"bbbb"), (8, b"cccc")], {8: b"cccc", 12: b"bbbb"}),
        ([(256, b"\0")], {}),
        ([(512, b"")], {}),
        ([(200, b"")], {}),
    ],
)  # fmt: skip
def test_what_is_not_written_reads_as_zeroes(serve, language, writes, expected):
    lines = "".join(
        language.script("api_versions", "step: write", offset=offset, bytes=language.literal(data))
        for offset, data in writes
    )
    client = serve(disk(language, "writes", lines=lines)).connect()
    wanted = bytearray(512)
    for offset, data in expected.items():
        wanted[offset : offset + len(data)] = data
    for _ in range(3):
        # nbdkit reuses the memory of this request for the next.
        assert client.pread(512, 0) == b"\x55" * 512
        assert client.pread(512, 512) == wanted


@pytest.mark.parametrize("look", under_test().pieces("api_versions", "ways to look"))
def test_script_that_looks_before_it_writes_sees_zeroes(serve, language, look):
    seen = language.pieces("api_versions", "ways to look")[look]
    client = serve(disk(language, "look", look=seen)).connect()
    assert client.pread(512, 0) == b"\x55" * 512
    assert client.pread(512, 512) == bytes(10) + b"\x01" + bytes(501)


def test_random_writes_against_a_model(serve, language, numbers):
    steps, model = [], bytearray(4096)

    def step(kind, **numbers):
        steps.append(language.script("api_versions", f"step: {kind}", **numbers))

    for _ in range(300):
        offset = numbers.randrange(4097)
        count = numbers.randrange(min(4097 - offset, 200))
        byte = numbers.randrange(256)
        kind = numbers.choice(["write", "fill", "copy", "read"])
        if kind == "write":
            step("write", offset=offset, bytes=language.literal(bytes([byte]) * count))
            model[offset : offset + count] = bytes([byte]) * count
        elif kind == "fill":
            step("fill", offset=offset, byte=byte, count=count)
            model[offset : offset + count] = bytes([byte]) * count
        elif kind == "copy":
            source = numbers.randrange(4097 - count)
            step("copy", offset=offset, source=source, count=count)
            model[offset : offset + count] = model[source : source + count]
        else:
            step("read", offset=offset, count=count)
    # Lua limits the constants of a function, so each step is a separate one.
    lines = "".join(language.script("api_versions", "a step", step=line) for line in steps)
    client = serve(disk(language, "steps", lines=lines)).connect()
    client.pread(4096, 0)
    assert client.pread(4096, 4096) == model


def test_error_after_writing_gives_the_client_nothing(serve, language):
    script = disk(language, "fail once")
    server = serve(script)
    client = server.connect()
    # Otherwise libnbd zeroes it before the request.
    client.set_pread_initialize(False)
    target = nbd.Buffer.from_bytearray(bytearray(b"\x11" * 512))
    request = client.aio_pread(target, 0)
    with pytest.raises(nbd.Error) as error:
        while not client.aio_command_completed(request):
            client.poll(-1)
    assert error.value.errno == "EIO"
    assert target.to_bytearray() == b"\x11" * 512
    assert client.pread(512, 0) == b"\x55" * 256 + b"\x66" * 256
    place = language.place(script, "no more")
    assert server.errors() == [language.logged("pread", f"{place}: no more")]


@pytest.mark.parametrize("kind", under_test().pieces("api_versions", "returned data"))
def test_data_that_pread_returns_in_place_of_filling_the_buffer(serve, language, kind):
    # A script that was only half converted to version 2 must not serve zeroes.
    body = language.pieces("api_versions", "returned data")[kind]
    server = serve(disk(language, "returned", body=body))
    client = server.connect()
    with pytest.raises(nbd.Error) as error:
        client.pread(512, 512)
    assert error.value.errno == "EIO"
    assert client.pread(512, 0) == b"\x55" * 512
    (line,) = server.errors()
    assert line == language.logged(
        "pread",
        "returned a string and wrote nothing into the buffer, expected the bytes in the buffer: "
        "API version 2 ignores what is returned",
    )


@pytest.mark.parametrize("kind", under_test().pieces("api_versions", "returned and ignored"))
def test_what_else_pread_returns_is_ignored(serve, language, kind):
    body = language.pieces("api_versions", "returned and ignored")[kind]
    server = serve(disk(language, "returned", body=body))
    client = server.connect()
    for count in (512, 1, 2):
        assert client.pread(512, 0) == b"\x55" * 512
        assert client.pread(count, 512) == bytes(count)
    assert server.errors() == []


@pytest.mark.parametrize("kind", under_test().pieces("api_versions", "returned as well"))
def test_data_that_pread_returns_when_it_has_filled_the_buffer(serve, language, kind):
    body = language.pieces("api_versions", "returned as well")[kind]
    server = serve(disk(language, "returned", body=body))
    assert server.connect().pread(512, 512) == b"y" + bytes(511)
    assert server.errors() == []


def test_buffer_of_a_write_is_read_only(serve, language):
    server = serve(disk(language, "read-only"))
    client = server.connect()
    data = bytes(range(256)) * 2
    client.pwrite(data, 0)
    assert client.pread(512, 0) == data
    assert server.errors() == []
