--- uses of a kept buffer
read: kept:readu8(0)
write: kept:writeu8(0, 1)
readstring: kept:readstring(0, 0)
writestring: kept:writestring(0, "")
fill: kept:fill(0, 0)
tostring: kept:tostring()
len: kept:len()
length: return #kept
copy onto itself: kept:copy(0, kept)
copy to: kept:copy(0, nbdkit.buffer(1))
copy from: nbdkit.buffer(1):copy(0, kept)
--- keep
kept = select(2, ...)
--- kept by a read
API_VERSION = 2
function open(readonly) return {} end
function get_size(h) return 2 ^ 30 end
function pread(h, buf, offset, flags)
    if offset == 512 then kept:fill(0, 0x55) end
    buf:fill(0, 0x66)
    if offset == 1024 then kept:writeu8(0, 1) end
    kept = buf
end
--- all memory
API_VERSION = 2
local kept = {}
function open(readonly) return {} end
function get_size(h) return 2 ^ 30 end
function pread(h, buf, offset, flags)
    buf:fill(0, 0x61)
    if offset == 0 then return end
    pcall(function() while true do kept[#kept + 1] = nbdkit.buffer(2 ^ 24) end end)
    buf:copy(0, buf, 1)
end
