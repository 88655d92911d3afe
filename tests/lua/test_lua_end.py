"""What happens in a script when the server ends."""

import nbdkit

DISK = """
    local function note(text)
        local file = assert(io.open(NOTES, "a"))
        file:write(text, "\\n")
        file:close()
    end
    function open(readonly) return 1 end
    function get_size(h) return 512 end
    function pread(h, count, offset) return string.rep("x", count) end
    function close(h) note("close") end
"""


def disk(notes):
    return f'local NOTES = "{notes}"\n' + DISK


def finalized(language, what):
    """A global that is collected only when the interpreter ends."""
    if language.table_finalizers:
        return f'{what} = setmetatable({{}}, {{ __gc = function() note("{what}") end }})\n'
    return f'{what} = newproxy(true) getmetatable({what}).__gc = function() note("{what}") end\n'


def test_finalizers_run_at_the_end_in_reverse_order(serve, language, tmp_path):
    notes = tmp_path / "notes"
    server = serve(disk(notes) + finalized(language, "first") + finalized(language, "second"))
    server.connect().pread(512, 0)
    assert not notes.exists()
    assert server.stop() == (0, b"")
    assert notes.read_text().split() == ["close", "second", "first"]


def test_an_error_in_a_finalizer_at_the_end_does_no_harm(serve, language, tmp_path):
    notes = tmp_path / "notes"
    broken = finalized(language, "broken").replace('note("broken")', 'error("in finalizer")')
    server = serve(disk(notes) + finalized(language, "first") + broken)
    code, _ = server.stop()
    assert code == 0
    assert notes.read_text().split() == ["first"]


def test_a_finalizer_that_a_finalizer_has_made_describes_errors(serve, language, tmp_path):
    """LuaJIT runs it when all that mlua keeps in the state has been dropped."""
    notes = tmp_path / "notes"
    body = """
        for place = 1, 20 do
            for _, value in ipairs { { message = "m" }, 1.5, nbdkit.buffer(5), {} } do
                local ok, thrown = pcall(nbdkit.error, "ENOSPC", value)
                assert(not ok and thrown.errno)
                pcall(nbdkit.debug, value)
            end
        end
        note("done")
        left = left - 1
        if left > 0 then make() end
    """
    made = finalized(language, "made").replace('note("made")', body)
    server = serve(disk(notes) + f"left = 5 function make() {made} made = nil end make() kept = made {made}")
    assert server.stop() == (0, b"")
    assert "done" in notes.read_text()


def test_to_be_closed_variables(serve, language, tmp_path):
    notes = tmp_path / "notes"
    if language.release < (5, 4):
        # Its syntax does not exist there, which must be reported like any syntax error.
        (tmp_path / "disk.lua").write_text(disk(notes) + "local x <close> = nil\n")
        result = nbdkit.run(language.plugin, "disk.lua", cwd=tmp_path)
        assert result.returncode == 1
        assert b"could not parse Lua script disk.lua:12: " in result.stderr
        return
    server = serve(
        disk(notes)
        + """
        local function closing(text)
            return setmetatable({}, { __close = function() note(text) end })
        end
        local top <close> = closing("top")
        function pread(h, count, offset)
            local variable <close> = closing("pread")
            error("failed on the way")
        end
        """
    )
    # The top level of a script has finished before the first client comes.
    assert notes.read_text().split() == ["top"]
    client = server.connect()
    try:
        client.pread(512, 0)
    except nbdkit.nbd.Error as error:
        assert error.errno == "EIO"
    assert notes.read_text().split() == ["top", "pread"]
