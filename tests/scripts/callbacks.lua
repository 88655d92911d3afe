--- one write
local disk = ""
function open(readonly) return 1 end
function get_size(h) return 64 * 1024 * 1024 end
function pread(h, count, offset) return disk:sub(offset + 1, offset + count) end
function pwrite(h, buf, offset) disk = buf end
