API_VERSION = 2
local disk = nbdkit.disk("disk", @size@)
local shared = nbdkit.shared
function thread_model() return "@model@" end
function open(readonly) return { shared:incr("opens", 1, 0) } end
function close(h) shared:incr("closes", 1, 0) end
function get_size(h) return disk:size() end
function pread(h, buf, offset)
    while offset == @forever@ do end
    disk:pread(buf, offset)
    shared:rpush("list", offset)
    shared:lpop("list")
end
function pwrite(h, buf, offset)
    disk:pwrite(buf, offset)
    shared:set("last", offset, 1)
end
function trim(h, count, offset) disk:trim(count, offset) end
function zero(h, count, offset) disk:zero(count, offset) end
function flush(h)
    if shared:incr("flushes", 1, 0) % 3 == 0 then nbdkit.error("ENOSPC", "full") end
end
function extents(h, count, offset) return disk:extents(count, offset) end
function cleanup() shared:flush_all() end
