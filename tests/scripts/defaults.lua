--- required
disk = string.rep("\0", 65536)
calls = ""
function open(readonly) return 1 end
function get_size(h) return #disk end
-- The end of the disk reads as the calls so far.
function pread(h, count, offset)
    if offset == 65024 then return calls .. string.rep(".", count) end
    return disk:sub(offset + 1, offset + count)
end
--- pwrite
function pwrite(h, buf, offset)
    calls = calls .. "pwrite "
    disk = disk:sub(1, offset) .. buf .. disk:sub(offset + #buf + 1)
end
--- flush
function flush(h) calls = calls .. "flush " end
--- trim
function trim(h, count, offset) calls = calls .. "trim " end
--- zero
function zero(h, count, offset, may_trim)
    calls = calls .. "zero "
    disk = disk:sub(1, offset) .. string.rep("\0", count) .. disk:sub(offset + count + 1)
end
