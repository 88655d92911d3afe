"""Changing methods and functions with the debug library ends in an error, not in a crash."""

import pytest

import evaluating

# `f` is a method or a function, and `call` calls it correctly.
METHODS = {
    "buf.readu8": "buf:readu8(0)",
    "buf.writestring": "buf:writestring(0, 'x')",
    "buf.copy": "buf:copy(0, other)",
    "buf.len": "buf:len()",
    "disk.pread": "disk:pread(4, 0)",
    "disk.size": "disk:size()",
    "nbdkit.buffer": "nbdkit.buffer(8)",
    "nbdkit.disk": "nbdkit.disk('d', 512)",
    "nbdkit.shared.get": "nbdkit.shared:get('k')",
    "nbdkit.parse_size": "nbdkit.parse_size('1')",
}
VALUES = ["nil", "5", "-1", "99999", "'x'", "{}", "print", "io.stdout", "other", "disk"]


@pytest.fixture
def lua(serve, language):
    lua = evaluating.evaluator(serve, language)
    lua.run("buf, other, disk = nbdkit.buffer(8), nbdkit.buffer(8), nbdkit.disk('d', 512)")
    return lua


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("method", METHODS)
def test_setupvalue(lua, language, method, value):
    if language.engine == "luajit" and method == "buf.readu8":
        pytest.skip("it is written in Lua there, and works on memory by LuaJIT's FFI")
    # The upvalues of a function of the module are a function and its number.
    places = (2,) if method.startswith(("nbdkit.shared", "nbdkit.parse")) else (1, 2, 3)
    for place in places:
        lua.run(f"""
            local f = {method}
            local name, old = debug.getupvalue(f, {place})
            debug.setupvalue(f, {place}, {value})
            pcall(function() return {METHODS[method]} end)
            debug.setupvalue(f, {place}, old)
            {METHODS[method]}
        """)
    assert lua.server.errors() == []


BUFFER_METHODS = ["readu8", "writeu8", "readstring", "writestring", "copy", "fill", "tostring", "len"]
DISK_METHODS = ["pread", "pwrite", "zero", "extents", "size"]


@pytest.mark.parametrize("metatable", ["buf", "disk"])
@pytest.mark.parametrize(
    "code, is_buffer, is_disk",
    [
        ("io.tmpfile()", False, False),
        ("newproxy and newproxy(true) or io.tmpfile()", False, False),
        ("nbdkit.buffer(64)", True, False),
        ("nbdkit.buffer(0)", True, False),
        ("nbdkit.disk('other', 64)", False, True),
    ],
)
def test_setmetatable(lua, language, code, is_buffer, is_disk, metatable):
    methods = {"buf": BUFFER_METHODS, "disk": DISK_METHODS}
    if language.engine == "luajit":
        # There, the methods for one number only check the metatable.
        methods["buf"] = methods["buf"][2:]
    arguments = {"buf": "{}, {0}, {0, 1}, {0, 'x'}, {0, buf}", "disk": "{}, {1, 0}, {'x', 0}"}
    # It is kept, because this is not about what Lua itself does when it collects it.
    lua.run(f"kept = kept or {{}} fake = {code} kept[#kept + 1] = fake "
            f"debug.setmetatable(fake, debug.getmetatable({metatable}))")  # fmt: skip
    for kind, may in (("buf", is_buffer), ("disk", is_disk)):
        for name in methods[kind]:
            lua.run(f"""
                for _, arguments in ipairs {{ {arguments[kind]} }} do
                    local ok = pcall({kind}.{name}, fake, (unpack or table.unpack)(arguments))
                    assert(not ok or {str(may).lower()})
                end
            """)
    lua.run(f"assert(pcall(buf.copy, buf, 0, fake, 0, 0) == {str(is_buffer).lower()})")
    assert lua.value("return buf:len()") == "8"


def test_a_lent_buffer_with_another_metatable(serve):
    client = serve("""
        API_VERSION = 2
        local disks = debug.getmetatable(nbdkit.disk("d", 512))
        function open(readonly) return {} end
        function get_size(h) return 65536 end
        function pread(h, buf, offset, flags)
            local fill = buf.fill
            debug.setmetatable(buf, disks)
            assert(not pcall(disks.__index.size, buf))
            fill(buf, 0, 0x78)
        end
    """).connect()
    for _ in range(3):
        assert client.pread(512, 0) == b"x" * 512
