"""extents: what a client learns about data and holes, and every list that is rejected."""

import json
import subprocess

import nbd
import pytest

from languages import only

SIZE = 65536


def disk(language, body):
    """Requests at 4096 get this list; all others serve a client that goes on."""
    return language.script("extents", "disk", body=body)


DATA, HOLE, ZERO = 0, 1, 2


def status(client, count=SIZE - 4096, offset=4096, flags=0):
    found = []

    def note(name, offset, entries, error):
        found.extend(zip(entries[::2], entries[1::2]))

    client.block_status(count, offset, note, flags)
    return found


def goes_on(client):
    assert status(client, SIZE, 0) == [(SIZE, DATA)]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "answer, expected",
    [
        ([[4096, 61440, 0]], [(61440, DATA)]),
        ([[4096, 61440, 1]], [(61440, HOLE)]),
        ([[4096, 61440, 2]], [(61440, ZERO)]),
        ([[4096, 61440, 3]], [(61440, HOLE | ZERO)]),
        ([[4096, 61440, ""]], [(61440, DATA)]),
        ([[4096, 61440, "hole"]], [(61440, HOLE)]),
        ([[4096, 61440, "zero"]], [(61440, ZERO)]),
        ([[4096, 61440, "hole,zero"]], [(61440, HOLE | ZERO)]),
        ([[4096, 61440, "zero,hole"]], [(61440, HOLE | ZERO)]),
        ([[4096, 4096, 0], [8192, 57344, 3]], [(4096, DATA), (57344, HOLE | ZERO)]),
        # Anything before the request is cut off, and anything past the end of the disk.
        ([[0, 4096, 1], [4096, 61440, 3]], [(61440, HOLE | ZERO)]),
        ([[0, 8192, 1], [8192, 2**50, 3]], [(4096, HOLE), (57344, HOLE | ZERO)]),
        # Adjacent extents of one type are merged.
        ([[4096, 4096, 0], [8192, 57344, 0]], [(61440, DATA)]),
        # The list need not cover the whole request.
        ([[4096, 512, 3]], [(512, HOLE | ZERO)]),
        *only(
            lua=[
                ("{ { 4096, 61440, nbdkit.EXTENT_HOLE + nbdkit.EXTENT_ZERO } }",
                 [(61440, HOLE | ZERO)]),
                ("{ { 4096, 61440, 3.0 } }", [(61440, HOLE | ZERO)]),
                ("{ { offset = 4096, length = 61440, type = 'zero' } }", [(61440, ZERO)]),
                ("{ { 4096, 61440, type = 1 } }", [(61440, HOLE)]),
            ],
            tcl=[
                ("[list [list 4096 61440 [expr {$nbdkit::EXTENT_HOLE | $nbdkit::EXTENT_ZERO}]]]",
                 [(61440, HOLE | ZERO)]),
                ("{{4096 0xf000 1}}", [(61440, HOLE)]),
                ('"{4096 61440 0}"', [(61440, DATA)]),
            ],
        ),
    ],
)  # fmt: skip
def test_lists_that_are_right(serve, language, version, answer, expected):
    body = f"return {as_code(language, answer)}"
    server = serve(language.set_global("API_VERSION", version) + disk(language, body))
    client = server.connect()
    assert status(client) == expected
    assert server.errors() == []


def as_code(language, answer):
    """Code as it is, and any other value in the language's notation."""
    return answer if isinstance(answer, str) else language.literal(answer)


LIST = only(lua="{offset, length, type}", tcl="{offset length type}")
GOOD = [4096, 512, 0]
INFINITE = float("inf")


@pytest.mark.parametrize(
    "answer, message",
    [
        ([], "returned no extents, expected one that holds 4096"),
        ([GOOD, [4096, 512, 0]],
         "extent 2 begins at 4096, expected 4608: it overlaps the one before"),
        ([GOOD, [4607, 512, 0]], "it overlaps the one before"),
        ([[8192, 512, 0], [4096, 4096, 0]], "it overlaps the one before"),
        ([GOOD, [4609, 512, 0]],
         "extent 2 begins at 4609, expected 4608: it leaves a gap after the one before"),
        ([GOOD, [4608, 0, 0]], "extent 2 has a length of 0"),
        ([[4096, 0, 0]], "extent 1 has a length of 0"),
        ([[0, 4096, 0]], "which does not hold the request's offset 4096"),
        ([[4097, 4096, 0]], "which does not hold the request's offset 4096"),
        ([[4096, 512, 4]], "extent 1: 4 is not an extent type"),
        ([[4096, 512, -1]], "extent 1: -1 is not an extent type"),
        ([[4096, 512, "data"]], 'extent 1: "data" is not an extent type'),
        ([[4096, 512, "hole zero"]], 'extent 1: "hole zero" is not an extent type'),
        *only(
            lua=[
                ([[-1, 8192, 0]], "extent 1: the offset is -1, expected a whole number"),
                ([[4096, -1, 0]], "extent 1: the length is -1, expected a whole number"),
                ([[4096.5, 512, 0]], "extent 1: the offset is 4096.5, expected a whole"),
                ("{ { 4096, 0/0, 0 } }", "extent 1: the length is NaN, expected a whole number"),
                ([[4096, INFINITE, 0]], "extent 1: the length is inf, expected a whole number"),
                ("{ { 4096, 2 ^ 64, 0 } }", "extent 1: the length is 1844674407370955"),
                ([["4096", 512, 0]], "extent 1: the offset is string, expected a whole"),
                ([GOOD, "hole"], "extent 2 is a string, expected {offset, length"),
                ("nil", f"returned nil, expected a list of {LIST}"),
                ("'hole'", f"returned string, expected a list of {LIST}"),
                ("4096, 61440, 0", f"expected a list of {LIST}"),
                ("{ 4096, 61440, 0 }", "extent 1 is a"),
                ([GOOD, True], "extent 2 is a boolean, expected {offset, length"),
                ([[]], "extent 1: the offset is nil, expected a whole number"),
                ([[4096, 512]], "extent 1: the type is nil, expected nbdkit.EXTENT_*"),
                ([[4096, 512, 0.5]], "extent 1: the type is number, expected"),
                ([[4096, 512, True]], "extent 1: the type is boolean, expected"),
                ("{ setmetatable({}, { __index = function() error('deep') end }) }", "deep"),
                # A list consists of the table's own entries.
                ("setmetatable({}, { __index = function() error('deep') end })", "no extents"),
            ],
            tcl=[
                ([[-1, 8192, 0]], 'extent 1: the offset is "-1", expected a whole number'),
                ([[4096, -1, 0]], 'extent 1: the length is "-1", expected a whole number'),
                ([[4096.5, 512, 0]], 'extent 1: the offset is "4096.5", expected a whole'),
                ([[4096, INFINITE, 0]], 'extent 1: the length is "Inf", expected a whole number'),
                ([[4096, 2**64, 0]], 'the length is "18446744073709551616", expected a whole'),
                ([["x", 512, 0]], 'extent 1: the offset is "x", expected a whole number'),
                ([["", 512, 0]], 'extent 1: the offset is "", expected a whole number'),
                ([GOOD, "hole"], f'extent 2 is "hole", expected {LIST}'),
                ("hole", f'extent 1 is "hole", expected {LIST}'),
                ("{4096 61440 0}", f'extent 1 is "4096", expected {LIST}'),
                ("\\{", f'returned "{{", expected a list of {LIST}'),
                ([GOOD, True], f'extent 2 is "true", expected {LIST}'),
                ([[]], f'extent 1 is "", expected {LIST}'),
                ([[4096, 512]], f'extent 1 is "4096 512", expected {LIST}'),
                ([[4096, 512, 0, 0]], f'extent 1 is "4096 512 0 0", expected {LIST}'),
                ([[4096, 512, 0.5]], 'extent 1: "0.5" is not an extent type'),
            ],
        ),
    ],
)  # fmt: skip
def test_lists_that_are_refused(serve, language, answer, message):
    is_refused(serve, language, f"return {as_code(language, answer)}", message)


@pytest.mark.parametrize("body, message", only(
    lua=[
        ("return", "returned nil, expected a list of {offset, length, type}"),
        ("error('no map')", "disk.lua:7: no map"),
        ("return nil, 'no map', 5", "no map"),
    ],
    tcl=[
        ("return", "returned no extents, expected one that holds 4096"),
        ("error {no map}", "disk.tcl:7: no map"),
        ("return -code error {no map}", "no map"),
    ],
))  # fmt: skip
def test_calls_that_fail(serve, language, body, message):
    is_refused(serve, language, body, message)


def is_refused(serve, language, body, message):
    server = serve(disk(language, body))
    client = server.connect()
    with pytest.raises(nbd.Error) as error:
        status(client)
    assert error.value.errno in ("EINVAL", "EIO")
    (line,) = server.errors()
    assert line.startswith(language.prefix("extents"))
    assert message in line, line
    assert "runtime error" not in line and "traceback" not in line
    goes_on(client)


def test_as_many_extents_as_nbdkit_takes(serve, language):
    # nbdkit keeps 2^20 extents for one request and ignores the others.
    server = serve(language.script("extents", "a million"))
    found = status(server.connect(), 2**30, 0)
    assert found[:3] == [(512, HOLE), (512, DATA), (512, HOLE)]
    assert len(found) > 1000
    assert server.errors() == []


def test_one_extent_is_asked_for(serve, language):
    body = language.script("extents", "as many as are asked for")
    client = serve(disk(language, body)).connect()
    assert status(client, flags=nbd.CMD_FLAG_REQ_ONE) == [(512, HOLE | ZERO)]
    assert status(client) == [(512, HOLE | ZERO), (SIZE - 4096 - 512, DATA)]


def test_an_extent_that_is_longer_than_any_request(serve, language):
    # An assertion would end nbdkit if it got more than a client can ask for.
    client = serve(language.script("extents", "one that is longer than any request")).connect()
    # If there is more, newer releases of nbdkit report whole multiples of 64 KiB.
    longest = 2**32 - 2**16
    for count in (2**32 - 1, 2**32 - 512, 4096):
        for offset in (0, 4096):
            ((length, kind),) = status(client, count, offset)
            assert min(count, longest) <= length < 2**32 and kind == 3
    assert client.pread(512, 0) == bytes(512)


def test_can_extents(serve, language):
    script = disk(language, language.error("not to be called"))
    # For a disk without extents, nbdkit reports that everything is data.
    client = serve(script + language.define("can_extents", "return false")).connect()
    assert status(client) == [(SIZE - 4096, DATA)]
    # A script that promises extents but has no such callback fails the request.
    without = script + language.without("extents")
    server = serve(without + language.define("can_extents", "return true"))
    client = server.connect()
    with pytest.raises(nbd.Error) as error:
        status(client)
    assert error.value.errno == "EINVAL"
    assert server.errors() == [language.logged("extents", "this callback is not defined")]
    assert client.pread(4, 0) == b"dddd"


@pytest.fixture
def mapped(serve, language):
    """Data, a hole that reads as zeroes, data again, and zeroes that are allocated."""
    return serve(language.script("extents", "mapped"))


def test_nbdinfo_map(mapped):
    output = subprocess.run(
        ["nbdinfo", "--map", "--json", mapped.uri], capture_output=True, check=True
    )
    found = [(e["offset"], e["length"], e["type"]) for e in json.loads(output.stdout)]
    mib = 1 << 20
    assert found == [
        (0, mib, DATA),
        (mib, mib, HOLE | ZERO),
        (2 * mib, mib, DATA),
        (3 * mib, mib, ZERO),
    ]


def test_qemu_img_map(mapped):
    output = subprocess.run(
        ["qemu-img", "map", "--output=json", "-f", "raw", mapped.uri],
        capture_output=True,
        check=True,
    )
    mib = 1 << 20
    found = [(e["start"], e["length"], e["zero"], e["data"]) for e in json.loads(output.stdout)]
    assert found == [
        (0, mib, False, True),
        (mib, mib, True, False),
        (2 * mib, mib, False, True),
        (3 * mib, mib, True, True),
    ]


def test_nbdcopy_reads_only_the_data(mapped, tmp_path):
    # The script fails any other read.
    subprocess.run(["nbdcopy", mapped.uri, tmp_path / "copy"], check=True)
    mib = 1 << 20
    assert (tmp_path / "copy").read_bytes() == (b"d" * mib + bytes(mib)) * 2
    assert mapped.errors() == []
