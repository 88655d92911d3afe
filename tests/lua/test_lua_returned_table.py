"""Scripts that return their callbacks in a table."""

import nbd
import pytest

from test_misspelt_callbacks import MISSPELT

GLOBALS = """
    function open(readonly) return {} end
    function get_size(h) return 1024 end
    function pread(h, count, offset) return string.rep("g", count) end
"""

MODULE = """
    local M = {}
    function M.open(readonly) return {} end
    function M.get_size(h) return 2048 end
    function M.pread(h, count, offset) return string.rep("m", count) end
"""


def served(server):
    """The size of the disk and its first byte."""
    client = server.connect()
    return client.get_size(), bytes(client.pread(1, 0))


def test_callbacks_in_a_returned_table(serve):
    server = serve(MODULE + "return M")
    assert served(server) == (2048, b"m")
    assert server.errors() == []


def test_globals_are_ignored_beside_a_table(serve):
    server = serve(MODULE + GLOBALS + """
        function pwrite(h, buf, offset) end
        function config_complete() error("a global") end
        return M
    """)
    assert served(server) == (2048, b"m")
    assert server.connect().is_read_only()


def test_globals_do_not_make_up_for_what_a_table_lacks(expect_failure):
    line = expect_failure(GLOBALS + "return { pread = pread }")
    assert line.endswith("not defined by the script: open, get_size")


@pytest.mark.parametrize(
    "returned",
    ["{}", "{ 1, 2, 3 }", "{ helper = function() end }", "{ test_it = function() end }", "{ API_VERSION = 2 }",
     "{ open = true, pread = 'text' }", "5", "'text'", "true", "nil", "print",
     "setmetatable({}, { __index = function() error('deep') end })", "io.stdout"],
)  # fmt: skip
def test_what_has_no_callbacks_is_ignored(serve, returned):
    server = serve(f"{GLOBALS}\nreturn {returned}")
    assert served(server) == (1024, b"g")
    assert server.errors() == []


def test_callbacks_by_a_metatable(serve):
    for returned in (
        "return setmetatable({}, { __index = M })",
        "return setmetatable({ get_size = M.get_size }, { __index = M })",
        "return setmetatable({}, { __index = function(_, name) return M[name] end })",
        "return setmetatable({}, { __index = setmetatable({}, { __index = M }) })",
    ):
        server = serve(MODULE + "function M.pwrite() end\n" + returned)
        assert served(server) == (2048, b"m")
        assert not server.connect().is_read_only()
        assert server.errors() == []


def test_globals_by_a_metatable(serve):
    server = serve(MODULE + "setmetatable(_G, { __index = M })")
    assert served(server) == (2048, b"m")


def test_globals_that_must_be_declared(serve):
    # Many scripts begin like this, so that a misspelt variable is an error and not nil.
    server = serve("""
        setmetatable(_G, {
            __index = function(_, name) error("undeclared variable " .. tostring(name), 2) end,
        })
    """ + GLOBALS)  # fmt: skip
    assert served(server) == (1024, b"g")
    code, _ = server.stop()
    assert (code, server.errors()) == (0, [])


def test_a_table_may_change_while_it_serves(serve):
    server = serve(MODULE + """
        function M.pwrite(h, buf, offset)
            M.pread = function(h, count) return string.rep("n", count) end
        end
        return M
    """)
    client = server.connect()
    assert client.pread(1, 0) == b"m"
    client.pwrite(b"x", 0)
    assert client.pread(1, 0) == b"n"


def test_errors_in_a_module_have_their_place(serve):
    server = serve(MODULE + 'function M.pread() error("why") end\nreturn M')
    with pytest.raises(nbd.Error):
        server.connect().pread(1, 0)
    assert server.errors() == ["nbdkit: lua[1]: error: pread: disk.lua:6: why"]


@pytest.mark.parametrize("name, meant", MISSPELT)
def test_likely_misspellings(serve, name, meant):
    server = serve(f"{MODULE}\nfunction M.{name}() end\nreturn M")
    assert server.errors() == [
        f"nbdkit: warning: disk.lua: {name} is not a callback of nbdkit: did you mean {meant}?"
    ]
    server.connect()


def test_a_name_of_any_bytes_is_no_harm(serve):
    server = serve(GLOBALS + r"_G['fl\27sh\n'] = print _G['clos\255'] = print _G[''] = print")
    assert served(server) == (1024, b"g")
    for line in server.errors():
        assert line.startswith("nbdkit: warning: disk.lua: "), line
        assert "\x1b" not in line


def test_no_alarm_over_what_was_there_before_the_script(serve):
    server = serve(GLOBALS + "local t = table string = string load = load")
    assert server.errors() == []
