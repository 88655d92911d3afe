--- disk
local kept, n = {}, 0
local disk = nbdkit.disk("pages", 2 ^ 40)

-- None of these needs memory, except the body.
function open(readonly) return 1 end
function get_size(h) return 1048576 end

function pread(h, count, offset)
    if offset == 0 then
        @body@
    end
    return "xxxx"
end
--- until it fails
while true do n = n + 1 @way@ end
--- delete
function can_flush(h) return true end
function flush(h)
    for i = 1, n do nbdkit.shared:delete("large" .. i) end
    n = 0
    nbdkit.shared:set("key", "value")
end
--- ways
errors that are kept: kept[#kept + 1] = select(2, pcall(nbdkit.error, "ENOSPC", "no room"))
errors of the dictionary that are kept: local ok, why = pcall(nbdkit.shared.set, nbdkit.shared)
    kept[#kept + 1] = why
keys: nbdkit.shared:set("key" .. n, "value" .. n)
a list: nbdkit.shared:rpush("list", "value" .. n)
all keys: nbdkit.shared:set("key" .. n, n)
    if n % 20000 == 0 then kept[#kept + 1] = nbdkit.shared:get_keys(0) end
large values: nbdkit.shared:set("large" .. n, ("x"):rep(2 ^ 20))
disks: kept[#kept + 1] = nbdkit.disk("disk" .. n, 2 ^ 30)
pages: disk:pwrite("x", n * 2 ^ 16)
reads of a disk: kept[#kept + 1] = disk:pread(2 ^ 16, 0)
buffers: kept[#kept + 1] = nbdkit.buffer(2 ^ 16)
paths: kept[#kept + 1] = nbdkit.absolute_path("x" .. n)
names: kept[#kept + 1] = nbdkit.export_name() .. nbdkit.peer_name() .. n
messages: kept[#kept + 1] = { n } nbdkit.debug("message " .. n)
tables that are thrown: local ok, why = pcall(error, { errno = "ENOSPC", message = "no" .. n })
    kept[#kept + 1] = why
