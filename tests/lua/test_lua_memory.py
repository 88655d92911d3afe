"""Scripts that use up memory fail one request: Lua has an error for that."""

import nbd
import pytest

DISK = """
    function open(readonly) return 1 end
    function get_size(h) return 65536 end
    function pread(h, count, offset)
        if offset == 0 then %s end
        return string.rep("x", count)
    end
"""


@pytest.mark.parametrize(
    "body",
    [
        "string.rep('x', 2 ^ 30)",
        "local t = {} while true do t[#t + 1] = 1 end",
        "local t while true do t = { t } end",
        "local t = {} for i = 1, math.huge do t[i] = 'text ' .. i end",
        "local s = 'x' while true do s = s .. s end",
        "local f = string.rep while true do local g = f f = function() return g end end",
        # Kept values outlive the request, so memory stays short for the following ones.
        "kept = kept or {} while true do kept[#kept + 1] = { #kept } end",
        "while true do kept = { kept } end",
    ],
    ids=["rep", "table", "nested", "strings", "doubling", "closures", "kept", "kept small"],
)
def test_out_of_memory_fails_the_request(serve, body):
    # Lua 5.5 may spend minutes collecting nothing, on a busy machine.
    server = serve(DISK % body, prefix=("prlimit", f"--as={512 << 20}"), lifetime=600)
    # Both are open before memory runs short: a new connection needs a thread, which might fail.
    client, other = server.connect(), server.connect()
    # If memory stays short, the next requests have none either, so we try often.
    times = 10 if "kept" in body else 2
    for _ in range(times):
        with pytest.raises(nbd.Error) as error:
            client.pread(512, 0)
        assert error.value.errno in ("EIO", "ENOMEM")
        if "kept" not in body:
            assert client.pread(512, 512) == b"x" * 512
            assert other.pread(4096, 4096) == b"x" * 4096
    lines = server.errors()
    assert len(lines) == times
    for line in lines:
        assert line.startswith("nbdkit: lua[1]: error: pread: ")
        assert "not enough memory" in line
    code, _ = server.stop()
    assert code == 0
