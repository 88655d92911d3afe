"""A handle is any value of the language: the very same one until its connection closes."""

import pytest

import nbdkit

# What `open` returns, as an expression, and a test on it that only this very value passes.
HANDLES = {
    "nil": ("nil", "h == nil"),
    "false": ("false", "h == false"),
    "true": ("true", "h == true"),
    "number": ("42", "h == 42"),
    "fraction": ("0.5", "h == 0.5"),
    "string": ('"a\\0b"', 'h == "a\\0b" and #h == 3'),
    "table": ("{}", "h == made"),
    "function": ("function() return 7 end", "h == made and h() == 7"),
    "coroutine": (
        "coroutine.create(function() end)",
        "h == made and coroutine.status(h) == 'suspended'",
    ),
    "file": ("io.tmpfile()", "h == made and io.type(h) == 'file'"),
}


@pytest.mark.parametrize("kind", HANDLES)
def test_every_callback_gets_the_value_that_open_returned(serve, tmp_path, kind):
    value, check = HANDLES[kind]
    calls = ["can_write", "can_flush", "can_trim", "is_rotational"]
    script = f"""
        local made
        local function same(h, name)
            assert({check}, name)
            calls = (calls or "") .. name .. " "
        end
        function open(readonly)
            made = {value}
            return made
        end
        function get_size(h) same(h, "get_size") return 4096 end
        function pread(h, count, offset) same(h, "pread") return calls .. string.rep(".", count) end
        function pwrite(h, buf, offset) same(h, "pwrite") end
        function flush(h) same(h, "flush") end
        function trim(h, count, offset) same(h, "trim") end
        function zero(h, count, offset, may_trim) same(h, "zero") end
        function config(key, value) path = value end
        function close(h)
            same(h, "close")
            assert(io.open(path, "w")):write(calls)
        end
    """ + "".join(f"function {name}(h) same(h, '{name}') return true end\n" for name in calls)
    result = tmp_path / "calls"
    server = serve(script, f"result={result}")
    client = server.connect()
    client.pread(512, 0)
    client.pwrite(bytes(512), 0)
    client.flush()
    client.trim(512, 0)
    client.zero(512, 0)
    client.shutdown()
    assert server.stop() == (0, b"")
    done = set(result.read_text().split())
    assert done == {
        "get_size", *calls, "pread", "pwrite", "flush", "trim", "zero", "close",
    }  # fmt: skip


@pytest.mark.parametrize("value", ["nil", "false", "7", '"text"', "shared"])
def test_connections_with_equal_handles_are_apart(serve, value):
    # A handle that is nothing to tell connections by must not end the others with its own.
    server = serve(f"""
        local shared = {{}}
        function open(readonly) return {value} end
        function get_size(h) return 512 end
        function pread(h, count, offset) assert(h == {value}) return string.rep("x", count) end
        function close(h) assert(h == {value}) end
    """)
    clients = [server.connect() for _ in range(4)]
    while clients:
        for client in clients:
            assert client.pread(512, 0) == b"x" * 512
        clients.pop(0).shutdown()
    assert server.stop() == (0, b"")


def test_a_handle_lives_until_its_close_and_not_longer(serve, language, tmp_path):
    if language.table_finalizers:
        make = "setmetatable({}, { __gc = collected })"
    else:
        # Only userdata has finalizers there.
        make = "newproxy(true) getmetatable(h).__gc = collected"
    notes = tmp_path / "notes"
    server = serve(
        f"""
        local path
        local function note(text)
            local file = assert(io.open(path, "a"))
            file:write(text, "\\n")
            file:close()
        end
        local function collected() note("collected") end
        function config(key, value) path = value end
        function open(readonly)
            local h = {make}
            return h
        end
        function get_size(h) return 512 end
        -- Twice, because the first one only finds out what a finalizer keeps.
        function pread(h, count, offset)
            collectgarbage()
            collectgarbage()
            note("read")
            return string.rep("x", count)
        end
        function close(h)
            collectgarbage()
            note("close")
        end
        """,
        f"notes={notes}",
    )

    def lines():
        return notes.read_text().split() if notes.exists() else []

    first = server.connect()
    first.pread(512, 0)
    assert lines() == ["read"]
    first.shutdown()
    nbdkit.wait_until(lambda: "close" in lines(), "the close callback")
    assert lines() == ["read", "close"]

    second = server.connect()
    second.pread(512, 0)
    assert lines() == ["read", "close", "collected", "read"]
    second.shutdown()
    assert server.stop() == (0, b"")
    # The rest is collected when the interpreter ends.
    assert lines() == ["read", "close", "collected", "read", "close", "collected"]


def test_many_connections_do_not_pile_up_handles(serve):
    # Each handle is a megabyte. If they stayed, the memory in use would grow without end.
    server = serve("""
        function open(readonly) return { string.rep("x", 1024 * 1024) .. os.time() } end
        function get_size(h) return 512 end
        function pread(h, count, offset)
            collectgarbage()
            collectgarbage()
            return string.format("%.0f ", collectgarbage("count")) .. string.rep(" ", count)
        end
    """)

    def kilobytes_in_use():
        client = server.connect()
        used = int(client.pread(64, 0).split()[0])
        client.shutdown()
        return used

    kilobytes_in_use()
    for _ in range(40):
        kilobytes_in_use()
    # The last few connections may not have been closed yet when the next one asks.
    assert kilobytes_in_use() < 20 * 1024
