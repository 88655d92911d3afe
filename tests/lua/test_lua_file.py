"""The userdata of `nbdkit.file`: whoever ends it, and whatever is done to it, it is no crash."""

import pytest

import evaluating


@pytest.fixture
def lua(serve, language, tmp_path):
    (tmp_path / "disk.img").write_bytes(b"k" * 1000)
    lua = evaluating.evaluator(serve, language)
    lua.run(f"path = '{tmp_path}/disk.img' f = nbdkit.file(path, 'rw')")
    return lua


ALL = """
    local buffer = nbdkit.buffer(4)
    for _, call in ipairs({
        {"pread", 1, 0}, {"pread", 100000, 0}, {"pread", buffer, 0}, {"pwrite", "x", 0},
        {"pwrite", buffer, 0}, {"flush"}, {"sync"}, {"size"}, {"truncate", 1000}, {"zero", 1, 0},
        {"trim", 1, 0}, {"extents", 1, 0}, {"cache", 1, 0}, {"lock"},
    }) do
        local method = table.remove(call, 1)
        local ok, e = pcall(file[method], file, (unpack or table.unpack)(call))
        assert(not ok and e.errno == nbdkit.errno.EBADF, method)
        assert(tostring(e):match("closed$"), tostring(e))
    end
    return "all closed"
"""


def test_it_says_what_it_is_and_hides_the_rest(lua):
    assert lua.value("return tostring(f), getmetatable(f)") == "nbdkit.file nbdkit.file"
    assert "protect" in lua.error("setmetatable(f, {})") or "expected" in lua.error("setmetatable(f, {})")


def test_a_finalizer_that_is_called_by_hand(lua):
    gc = "local gc = debug.getmetatable(f).__gc "
    lua.run(gc + "gc(nil) gc() gc(5) gc({}) gc(io.stdout) gc(nbdkit.buffer(64)) gc(gc)")
    lua.run(gc + "gc(nbdkit.disk('d', 512)) gc(coroutine.create(function() end))")
    assert lua.value("return f:pread(1, 0)") == "k"
    lua.run(gc + "gc(f) gc(f)")
    assert lua.value("local file = f " + ALL) == "all closed"
    assert "this file is closed" in lua.error("f:close()")


def test_another_finalizer_that_uses_it(lua, language):
    if not language.table_finalizers:
        pytest.skip("finalizers are for userdata only")
    lua.run("""
        local value = { file = nbdkit.file(path, "r") }
        -- When this runs, that of the file may have run, or will after it.
        setmetatable(value, { __gc = function(value) kept = value.file end })
    """)
    lua.run("collectgarbage() collectgarbage() assert(kept)")
    lua.run("collectgarbage() pcall(kept.size, kept) pcall(kept.close, kept)")
    assert lua.value("local file = kept " + ALL) == "all closed"


def test_a_finalizer_that_runs_while_a_string_is_made(lua, language):
    # It closes files that are being read, and lets go of them.
    lua.run("""
        function garbage()
            local function finalize() if g then g:close() end end
            if newproxy then getmetatable(newproxy(true)).__gc = finalize
            else setmetatable({}, { __gc = finalize }) end
        end
        reads, closed = 0, 0
        for i = 1, 300 do
            g = nbdkit.file(path, "rw")
            for j = 1, 10 do
                garbage()
                local ok, e = pcall(g.pread, g, 1000, 0)
                if ok then
                    assert(e == ("k"):rep(1000))
                    reads = reads + 1
                else
                    assert(e.errno == nbdkit.errno.EBADF)
                    closed = closed + 1
                    break
                end
            end
        end
        g = nil
    """)
    reads, closed = map(int, lua.value("return reads, closed").split())
    assert reads > 100 and closed > 0


def test_variables_that_are_closed(lua, language):
    if language.release < (5, 4):
        pytest.skip("there are none")
    lua.run("do local file <close> = nbdkit.file(path, 'r') ended = file end")
    assert lua.value("local file = ended " + ALL) == "all closed"
    lua.run("""
        local ok, e = pcall(function()
            local file <close> = nbdkit.file(path, "r")
            ended = file
            error("on purpose", 0)
        end)
        assert(e == "on purpose")
    """)
    assert lua.value("local file = ended " + ALL) == "all closed"


@pytest.mark.parametrize("code", [
    "io.tmpfile()", "nbdkit.buffer(64)", "nbdkit.buffer(0)", "nbdkit.disk('d', 512)", "5", "{}", "print",
])  # fmt: skip
def test_another_value_with_its_metatable_is_no_file(lua, code):
    lua.run(f"value = {code} debug.setmetatable(value, debug.getmetatable(f))")
    assert "expected a file" in lua.error("f.size(value)")
    lua.run("debug.setmetatable(value, nil) value = nil collectgarbage()")
    lua.run("debug.setmetatable(f, nil) collectgarbage()")


def test_an_interpreter_that_ends_with_open_files(many, language, tmp_path):
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(512))
    script = f"""
        f = nbdkit.file("{path}", "rw")
        function thread_model() return "parallel" end
        function open() return nbdkit.file("{path}", "r") end
        function get_size(h) return h:size() end
        function pread(h, count, offset) return h:pread(count, offset) end
    """
    if language.table_finalizers:
        script += "last = setmetatable({}, { __gc = function() pcall(f.pread, f, 1, 0) end })"
    server = many(8, script)
    for client in [server.connect() for _ in range(4)]:
        assert client.pread(512, 0) == bytes(512)
    assert server.stop() == (0, b"")
