"""block_size: what a client is told, and each rule of nbdkit's that an answer may break."""

import nbd
import pytest

DISK = """
    function open(readonly) return {} end
    function get_size(h) return 2 ^ 20 end
    function pread(h, count, offset) return string.rep("x", count) end
    local asked = 0
    function block_size(h)
        asked = asked + 1
        if asked == 1 then %s end
        return 1, 512, 4294967295
    end
"""


def sizes(client):
    return tuple(
        client.get_block_size(which)
        for which in (nbd.SIZE_MINIMUM, nbd.SIZE_PREFERRED, nbd.SIZE_MAXIMUM)
    )


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "answer, expected",
    [
        ("1, 512, 4294967295", (1, 512, 4294967295)),
        ("512, 4096, 2 ^ 20", (512, 4096, 1 << 20)),
        ("1, 4096, -1", (1, 4096, 4294967295)),
        ("65536, 65536, 65536", (65536, 65536, 65536)),
        ("65536, 2 ^ 25, 2 ^ 25", (65536, 1 << 25, 1 << 25)),
        ("4, 512, 516", (4, 512, 516)),
        ("512.0, 4096.0, 65536.0", (512, 4096, 65536)),
        ("1, 512, 512", (1, 512, 512)),
    ],
)
def test_sizes_that_are_right(serve, version, answer, expected):
    server = serve(f"API_VERSION = {version}\n" + DISK % f"return {answer}")
    assert sizes(server.connect()) == expected
    assert server.errors() == []


@pytest.mark.parametrize("answer", ["nil", "", "0, 0, 0"])
def test_nothing_is_said(serve, answer):
    server = serve(DISK % f"do return {answer} end")
    client = server.connect()
    # What libnbd has where the server says nothing. nbdkit itself has a maximum.
    assert sizes(client)[:2] == (0, 0) or sizes(client) == (1, 4096, 4294967295)
    assert client.pread(1, 1) == b"x"
    assert server.errors() == []


@pytest.mark.parametrize(
    "answer, rule",
    [
        ("3, 512, 1024", "minimum 3, preferred 512, maximum 1024: minimum must be a power of 2"),
        ("0, 512, 1024", "minimum 0, preferred 512, maximum 1024: minimum must be a power of 2"),
        ("0, 0, 1024", "minimum 0, preferred 0, maximum 1024: minimum must be a power of 2"),
        ("131072, 131072, 131072", "minimum must be a power of 2 from 1 to 64K"),
        ("1, 1000, 1024", "preferred must be a power of 2 from 512 to 32M"),
        ("1, 256, 1024", "preferred must be a power of 2 from 512 to 32M"),
        ("1, 2 ^ 26, 2 ^ 26", "preferred must be a power of 2 from 512 to 32M"),
        ("1, 0, 1024", "preferred must be a power of 2 from 512 to 32M"),
        ("512, 512, 1000", "maximum must be a multiple of minimum, or 4294967295 for no limit"),
        ("4096, 512, 8192", "minimum <= preferred <= maximum must hold"),
        ("1, 4096, 512", "minimum <= preferred <= maximum must hold"),
        ("1, 4096, 0", "minimum <= preferred <= maximum must hold"),
        ("-1, -1, -1", "minimum must be a power of 2"),
        ("-2, 512, 1024", "the minimum is not a whole number from 0 to 4294967295"),
        ("0.5, 512, 1024", "the minimum is not a whole number"),
        ("1, 512.5, 1024", "the preferred size is not a whole number"),
        ("1, 512, 2 ^ 32", "the maximum is not a whole number from 0 to 4294967295"),
        ("1, 512, 0/0", "the maximum is not a whole number"),
        ("1, 512, 1/0", "the maximum is not a whole number"),
        ("512", "the preferred size is not a whole number"),
        ("512, 4096", "the maximum is not a whole number"),
        ("512, nil, 4096", "the preferred size is not a whole number"),
        ("'x', 512, 4096", "the minimum is not a whole number"),
        ("{ 1, 512, 4096 }", "the minimum is not a whole number"),
        ("true", "the minimum is not a whole number"),
        ("error('cannot say')", "disk.lua:8: cannot say"),
        ("nil, 'cannot say', 5", "cannot say"),
    ],
)
def test_sizes_that_are_wrong_keep_the_client_out(serve, answer, rule):
    server = serve(DISK % f"local a, b, c = {answer} return a, b, c")
    with pytest.raises(nbd.Error):
        server.connect()
    (line,) = server.errors()
    assert line.startswith("nbdkit: lua[1]: error: block_size: ") and rule in line, line
    client = server.connect()
    assert sizes(client) == (1, 512, 4294967295)
    assert client.pread(1, 1) == b"x"


def test_nbdkit_agrees_about_what_is_wrong(serve, start):
    # Its own plugin for shell commands hands on any numbers, and nbdkit judges them. A client
    # names the sizes that it gets as its export.
    ours = serve("""
        function open(readonly) return nbdkit.export_name() end
        function get_size(h) return 2 ^ 20 end
        function pread(h, count, offset) return string.rep("x", count) end
        function block_size(h)
            local a, b, c = h:match("(%d+) (%d+) (%d+)")
            return tonumber(a), tonumber(b), tonumber(c)
        end
    """)
    theirs = start(
        "eval",
        'open=echo "$3"',
        "get_size=echo 1048576",
        "pread=head -c $3 /dev/zero",
        'block_size=echo "$2"',
    )

    def told(server, name):
        client = nbd.NBD()
        client.set_export_name(name)
        try:
            client.connect_unix(str(server.socket))
        except nbd.Error:
            return "refused"
        found = sizes(client)
        client.shutdown()
        return found

    names = [
        f"{minimum} {preferred} {maximum}"
        for minimum in (0, 1, 3, 512, 65536, 131072)
        for preferred in (0, 256, 512, 1000, 1 << 25, 1 << 26)
        for maximum in (0, 512, 1000, (1 << 26) + 1, 4294967295)
    ]
    assert {name: told(ours, name) for name in names} == {
        name: told(theirs, name) for name in names
    }
