"""What a failing Lua callback may return or throw besides a string, and the resulting errno."""

import nbd
import pytest

DISK = """
    function open(readonly) return {} end
    function get_size(h) return 65536 end
    function pread(h, count, offset)
        if offset ~= 0 then return string.rep("x", 512) end
        %s
    end
"""


def test_error_is_a_table_that_can_be_looked_at(serve):
    server = serve(DISK % """
        local ok, found = pcall(function() nbdkit.error("ENOSPC", "no room") end)
        local plain = rawget(found, "errno") == nbdkit.errno.ENOSPC
        local parts = { tostring(ok), type(found), tostring(plain), found.message, tostring(found) }
        return table.concat(parts, "|") .. string.rep(" ", 512)
    """)
    assert server.connect().pread(512, 0).decode().rstrip() == (
        "false|table|true|disk.lua:7: no room|disk.lua:7: no room"
    )


def test_open_that_returns_nil_has_nil_for_a_handle(serve):
    server = serve("""
        function open(readonly) return nil end
        function get_size(h) return h == nil and 512 or 0 end
        function pread(h, count, offset) return string.rep(type(h):sub(1, 1), count) end
    """)
    assert server.connect().pread(2, 0) == b"nn"


def test_functions_of_io_fail_the_request_as_they_fail(serve):
    script = """
        API_VERSION = 2
        function open(readonly) return {} end
        function get_size(h) return 65536 end
        function pread(h, buf) end
        function pwrite(h, buf) return io.open("/no/such/file") end
        function flush(h) return os.remove("/no/such/file") end
        function trim(h) return os.rename("/no/such/file", "/no/such/other") end
    """
    server = serve(script)
    client = server.connect()
    for request in (
        lambda: client.pwrite(b"x", 0),
        client.flush,
        lambda: client.trim(512, 0),
    ):
        with pytest.raises(nbd.Error) as error:
            request()
        # ENOENT, which the protocol lacks.
        assert error.value.errno == "EINVAL"
    lines = [line.removeprefix("nbdkit: lua[1]: error: ") for line in server.errors()]
    # Not every release of Lua names the file in os.rename's error.
    lines[2] = lines[2].replace("/no/such/file: ", "")
    assert lines == [
        "pwrite: /no/such/file: No such file or directory",
        "flush: /no/such/file: No such file or directory",
        "trim: No such file or directory",
    ]
