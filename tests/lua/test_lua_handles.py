"""A handle is collected when its connection has closed, and not before."""

import nbdkit


def test_a_handle_lives_until_its_close_and_not_longer(serve, language, tmp_path):
    if language.table_finalizers:
        make = "setmetatable({}, { __gc = collected })"
    else:
        # There, only userdata has finalizers.
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
    # Each handle is a megabyte. If they stayed, memory use would grow without end.
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


def test_lists_that_a_script_has_returned_are_collected(serve):
    # Each takes four megabytes besides what nbdkit needs.
    server = serve("""
        function open(readonly) end
        function get_size(h) return 65536 end
        function pread(h, count, offset) return string.rep("x", count) end
        function extents(h, count, offset, flags)
            return { { 0, 65536, 0 }, besides = string.rep("x", 4 * 1024 * 1024) }
        end
    """)
    client = server.connect()
    for _ in range(50):
        client.block_status(65536, 0, lambda name, offset, entries, error: None)
    assert server.peak_memory() < 100 << 20
