"""extents: what a client learns of data and holes, and every list that is refused."""

import json
import subprocess

import nbd
import pytest

SIZE = 65536

DISK = """
    disk = string.rep("d", 16384) .. string.rep("\\0", 49152)
    function open(readonly) return {} end
    function get_size(h) return #disk end
    function pread(h, count, offset) return disk:sub(offset + 1, offset + count) end
    -- Requests at 4096 are for the tests, all others for a client that goes on.
    function extents(h, count, offset, flags)
        if offset ~= 4096 then return { { 0, #disk, 0 } } end
        %s
    end
"""

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
    "body, expected",
    [
        ("return { { 4096, 61440, 0 } }", [(61440, DATA)]),
        ("return { { 4096, 61440, 1 } }", [(61440, HOLE)]),
        ("return { { 4096, 61440, 2 } }", [(61440, ZERO)]),
        ("return { { 4096, 61440, 3 } }", [(61440, HOLE | ZERO)]),
        ("return { { 4096, 61440, nbdkit.EXTENT_HOLE + nbdkit.EXTENT_ZERO } }",
         [(61440, HOLE | ZERO)]),
        ("return { { 4096, 61440, 3.0 } }", [(61440, HOLE | ZERO)]),
        ("return { { 4096, 61440, '' } }", [(61440, DATA)]),
        ("return { { 4096, 61440, 'hole' } }", [(61440, HOLE)]),
        ("return { { 4096, 61440, 'zero' } }", [(61440, ZERO)]),
        ("return { { 4096, 61440, 'hole,zero' } }", [(61440, HOLE | ZERO)]),
        ("return { { 4096, 61440, 'zero,hole' } }", [(61440, HOLE | ZERO)]),
        ("return { { offset = 4096, length = 61440, type = 'zero' } }", [(61440, ZERO)]),
        ("return { { 4096, 61440, type = 1 } }", [(61440, HOLE)]),
        ("return { { 4096, 4096, 0 }, { 8192, 57344, 3 } }", [(4096, DATA), (57344, HOLE | ZERO)]),
        # What is before the request is cut off, and what is behind the end of the disk.
        ("return { { 0, 4096, 1 }, { 4096, 61440, 3 } }", [(61440, HOLE | ZERO)]),
        ("return { { 0, 8192, 1 }, { 8192, 2 ^ 50, 3 } }", [(4096, HOLE), (57344, HOLE | ZERO)]),
        # Neighbours of one kind are one.
        ("return { { 4096, 4096, 0 }, { 8192, 57344, 0 } }", [(61440, DATA)]),
        # It need not go all the way.
        ("return { { 4096, 512, 3 } }", [(512, HOLE | ZERO)]),
    ],
)  # fmt: skip
def test_lists_that_are_right(serve, version, body, expected):
    server = serve(f"API_VERSION = {version}\n" + DISK % body)
    client = server.connect()
    assert status(client) == expected
    assert server.errors() == []


@pytest.mark.parametrize(
    "body, message",
    [
        ("return {}", "returned no extents, expected one that holds 4096"),
        ("return", "returned nil, expected a list of {offset, length, type}"),
        ("return nil", "returned nil, expected a list of {offset, length, type}"),
        ("return 'hole'", "returned string, expected a list of {offset, length, type}"),
        ("return 4096, 61440, 0", "expected a list of {offset, length, type}"),
        ("return { 4096, 61440, 0 }", "extent 1 is a"),
        ("return { { 4096, 512, 0 }, 'hole' }", "extent 2 is a string, expected {offset, length"),
        ("return { { 4096, 512, 0 }, true }", "extent 2 is a boolean, expected {offset, length"),
        ("return { { 4096, 512, 0 }, { 4096, 512, 0 } }",
         "extent 2 begins at 4096, expected 4608: it overlaps the one before"),
        ("return { { 4096, 512, 0 }, { 4607, 512, 0 } }", "it overlaps the one before"),
        ("return { { 8192, 512, 0 }, { 4096, 4096, 0 } }", "it overlaps the one before"),
        ("return { { 4096, 512, 0 }, { 4609, 512, 0 } }",
         "extent 2 begins at 4609, expected 4608: it leaves a gap after the one before"),
        ("return { { 4096, 512, 0 }, { 4608, 0, 0 } }", "extent 2 has a length of 0"),
        ("return { { 4096, 0, 0 } }", "extent 1 has a length of 0"),
        ("return { { 0, 4096, 0 } }", "which does not hold the request's offset 4096"),
        ("return { { 4097, 4096, 0 } }", "which does not hold the request's offset 4096"),
        ("return { { -1, 8192, 0 } }", "extent 1: the offset is -1, expected a whole number"),
        ("return { { 4096, -1, 0 } }", "extent 1: the length is -1, expected a whole number"),
        ("return { { 4096.5, 512, 0 } }", "extent 1: the offset is 4096.5, expected a whole"),
        ("return { { 4096, 0/0, 0 } }", "extent 1: the length is NaN, expected a whole number"),
        ("return { { 4096, 1/0, 0 } }", "extent 1: the length is inf, expected a whole number"),
        ("return { { 4096, 2 ^ 64, 0 } }", "extent 1: the length is 1844674407370955"),
        ("return { { '4096', 512, 0 } }", "extent 1: the offset is string, expected a whole"),
        ("return { {} }", "extent 1: the offset is nil, expected a whole number"),
        ("return { { 4096, 512 } }", "extent 1: the type is nil, expected nbdkit.EXTENT_*"),
        ("return { { 4096, 512, 4 } }", "extent 1: 4 is no type of an extent"),
        ("return { { 4096, 512, -1 } }", "extent 1: -1 is no type of an extent"),
        ("return { { 4096, 512, 0.5 } }", "extent 1: the type is number, expected"),
        ("return { { 4096, 512, 'data' } }", 'extent 1: "data" is no type of an extent'),
        ("return { { 4096, 512, 'hole zero' } }", 'extent 1: "hole zero" is no type'),
        ("return { { 4096, 512, true } }", "extent 1: the type is boolean, expected"),
        ("error('no map')", "disk.lua:9: no map"),
        ("return nil, 'no map', 5", "no map"),
        ("return { setmetatable({}, { __index = function() error('deep') end }) }", "deep"),
        # A list is what is in the table itself.
        ("return setmetatable({}, { __index = function() error('deep') end })", "no extents"),
    ],
)  # fmt: skip
def test_lists_that_are_refused(serve, body, message):
    server = serve(DISK % body)
    client = server.connect()
    with pytest.raises(nbd.Error) as error:
        status(client)
    assert error.value.errno in ("EINVAL", "EIO")
    (line,) = server.errors()
    assert line.startswith("nbdkit: lua[1]: error: extents: ")
    assert message in line, line
    assert "runtime error" not in line and "traceback" not in line
    goes_on(client)


def test_as_many_extents_as_nbdkit_takes(serve):
    # nbdkit keeps 2^20 of them for one request and ignores the others.
    server = serve("""
        function open(readonly) return {} end
        function get_size(h) return 2 ^ 30 end
        function pread(h, count, offset) return string.rep("x", count) end
        function extents(h, count, offset, flags)
            local list = {}
            for i = 1, 2 ^ 20 do list[i] = { offset + (i - 1) * 512, 512, i % 2 } end
            return list
        end
    """)
    found = status(server.connect(), 2**30, 0)
    assert found[:3] == [(512, HOLE), (512, DATA), (512, HOLE)]
    assert len(found) > 1000
    assert server.errors() == []


def test_one_extent_is_asked_for(serve):
    client = serve(DISK % """
        if flags == nbdkit.FLAG_REQ_ONE then return { { offset, 512, 3 } } end
        return { { offset, 512, 3 }, { offset + 512, count - 512, 0 } }
    """).connect()
    assert status(client, flags=nbd.CMD_FLAG_REQ_ONE) == [(512, HOLE | ZERO)]
    assert status(client) == [(512, HOLE | ZERO), (SIZE - 4096 - 512, DATA)]


def test_can_extents(serve):
    script = DISK % "error('not to be called')"
    # nbdkit says of a disk that cannot tell that it is all data.
    client = serve(script + "function can_extents(h) return false end").connect()
    assert status(client) == [(SIZE - 4096, DATA)]
    # And a script that says it can, but has no extents, fails the request.
    without = script.replace("function extents", "local function unused")
    server = serve(without + "function can_extents(h) return true end")
    client = server.connect()
    with pytest.raises(nbd.Error) as error:
        status(client)
    assert error.value.errno == "EINVAL"
    assert server.errors() == ["nbdkit: lua[1]: error: extents: this callback is not defined"]
    assert client.pread(4, 0) == b"dddd"


MAPPED = """
    local MIB = 2 ^ 20
    local reads = {}
    -- Data, a hole that reads as zeroes, data again, zeroes that are allocated.
    local kinds = { [0] = "", "hole,zero", "", "zero" }
    function open(readonly) return {} end
    function get_size(h) return 4 * MIB end
    function pread(h, count, offset)
        local kind = kinds[math.floor(offset / MIB)]
        if kind ~= "" then error("this need not be read") end
        return string.rep("d", count)
    end
    function extents(h, count, offset, flags)
        local list = {}
        for i = math.floor(offset / MIB), 3 do
            list[#list + 1] = { i * MIB, MIB, kinds[i] }
        end
        return list
    end
"""


def test_nbdinfo_map(serve):
    output = subprocess.run(
        ["nbdinfo", "--map", "--json", serve(MAPPED).uri], capture_output=True, check=True
    )
    found = [(e["offset"], e["length"], e["type"]) for e in json.loads(output.stdout)]
    mib = 1 << 20
    assert found == [
        (0, mib, DATA),
        (mib, mib, HOLE | ZERO),
        (2 * mib, mib, DATA),
        (3 * mib, mib, ZERO),
    ]


def test_qemu_img_map(serve):
    output = subprocess.run(
        ["qemu-img", "map", "--output=json", "-f", "raw", serve(MAPPED).uri],
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


def test_nbdcopy_reads_only_the_data(serve, tmp_path):
    server = serve(MAPPED)
    # The script fails a read of anything else.
    subprocess.run(["nbdcopy", server.uri, tmp_path / "copy"], check=True)
    mib = 1 << 20
    assert (tmp_path / "copy").read_bytes() == (b"d" * mib + bytes(mib)) * 2
    assert server.errors() == []
