"""API_VERSION: which signatures a script's callbacks have, and the buffers of version 2."""

import nbd
import pytest

# Answers everything, and logs the types of the arguments in the file that log= names.
LOGGED = """
    local function kind(value)
        return math.type and math.type(value) or type(value)
    end
    local log
    local function note(name, ...)
        local words = { name }
        for i = 1, select("#", ...) do
            local value = select(i, ...)
            words[#words + 1] = kind(value)
            if type(value) == "number" then
                words[#words] = words[#words] .. string.format(":%.0f", value)
            elseif type(value) == "userdata" then
                words[#words] = tostring(value) .. ":" .. #value
            elseif type(value) ~= "table" then
                words[#words] = words[#words] .. ":" .. tostring(value)
            end
        end
        log:write(table.concat(words, " "), "\\n")
        log:flush()
    end
    local M = {}
    function M.config(key, value) log = assert(io.open(value, "w")) end
    function M.open(...) note("open", ...) return {} end
    function M.get_size(...) note("get_size", ...) return 65536 end
    function M.can_fua(...) return "native" end
    function M.can_fast_zero(...) return true end
    function M.pwrite(...) note("pwrite", ...) end
    function M.flush(...) note("flush", ...) end
    function M.trim(...) note("trim", ...) end
    function M.zero(...) note("zero", ...) end
    function M.cache(...) note("cache", ...) end
    function M.extents(...)
        note("extents", ...)
        return { { 0, 65536, 0 } }
    end
    function M.pread(...)
        note("pread", ...)
        if select("#", ...) == 3 then return string.rep("x", (select(2, ...))) end
    end
"""

GLOBAL = LOGGED + "for name, f in pairs(M) do _G[name] = f end\n"
MODULE = LOGGED + "return M\n"

DISK = """
    API_VERSION = 2
    function open(readonly) return {} end
    function get_size(h) return 65536 end
"""


def number(language, value):
    return f"{'integer' if language.integers else 'number'}:{value}"


def all_requests(client, zero_flags=nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FUA):
    client.pread(512, 1024)
    client.pwrite(b"z" * 512, 1024)
    client.pwrite(b"z" * 512, 1024, nbd.CMD_FLAG_FUA)
    client.flush()
    client.trim(512, 1024, nbd.CMD_FLAG_FUA)
    client.zero(512, 1024)
    client.zero(512, 1024, zero_flags)
    client.cache(512, 1024)
    client.block_status(512, 1024, lambda *_: 0, nbd.CMD_FLAG_REQ_ONE)


@pytest.mark.parametrize(
    "script",
    [GLOBAL, "API_VERSION = 1\n" + GLOBAL, "API_VERSION = 1.0\n" + GLOBAL]
    + [MODULE, "API_VERSION = 1\n" + MODULE, MODULE.replace("{}", "{ API_VERSION = 1 }", 1)],
    ids=["default", "1", "1.0", "module", "1-beside-a-module", "1-in-a-module"],
)
def test_signatures_of_version_1(serve, language, tmp_path, script):
    client = serve(script, f"log={tmp_path}/log").connect()
    all_requests(client)
    n = lambda value: number(language, value)  # noqa: E731
    at = f"{n(512)} {n(1024)}"
    assert [line for line in (tmp_path / "log").read_text().splitlines()] == [
        "open boolean:false",
        "get_size table",
        f"pread table {at}",
        f"pwrite table string:{'z' * 512} {n(1024)}",
        # There is no argument for flags, so FUA is a flush, whatever can_fua says.
        f"pwrite table string:{'z' * 512} {n(1024)}",
        "flush table",
        "flush table",
        f"trim table {at}",
        "flush table",
        f"zero table {at} boolean:true",
        f"zero table {at} boolean:false",
        "flush table",
        # What the reference does not know is the same in both versions.
        f"cache table {at} {n(0)}",
        f"extents table {at} {n(4)}",
    ]


def test_fast_zero_fails_under_version_1(serve, tmp_path):
    # The script would not know that it was to be fast.
    client = serve(GLOBAL, f"log={tmp_path}/log").connect()
    with pytest.raises(nbd.Error) as error:
        client.zero(512, 1024, nbd.CMD_FLAG_FAST_ZERO)
    assert error.value.errno == "ENOTSUP"
    assert "zero" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    "script",
    ["API_VERSION = 2\n" + GLOBAL, "API_VERSION = 2.0\n" + GLOBAL]
    + ["API_VERSION = 2\n" + MODULE, MODULE.replace("{}", "{ API_VERSION = 2 }", 1)]
    + ["API_VERSION = 1\n" + MODULE.replace("{}", "{ API_VERSION = 2.0 }", 1)],
    ids=["2", "2.0", "2-beside-a-module", "2-in-a-module", "the-module-before-the-global"],
)
def test_signatures_of_version_2(serve, language, tmp_path, script):
    client = serve(script, f"log={tmp_path}/log").connect()
    fast = nbd.CMD_FLAG_FAST_ZERO
    all_requests(client, nbd.CMD_FLAG_NO_HOLE | nbd.CMD_FLAG_FUA | fast)
    n = lambda value: number(language, value)  # noqa: E731
    at = f"{n(512)} {n(1024)}"
    assert [line for line in (tmp_path / "log").read_text().splitlines()] == [
        "open boolean:false",
        "get_size table",
        f"pread table nbdkit.buffer:512 {n(1024)} {n(0)}",
        f"pwrite table nbdkit.buffer:512 {n(1024)} {n(0)}",
        f"pwrite table nbdkit.buffer:512 {n(1024)} {n(2)}",
        f"flush table {n(0)}",
        f"trim table {at} {n(2)}",
        f"zero table {at} {n(1)}",
        f"zero table {at} {n(2 | 8)}",
        f"cache table {at} {n(0)}",
        f"extents table {at} {n(4)}",
    ]


@pytest.mark.parametrize(
    "version, shown",
    [
        ("3", "3"),
        ("0", "0"),
        ("-1", "-1"),
        ("1.5", "1.5"),
        ("0/0", "nan"),
        ("2 ^ 53", ""),
        ("{}", "table"),
        ("true", "true"),
        ("function() end", "function"),
    ],
)
@pytest.mark.parametrize("where", ["global", "module"])
def test_version_that_is_none(expect_failure, tmp_path, version, shown, where):
    script = {
        "global": f"API_VERSION = {version}\n{GLOBAL}",
        "module": MODULE.replace("{}", f"{{ API_VERSION = {version} }}", 1),
    }
    line = expect_failure(script[where])
    assert line.startswith("API_VERSION is ") and line.endswith(", expected 1 or 2"), line
    assert shown in line.lower()


@pytest.mark.parametrize("version", ['"2"', '"1"', '"two"'])
def test_version_that_is_a_string_is_told_from_the_number(expect_failure, version):
    line = expect_failure(f"API_VERSION = {version}\n{GLOBAL}")
    assert line.startswith("API_VERSION is ") and line.endswith(", expected 1 or 2"), line
    # "API_VERSION is 2, expected 1 or 2" would help nobody.
    assert version in line or "string" in line


@pytest.mark.parametrize(
    "writes, expected",
    [
        ([], {}),
        ([(0, b"a")], {0: b"a"}),
        ([(511, b"z")], {511: b"z"}),
        ([(100, b"mid"), (0, b"a"), (511, b"z")], {0: b"a", 100: b"mid", 511: b"z"}),
        ([(400, b"later"), (100, b"before"), (300, b"between")],
         {100: b"before", 300: b"between", 400: b"later"}),
        ([(10, b"aaaa"), (12, b"bbbb"), (8, b"cccc")], {8: b"cccc", 12: b"bbbb"}),
        ([(256, b"\0")], {}),
        ([(512, b"")], {}),
        ([(200, b"")], {}),
    ],
)  # fmt: skip
def test_what_is_not_written_reads_as_zeroes(serve, writes, expected):
    calls = "".join(
        f'buf:writestring({offset}, "{data.decode()}")\n'.replace("\0", "\\0")
        for offset, data in writes
    )
    client = serve(DISK + f"""
        function pread(h, buf, offset, flags)
            if offset == 0 then return buf:fill(0, 0x55) end
            {calls}
        end
    """).connect()
    wanted = bytearray(512)
    for offset, data in expected.items():
        wanted[offset : offset + len(data)] = data
    for _ in range(3):
        # nbdkit reuses the memory of this request for the next.
        assert client.pread(512, 0) == b"\x55" * 512
        assert client.pread(512, 512) == wanted


@pytest.mark.parametrize("look", ["tostring()", "readstring(0, #buf)", "readstring(256, 256)"])
def test_script_that_looks_before_it_writes_sees_zeroes(serve, look):
    client = serve(DISK + f"""
        function pread(h, buf, offset, flags)
            if offset == 0 then return buf:fill(0, 0x55) end
            local seen = buf:{look}
            local own = nbdkit.buffer(seen)
            for i = 0, #own - 1 do
                if own:readu8(i) ~= 0 then error("saw a byte of another request") end
            end
            buf:writeu8(10, 1)
        end
    """).connect()
    assert client.pread(512, 0) == b"\x55" * 512
    assert client.pread(512, 512) == bytes(10) + b"\x01" + bytes(501)


def test_random_writes_against_a_model(serve, numbers):
    steps, model = [], bytearray(4096)
    for _ in range(300):
        offset = numbers.randrange(4097)
        count = numbers.randrange(min(4097 - offset, 200))
        byte = numbers.randrange(256)
        kind = numbers.choice(["write", "fill", "copy", "read"])
        if kind == "write":
            steps.append(f"buf:writestring({offset}, string.rep(string.char({byte}), {count}))")
            model[offset : offset + count] = bytes([byte]) * count
        elif kind == "fill":
            steps.append(f"buf:fill({offset}, {byte}, {count})")
            model[offset : offset + count] = bytes([byte]) * count
        elif kind == "copy":
            source = numbers.randrange(4097 - count)
            steps.append(f"buf:copy({offset}, buf, {source}, {count})")
            model[offset : offset + count] = model[source : source + count]
        else:
            steps.append(f"assert(#buf:readstring({offset}, {count}) == {count})")
    # Lua has a limit for the constants of one function, so it is many.
    lines = "\n".join(f"function(buf) {step} end," for step in steps)
    client = serve(DISK + f"""
        local steps = {{ {lines} }}
        function pread(h, buf, offset, flags)
            if offset == 0 then return buf:fill(0, 0x55) end
            for _, step in ipairs(steps) do step(buf) end
        end
    """).connect()
    client.pread(4096, 0)
    assert client.pread(4096, 4096) == model


def test_error_after_writing_gives_the_client_nothing(serve):
    server = serve(DISK + """
        local fail = true
        function pread(h, buf, offset, flags)
            buf:fill(0, 0x55)
            if offset == 0 and fail then fail = false error("no more") end
            buf:fill(256, 0x66)
        end
    """)
    client = server.connect()
    # Else libnbd writes zeroes into it before it asks.
    client.set_pread_initialize(False)
    target = nbd.Buffer.from_bytearray(bytearray(b"\x11" * 512))
    request = client.aio_pread(target, 0)
    with pytest.raises(nbd.Error) as error:
        while not client.aio_command_completed(request):
            client.poll(-1)
    assert error.value.errno == "EIO"
    assert target.to_bytearray() == b"\x11" * 512
    assert client.pread(512, 0) == b"\x55" * 256 + b"\x66" * 256
    assert server.errors() == ["nbdkit: lua[1]: error: pread: disk.lua:9: no more"]


def test_what_pread_returns_is_ignored(serve):
    # A script that was not moved to version 2 altogether still answers, if only with zeroes.
    client = serve(DISK + """
        function pread(h, buf, offset, flags) return string.rep("x", #buf) end
    """).connect()
    assert client.pread(512, 0) == bytes(512)


def test_buffer_of_a_write_is_read_only(serve):
    server = serve(DISK + """
        local writes = {
            function(buf) buf:writeu8(0, 1) end,
            function(buf) buf:writestring(0, "x") end,
            function(buf) buf:writef64be(0, 1) end,
            function(buf) buf:fill(0, 0) end,
            function(buf) buf:fill(0, 0, 0) end,
            function(buf) buf:copy(0, buf, 1) end,
            function(buf) buf:copy(0, nbdkit.buffer("x")) end,
        }
        local stored = nbdkit.buffer(512)
        function pwrite(h, buf, offset, flags)
            for i, write in ipairs(writes) do
                local ok, message = pcall(write, buf)
                if ok then error("could write by " .. i) end
                if not message:find("read%-only") then error(message) end
            end
            stored:copy(0, buf)
        end
        function pread(h, buf, offset, flags) buf:copy(0, stored) end
    """)
    client = server.connect()
    data = bytes(range(256)) * 2
    client.pwrite(data, 0)
    assert client.pread(512, 0) == data
    assert server.errors() == []


def test_requests_of_32_mib_leave_no_copy_in_the_memory_of_lua(serve):
    """The collector is stopped, so that any string or buffer that was made would still count.

    This proves that neither direction makes an object of Lua's as large as the request: the
    script works on nbdkit's own bytes. Whether Rust copies them on the way it does not prove.
    """
    client = serve("""
        API_VERSION = 2
        local size = 32 * 1024 * 1024
        collectgarbage()
        collectgarbage("stop")
        local before, most = collectgarbage("count"), 0
        local function measure()
            most = math.max(most, collectgarbage("count") - before)
        end
        function open(readonly) return {} end
        function get_size(h) return 2 * size end
        function pwrite(h, buf, offset, flags)
            measure()
            if #buf ~= size or buf:readu8(size - 1) ~= 0x7a then error("not the data") end
        end
        function pread(h, buf, offset, flags)
            measure()
            if offset == size then return buf:writestring(0, string.format("%.0f", most * 1024)) end
            buf:fill(0, 0x79)
        end
    """).connect()
    for _ in range(3):
        client.pwrite(b"z" * (32 << 20), 0)
        assert client.pread(32 << 20, 0) == b"y" * (32 << 20)
    grown = int(client.pread(32, 32 << 20).rstrip(b"\0"))
    assert 0 <= grown < 64 << 10
