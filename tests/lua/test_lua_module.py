"""The module `nbdkit` as a table of Lua."""

import nbd
import pytest

import evaluating


@pytest.fixture
def lua(serve, language):
    return evaluating.evaluator(serve, language)


def test_nil_is_as_good_as_an_argument_left_out(lua):
    assert lua.value("return nbdkit.parse_int('n', '-7', nil)") == "-7"
    lua.run("nbdkit.nanosleep(0, nil)")


FUNCTIONS = """
    absolute_path buffer debug debug_hexdiff debug_hexdump disconnect disk error export_name file
    is_tls name nanosleep parse_bool parse_delay parse_int parse_probability parse_size peer_gid peer_name
    peer_pid peer_security_context peer_tls_dn peer_tls_issuer_dn peer_uid read_password realpath
    set_error shutdown stdio_safe timestamp
""".split()

BARE = "export_name is_tls peer_gid peer_name peer_pid peer_uid stdio_safe".split()


def test_everything_that_is_in_it(lua):
    found = lua.value("""
        local names = {}
        for name, value in pairs(nbdkit) do
            if type(value) == "function" then names[#names + 1] = name end
        end
        table.sort(names)
        return table.concat(names, " ")
    """)
    assert found.split() == sorted(FUNCTIONS)
    kinds = lua.value("""
        local kinds = {}
        for _, value in pairs(nbdkit) do kinds[type(value)] = true end
        kinds["function"], kinds.number = nil
        local names = {}
        for kind in pairs(kinds) do names[#names + 1] = kind end
        return table.concat(names, " "), type(nbdkit.errno)
    """)
    assert kinds == "table table"


def test_require_gives_the_same_table(lua):
    assert lua.value("return require('nbdkit') == nbdkit, package.loaded.nbdkit == nbdkit") == (
        "true true"
    )
    assert lua.value("nbdkit.mine = 5 return require('nbdkit').mine") == "5"


def test_a_script_may_hide_the_global(serve):
    client = serve("""
        local kit = require "nbdkit"
        nbdkit = nil
        function open(readonly) return {} end
        function get_size(h) return 512 end
        function pread(h, count, offset) kit.error("ENOSPC", "still there") end
    """).connect()
    with pytest.raises(nbd.Error) as error:
        client.pread(512, 0)
    assert error.value.errno == "ENOSPC"


def test_what_pcall_catches_is_an_error_as_luas_own(lua):
    # A script may inspect it, print it and add text to it, as with any other.
    for call in ("nbdkit.parse_size('x')", "nbdkit.debug(true)", "nbdkit.realpath('/no/such/file')"):
        found = lua.value(f"""
            local ok, found = pcall(function() {call} end)
            local text = tostring(found)
            return ok, type(found) == "string" or type(found) == "table", text
        """)
        assert found.startswith("false true code:2: nbdkit."), found
        assert "traceback" not in found and "\n" not in found
    assert lua.value("""
        local _, found = pcall(nbdkit.parse_size, "x")
        return "so: " .. (type(found) == "table" and found.message or found)
    """).startswith("so: ")


@pytest.mark.parametrize("name", BARE)
def test_surplus_arguments_of_functions_without_any(lua, name):
    for arguments, count in (("1", 1), ("nil", 1), ("1, 2", 2), ("{}, nil, nil", 3)):
        line = lua.error(f"nbdkit.{name}({arguments})")
        assert line == (
            f"code:1: nbdkit.{name}: {count} arguments, expected at most 0"
        )


@pytest.mark.parametrize(
    "call, message",
    [
        ("debug()", "argument 1 (the message): found nothing, expected a string"),
        ("debug(nil)", "argument 1 (the message): found nil, expected a string"),
        ("debug({})", "argument 1 (the message): found table, expected a string"),
        ("debug(true)", "argument 1 (the message): found boolean, expected a string"),
        ("debug('a', 'b')", "2 arguments, expected at most 1"),
        ("set_error()", "argument 1 (the error number): found nothing, expected a number from 1"),
        ("set_error(0)", "argument 1 (the error number): found 0, expected a number from 1 on"),
        ("set_error(-5)", "argument 1 (the error number): found -5, expected a number from 1"),
        ("set_error(1.5)", "argument 1 (the error number): found 1.5, expected a number from 1"),
        ("set_error(0/0)", "argument 1 (the error number): found NaN, expected a number from 1"),
        ("set_error(2 ^ 31)", "argument 1 (the error number): found 2147483648, expected a"),
        ("set_error({})", "argument 1 (the error number): found table, expected a number from 1"),
        ("set_error('ENOSPACE')", '"ENOSPACE" is not the name of an errno'),
        ("set_error('enospc')", '"enospc" is not the name of an errno'),
        ("set_error('5')", '"5" is not the name of an errno'),
        ("set_error('EIO', 1)", "2 arguments, expected at most 1"),
        ("error()", "argument 1 (the error number): found nothing, expected a number from 1 on"),
        ("error('EIO')", "argument 2 (the message): found nothing, expected a string"),
        ("error('EIO', nil)", "argument 2 (the message): found nil, expected a string"),
        ("error('EIO', true)", "argument 2 (the message): found boolean, expected a string"),
        ("error('EIO', 'x', 2)", "3 arguments, expected at most 2"),
        ("error('text')", '"text" is not the name of an errno'),
        ("parse_size()", "argument 1 (the size): found nothing, expected a string"),
        ("parse_size(1024)", "argument 1 (the size): found 1024, expected a string"),
        ("parse_size('1', '2')", "2 arguments, expected at most 1"),
        ("parse_size('1\\0')", "the size has a NUL byte in it"),
        ("parse_size('x')", "nbdkit_parse_size failed: nbdkit has logged the reason"),
        ("parse_bool()", "argument 1 (the boolean): found nothing, expected a string"),
        ("parse_bool(true)", "argument 1 (the boolean): found boolean, expected a string"),
        ("parse_bool('maybe')", "nbdkit_parse_bool failed: nbdkit has logged the reason"),
        ("parse_int()", "argument 1 (what it is): found nothing, expected a string"),
        ("parse_int('n')", "argument 2 (the number): found nothing, expected a string"),
        ("parse_int('n', 5)", "argument 2 (the number): found 5, expected a string"),
        ("parse_int('n', '5', 5)", "argument 3 (the C type): found 5, expected a string"),
        ("parse_int('n', '5', 'int', 1)", "4 arguments, expected at most 3"),
        ("parse_int('n', '5', 'long')", '"long" is not an integer type, expected one of int, '),
        ("absolute_path()", "argument 1 (the path): found nothing, expected a string"),
        ("absolute_path('')", "nbdkit_absolute_path failed: nbdkit has logged the reason"),
        ("absolute_path('a\\0b')", "the path has a NUL byte in it"),
        ("realpath()", "argument 1 (the path): found nothing, expected a string"),
        ("realpath('/no/such/file')", "nbdkit_realpath failed: nbdkit has logged the reason"),
        ("read_password()", "argument 1 (the value of the parameter): found nothing, expected"),
        ("read_password('+/no/such/file')", "nbdkit_read_password failed: nbdkit has logged the"),
        ("read_password('-x')", "nbdkit_read_password failed: nbdkit has logged the reason"),
        ("nanosleep()", "argument 1 (the seconds): found nothing, expected a number"),
        ("nanosleep('1')", "argument 1 (the seconds): found string, expected a number"),
        ("nanosleep(0, 0.5)", "argument 2 (the nanoseconds): found 0.5, expected a whole number"),
        ("nanosleep(0, {})", "argument 2 (the nanoseconds): found table, expected a whole number"),
        ("nanosleep(-1)", "-1 s and 0 ns is no time that can be slept"),
        ("nanosleep(0, -1)", "0 s and -1 ns is no time that can be slept"),
        ("nanosleep(0/0)", "NaN s and 0 ns is no time that can be slept"),
        ("nanosleep(1/0)", "inf s and 0 ns is no time that can be slept"),
        ("nanosleep(2 ^ 31)", "2147483648 seconds is too long"),
        ("nanosleep(2 ^ 40)", "1099511627776 seconds is too long"),
        ("nanosleep(0, 0, 0)", "3 arguments, expected at most 2"),
    ],
)  # fmt: skip
def test_wrong_arguments(lua, call, message):
    name = call.split("(")[0]
    line = lua.error(f"nbdkit.{call}")
    assert line.startswith(f"code:1: nbdkit.{name}: {message}"), line
