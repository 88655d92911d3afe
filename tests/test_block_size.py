"""block_size: what a client learns, and each rule of nbdkit's that a return value may break."""

import nbd
import pytest

from languages import only

LIMIT = 4294967295


def disk(language, body):
    """The first client gets this return value, all others a valid one."""
    return language.script("block_size", "disk", body=body)


def sizes(client):
    return tuple(
        client.get_block_size(which)
        for which in (nbd.SIZE_MINIMUM, nbd.SIZE_PREFERRED, nbd.SIZE_MAXIMUM)
    )


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize(
    "answer, expected",
    [
        ((1, 512, LIMIT), (1, 512, LIMIT)),
        ((512, 4096, 2**20), (512, 4096, 1 << 20)),
        ((1, 4096, -1), (1, 4096, LIMIT)),
        ((65536, 65536, 65536), (65536, 65536, 65536)),
        ((65536, 2**25, 2**25), (65536, 1 << 25, 1 << 25)),
        ((4, 512, 516), (4, 512, 516)),
        ((1, 512, 512), (1, 512, 512)),
        # Three results, or a list, as in other languages.
        *only(
            lua=[
                ((512.0, 4096.0, 2.0**20), (512, 4096, 2**20)),
                (([512, 4096, 2**20],), (512, 4096, 2**20)),
                (([1, 4096, -1],), (1, 4096, LIMIT)),
            ],
            tcl=[],
        ),
    ],
)
def test_sizes_that_are_right(serve, language, version, answer, expected):
    body = f"return {language.values(*answer)}"
    server = serve(language.set_global("API_VERSION", version) + disk(language, body))
    assert sizes(server.connect()) == expected
    assert server.errors() == []


@pytest.mark.parametrize("answer", only(lua=["nil", "", "0, 0, 0"], tcl=["{}", "", "{0 0 0}"]))
def test_nothing_is_said(serve, language, answer):
    server = serve(disk(language, only(lua=f"do return {answer} end", tcl=f"return {answer}")))
    client = server.connect()
    # libnbd's value if the server says nothing. nbdkit itself has a maximum.
    assert sizes(client)[:2] == (0, 0) or sizes(client) == (1, 4096, 4294967295)
    assert client.pread(1, 1) == b"x"
    assert server.errors() == []


@pytest.mark.parametrize(
    "answer, rule",
    [
        ((3, 512, 1024), "minimum 3, preferred 512, maximum 1024: minimum must be a power of 2"),
        ((0, 512, 1024), "minimum 0, preferred 512, maximum 1024: minimum must be a power of 2"),
        ((0, 0, 1024), "minimum 0, preferred 0, maximum 1024: minimum must be a power of 2"),
        ((131072, 131072, 131072), "minimum must be a power of 2 from 1 to 64K"),
        ((1, 1000, 1024), "preferred must be a power of 2 from 512 to 32M"),
        ((1, 256, 1024), "preferred must be a power of 2 from 512 to 32M"),
        ((1, 2**26, 2**26), "preferred must be a power of 2 from 512 to 32M"),
        ((1, 0, 1024), "preferred must be a power of 2 from 512 to 32M"),
        ((512, 512, 1000), "maximum must be a multiple of minimum, or 4294967295 for no limit"),
        ((4096, 512, 8192), "minimum <= preferred <= maximum must hold"),
        ((1, 4096, 512), "minimum <= preferred <= maximum must hold"),
        ((1, 4096, 0), "minimum <= preferred <= maximum must hold"),
        ((-1, -1, -1), "minimum must be a power of 2"),
    ],
)
def test_sizes_that_break_a_rule_keep_the_client_out(serve, language, answer, rule):
    keeps_the_client_out(serve, language, f"return {language.values(*answer)}", rule)


def not_whole(which, found):
    return only(
        lua=f"the {which} is not a whole number from 0 to 4294967295",
        tcl=f'the {which} is "{found}", expected a whole number from 0 to 4294967295',
    )


@pytest.mark.parametrize(
    "answer, which, found",
    [
        ((-2, 512, 1024), "minimum", "-2"),
        ((0.5, 512, 1024), "minimum", "0.5"),
        ((1, 512.5, 1024), "preferred size", "512.5"),
        ((1, 512, 2**32), "maximum", "4294967296"),
        ((1, 512, 2.0**70), "maximum", "1.1805916207174113e+21"),
        (("x", 512, 4096), "minimum", "x"),
        *only(
            lua=[
                ((1, 512, float("nan")), "maximum", None),
                ((1, 512, float("inf")), "maximum", None),
                ((512,), "preferred size", None),
                ((512, 4096), "maximum", None),
                ((512, None, 4096), "preferred size", None),
                ((True,), "minimum", None),
            ],
            tcl=[
                ((1, 512, float("inf")), "maximum", "Inf"),
                ((512, "", 4096), "preferred size", ""),
                (([1, 2], 512, 4096), "minimum", "1 2"),
            ],
        ),
    ],
)
def test_sizes_that_are_no_numbers_keep_the_client_out(serve, language, answer, which, found):
    rule = not_whole(which, found)
    keeps_the_client_out(serve, language, f"return {language.values(*answer)}", rule)


THREE = "expected a list of three numbers: minimum, preferred and maximum size"


@pytest.mark.parametrize("body, rule", only(
    lua=[
        ("error('cannot say')", "cannot say"),
        ("return nil, 'cannot say', 5", "cannot say"),
        ("return nil, { message = 'cannot say' }", "cannot say"),
        ("return {}", f"returned table, {THREE}"),
        ("return { 512, 4096 }", f"returned table, {THREE}"),
        ("return { 1, 512, 4096, 8192 }", f"returned table, {THREE}"),
        ("return { 1, 512, 'x' }", "the maximum is not a whole number from 0 to 4294967295"),
    ],
    tcl=[
        ("error {cannot say}", "cannot say"),
        ("return -code error {cannot say}", "cannot say"),
        ("return 512", f'returned "512", {THREE}'),
        ("return {512 4096}", f'returned "512 4096", {THREE}'),
        ("return {1 512 4096 8192}", f'returned "1 512 4096 8192", {THREE}'),
        (r"return \{", f'returned "{{", {THREE}'),
    ],
))  # fmt: skip
def test_an_invalid_return_value_refuses_the_client(serve, language, body, rule):
    keeps_the_client_out(serve, language, body, rule)


def keeps_the_client_out(serve, language, body, rule):
    server = serve(disk(language, body))
    with pytest.raises(nbd.Error):
        server.connect()
    (line,) = server.errors()
    assert line.startswith(language.prefix("block_size")) and rule in line, line
    client = server.connect()
    assert sizes(client) == (1, 512, 4294967295)
    assert client.pread(1, 1) == b"x"


def test_nbdkit_agrees_about_what_is_wrong(serve, start, language):
    # nbdkit's own sh plugin passes on any numbers, and nbdkit judges them. The client's export name
    # selects the sizes.
    ours = serve(language.script("block_size", "of the export"))
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
