"""Numbers as strings, calls through functions in C, and userdata with a text of its own."""

from test_bad_return_values import disk, failed_read


def test_read_that_is_a_number_is_its_text(serve, language):
    # As always in Lua, and in the official plugin.
    server = serve(disk(language, "return 1234567"))
    client = server.connect()
    assert client.pread(7, 0) == b"1234567"
    assert client.pread(3, 0) == b"123"
    assert server.errors() == []


def test_error_in_a_callback_of_a_c_function(serve, language):
    # LuaJIT crashes over this even without nbdkit: it does not count its own C calls there.
    calls_itself = "return (('x'):rep(9):gsub('.', function() return bad() end))"
    shallow = "return (('x'):rep(9):gsub('.', function() error('inside', 0) end))"
    if language.engine == "luajit":
        assert failed_read(serve, language, shallow) == "inside"
    else:
        assert "C stack overflow" in failed_read(serve, language, calls_itself)


def test_userdata_with_tostring(serve, language):
    if language.release < (5, 2):
        make = "newproxy(true)"
    else:
        # Any userdata will do; files are the only ones available.
        make = "io.tmpfile()"
    line = failed_read(
        serve,
        language,
        f"local u = {make}; local m = getmetatable(u); local old = m.__tostring "
        "m.__tostring = function() return 'a userdata says' end "
        "error(u)",
    )
    assert line == "a userdata says"
