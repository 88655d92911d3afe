--- disk
local size, bytes = 4096, nil
function config(key, value)
    if key ~= "size" then error("unknown parameter " .. key) end
    size = nbdkit.parse_size(value)
end
function get_ready() bytes = string.rep("\0", size) end
function list_exports(readonly, is_tls) return {"a", "b"} end
function open(readonly) return nbdkit.export_name() end
function get_size(h) return size end
function export_description(h) if h == "b" then return "the second" end end
function pread(h, count, offset)
    if offset == 1536 then nbdkit.error("ENODATA", "sector 3 is bad") end
    return bytes:sub(offset + 1, offset + count)
end
function pwrite(h, data, offset)
    bytes = bytes:sub(1, offset) .. data .. bytes:sub(offset + #data + 1)
end
function flush(h) nbdkit.shared:incr("flushes", 1, 0) end
function trim(h, count, offset) pwrite(h, string.rep("t", count), offset) end
function zero(h, count, offset, may_trim)
    pwrite(h, string.rep("\0", count), offset)
    nbdkit.shared:set("may_trim", may_trim)
end
function extents(h, count, offset, flags)
    return {{0, 512, 0}, {512, size - 512, "hole,zero"}}
end
function cache(h, count, offset) nbdkit.shared:set("cached", offset) end
--- passing
function test_written_data_is_read(client)
    client:pwrite("abc", 510, nbdkit.FLAG_FUA)
    client:expect_equal(client:pread(5, 509), "\0abc\0")
    client:flush()
    client:expect_equal(nbdkit.shared:get("flushes"), 2)
    client:trim(1, 511)
    client:expect_equal(client:pread(3, 510), "atc")
    client:zero(1, 510)
    client:expect_equal(nbdkit.shared:get("may_trim"), true)
    client:zero(1, 512, 0)
    client:expect_equal(nbdkit.shared:get("may_trim"), false)
    client:expect_equal(client:pread(3, 510), "\0t\0")
    client:cache(512, 1024)
    client:expect_equal(nbdkit.shared:get("cached"), 1024)
end
function test_each_has_a_disk_of_its_own(client)
    client:expect_equal(client:pread(512, 512), string.rep("\0", 512))
    client:expect_equal(nbdkit.shared:get("flushes"), nil)
end
function test_what_the_client_is_told(client)
    client:expect_equal(client:get_size(), 8192)
    for _, name in ipairs {"write", "flush", "trim", "zero", "extents"} do
        client:expect_equal(client["can_" .. name](client), true)
    end
    client:expect_equal(client:can_multi_conn(), false)
    client:expect_equal(client:can_fast_zero(), true)
    client:expect_equal(client:is_rotational(), false)
    client:expect_equal(client:can_fua(), nbdkit.FUA_EMULATE)
    client:expect_equal(client:can_cache(), nbdkit.CACHE_NATIVE)
end
function test_extents(client)
    local extents = client:extents(4096, 0)
    client:expect_equal(#extents, 2)
    client:expect_equal(table.concat(extents[1], " "), "0 512 0")
    client:expect_equal(table.concat(extents[2], " "), "512 7680 3")
    client:expect_equal(#client:extents(4096, 0, nbdkit.FLAG_REQ_ONE), 1)
end
function test_exports(client)
    client:expect_equal(table.concat(client:list_exports(), " "), "a b")
    client:expect_equal(client:export_name(), "")
    client:expect_equal(client:export_description(), nil)
    client:connect("b")
    client:expect_equal(client:export_name(), "b")
    client:expect_equal(client:export_description(), "the second")
    client:list_exports()
    client:expect_equal(client:export_name(), "b")
    client:disconnect()
    client:expect_equal(client:export_name(), "")
end
function test_what_fails(client)
    local message = client:expect_error("ENODATA", "pread", 4, 1536)
    assert(message:find("sector 3 is bad"), message)
    client:expect_error("EINVAL", "pread", 4, 1536)
    client:expect_error("EINVAL", "pread", 4, 8192)
    client:expect_error(nbdkit.errno.ENOSPC, "pwrite", "x", 8192)
    client:expect_error("ENOTSUP", "zero", 1, 0, nbdkit.FLAG_FAST_ZERO)
    local ok, caught = pcall(client.pread, client, 4, 1536)
    client:expect_equal(ok, false)
    client:expect_equal(caught.errno, nbdkit.errno.EINVAL)
end
--- failing
equal: client:expect_equal(client:pread(1, 0), "a")
long: client:expect_equal(client:pread(100, 0), client:pread(99, 0) .. "a")
numbers: client:expect_equal(client:get_size(), 5)
own: error("no")
request: client:pread(4, 1536)
succeeded: client:expect_error("EIO", "flush")
other: client:expect_error("EIO", "pread", 4, 1536)
misused: client:expect_error("EINVAL", "pread", 4)
unknown: client:expect_error("EINVAL", "read", 4)
surplus: client:flush(1)
negative: client:pread(-1, 0)
--- ending
exits: os.exit(3)
leaves: os.exit(0)
is killed: os.execute("kill -KILL $PPID")
--- endless disk
if jit then jit.off() end -- what it has compiled cannot be interrupted
function open(readonly) return 1 end
function get_size(h) return 512 end
function pread(h, count, offset) while true do end end
function test_read(client) client:pread(1, 0) end
function test_loop(client) while true do end end
function test_size(client) client:get_size() end
--- stuck disk
function open(readonly) return 1 end
function get_size(h) return 512 end
function pread(h, count, offset) os.execute("exec sleep 60") end
function test_read(client) client:pread(1, 0) end
function test_size(client) client:get_size() end
--- printing
function test_prints(client)
    print("printed")
    io.stdout:flush()
    nbdkit.debug("said")
    client:expect_error("ENODATA", "pread", 4, 1536)
    @end@
end
--- readonly
write: client:pwrite("x", 0)
--- top level
endless: if jit then jit.off() end while true do end
