"""Interruption in Lua only: coroutines, hooks, and a memory limit."""

import nbd
import pytest

import nbdkit


def test_coroutines_are_as_luas_own(serve, language, tmp_path):
    results = tmp_path / "results"
    serve(language.script("lua_interruption", "coroutines", results=results))
    got = results.read_text().splitlines()
    assert got[:5] == ["3", "20", "false x y", "false cannot resume dead coroutine", got[4]]
    # Lua 5.1 to 5.3 say "coroutine expected", and 5.4 "thread expected".
    assert "bad argument #1" in got[4] and "expected" in got[4]
    assert got[5:8] == ["1", "2", "3"]
    assert got[8].endswith("inside")
    assert "bad argument #1" in got[9] and "function expected" in got[9]


def test_a_hook_of_the_scripts_own_comes_back(serve, language):
    server = serve(language.script("lua_interruption", "own hook"))
    assert server.connect().pread(512, 0) == b"x" * 512


def test_a_coroutine_that_a_finalizer_resumes_after_an_interruption(start, language, write_script):
    """The state is being closed then, and there is nothing left to interrupt."""
    script = write_script("""
        if jit then jit.off() end
        local resumed = coroutine.create(function() while true do coroutine.yield() end end)
        coroutine.resume(resumed)
        kept = setmetatable({}, { __gc = function() coroutine.resume(resumed) end })
        function open() return 1 end
        function get_size() return 512 end
        function pread(h, count, offset) while true do end end
    """)
    server = start(language.plugin, "time_limit=0.3", script)
    with pytest.raises(nbd.Error):
        server.connect().pread(512, 0)
    code, _ = server.stop()
    assert code == 0


def test_a_coroutine_that_is_closed(start, language, write_script):
    """What it has to close runs in the coroutine."""
    if language.release < (5, 4):
        pytest.skip("nothing is closed there")
    script = write_script("""
        local function waiting(act)
            local made = coroutine.create(function()
                local closed <close> = setmetatable({}, { __close = act })
                coroutine.yield()
            end)
            coroutine.resume(made)
            return made
        end
        assert(coroutine.close(waiting(function() end)) == true)
        local ok, why = coroutine.close(waiting(function() error("why", 0) end))
        assert(ok == false and why == "why")
        local ok, why = pcall(coroutine.close, 5)
        assert(not ok and why:find("bad argument #1", 1, true))
        function open() return 1 end
        function get_size() return 512 end
        function pread(h, count, offset) coroutine.close(waiting(function() while true do end end)) end
    """)
    server = start(language.plugin, "time_limit=0.3", script)
    with pytest.raises(nbd.Error) as caught:
        server.connect().pread(512, 0)
    assert caught.value.errno == "EIO"
    (line,) = server.errors()
    assert "it took longer than time_limit=0.3" in line


MEMORY = """
    local kept = {}
    function open() return 1 end
    function get_size() return 4096 end
    function pread(h, count, offset)
        while offset > 0 do kept[#kept + 1] = ("x"):rep(100000) .. #kept end
        kept = {}
        return ("x"):rep(count)
    end
"""


def test_memory_limit(start, language, write_script):
    server = start(language.plugin, "memory_limit=20M", write_script(MEMORY))
    client = server.connect()
    for _ in range(3):
        with pytest.raises(nbd.Error):
            client.pread(512, 512)
        assert client.pread(512, 0) == b"x" * 512
    assert all("not enough memory" in line for line in server.errors())


def test_memory_limit_is_for_what_there_is_and_not_for_what_there_was(
    start, language, write_script
):
    script = write_script("""
        function open() return 1 end
        function get_size() return 4096 end
        function pread(h, count, offset)
            local length = 0
            for i = 1, 1000 do length = length + #(("x"):rep(100000) .. i) end
            return tostring(length) .. (" "):rep(count)
        end
    """)
    server = start(language.plugin, "memory_limit=20M", script)
    assert server.connect().pread(512, 0).strip() == b"100002893"


def test_garbage_of_a_script_that_has_caught_its_failure(start, language, write_script):
    script = write_script("""
        function open() return 1 end
        function get_size() return 65536 end
        local ready = ("x"):rep(512)
        function pread(h, count, offset)
            if offset > 0 then return ("x"):rep(count - 1) .. "x" end
            local kept = {}
            pcall(function() while true do kept[#kept + 1] = {} end end)
            return ready
        end
    """)
    client = start(language.plugin, "memory_limit=8M", script).connect()
    for _ in range(10):
        for offset in (0, 512, 512, 512):
            assert client.pread(512, offset) == b"x" * 512


def test_the_least_memory_limit_does_for_a_small_script(start, language, write_script):
    script = write_script("""
        function open() return 1 end
        function get_size() return 4096 end
        function pread(h, count, offset) return ("x"):rep(count) end
    """)
    server = start(language.plugin, "memory_limit=1M", script)
    assert server.connect().pread(512, 0) == b"x" * 512


def test_memory_limit_of_the_top_level(language, write_script, tmp_path):
    script = write_script('local t = {} while true do t[#t + 1] = ("x"):rep(100000) .. #t end')
    result = nbdkit.run(language.plugin, "memory_limit=20M", script, cwd=tmp_path)
    assert result.returncode == 1
    assert b"not enough memory" in result.stderr, result.stderr


def test_a_memory_limit_that_is_none(language, tmp_path):
    result = nbdkit.run(language.plugin, "memory_limit=10", "disk.lua", cwd=tmp_path)
    assert result.returncode == 1
    assert b"memory_limit=10: expected a size of at least 1M" in result.stderr
