"""Sizes and offsets up to the largest that NBD has, in engines with integers and without."""

import nbd
import pytest

from languages import only


@pytest.fixture
def echo(serve, language):
    """A disk whose bytes show the request."""

    def echo(size):
        # In an engine with integers, %d is exact, and rejects a float with a fraction.
        replacements = only(lua={"form": "%d" if language.integers else "%.0f"}, tcl={})
        return serve(language.script("numbers", "echo", size=size, **replacements))

    return echo


def word(client, offset):
    return client.pread(64, offset).split()[0].decode()


def test_offsets_are_exact_up_to_where_the_disk_ends(echo, language):
    size = 2**63 - 1 if language.integers else 2**53 - 1
    server = echo(language.literal(size))
    client = server.connect()
    assert client.get_size() == size
    for offset in (0, 1, 2**31, 2**32 - 1, 2**32, 2**53 - 4097, size - 65, size - 64):
        assert word(client, offset) == f"64@{offset}"
        client.pwrite(b"0123456789", offset)
        assert word(client, offset) == f"0123456789@{offset}"
        client.trim(64, offset)
        assert word(client, offset) == f"trim@{offset}"
        client.zero(64, offset)
        assert word(client, offset) == f"zero@{offset}"
    with pytest.raises(nbd.Error):
        client.pread(64, size - 63)
    assert server.errors() == []


def refused_size(server):
    """The log's line about it."""
    with pytest.raises(nbd.Error):
        server.connect()
    (line,) = server.errors()
    return line


def test_offsets_between_2_to_53_and_the_end_are_exact_or_refused(echo, language):
    # The smallest one may be the next number, rounded.
    for size in () if language.integers else (2**53, 2**53 + 4096):
        assert f"{size} is past 2^53 - 1: " in refused_size(echo(f"{size}"))
    server = echo(only(lua="2 ^ 53 + 4096", tcl=2**53 + 4096))
    if language.integers:
        # The size is a whole float; the offsets are integers anyway.
        client = server.connect()
        assert client.get_size() == 2**53 + 4096
        for offset in (2**53, 2**53 + 1, 2**53 + 3):
            assert word(client, offset) == f"64@{offset}"


@pytest.mark.parametrize(
    "size, expected",
    [
        ("0", 0),
        ("1", 1),
        ("1048576", 2**20),
        *only(
            # Lua accepts a string that looks like a number, and so does the official plugin.
            lua=[
                ("512.0", 512),
                ("2 ^ 40", 2**40),
                ('"1048576"', 2**20),
                ('" 0x200 "', 512),
                ('"1e3"', 1000),
            ],
            tcl=[
                ("[expr {2 ** 40}]", 2**40),
                ('" 1048576 "', 2**20),
                ("0x200", 512),
                ("0b1000", 8),
                ("0o20", 16),
            ],
        ),
    ],
)
def test_a_size_is_any_whole_number(echo, size, expected):
    assert echo(size).connect().get_size() == expected
