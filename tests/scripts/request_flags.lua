--- disk
-- Every request is a line in `calls`, which is what the disk reads as.
API_VERSION = 2
calls = ""
local function note(name, flags)
    calls = calls .. name .. ":" .. string.format("%.0f ", flags)
end
function open(readonly) return {} end
function get_size(h) return 65536 end
function pread(h, buf, offset, flags)
    buf:writestring(0, calls, math.min(#calls, #buf))
    if #buf == 4096 then calls = "" else note("pread", flags) end
end
function pwrite(h, buf, offset, flags) note("pwrite", flags) end
function flush(h, flags) note("flush", flags) end
function trim(h, count, offset, flags) note("trim", flags) end
function zero(h, count, offset, flags) note("zero", flags) end
function cache(h, count, offset, flags) note("cache", flags) end
--- not supported
error by name: nbdkit.error('EOPNOTSUPP', 'not here')
error by number: nbdkit.error(nbdkit.errno.ENOTSUP, 'not here')
set_error: nbdkit.set_error('ENOTSUP') error('not here')
returned: return nil, 'not here', 'EOPNOTSUPP'
thrown: error({ errno = 'ENOTSUP' })
--- failing zero
function zero(h, count, offset, flags)
    calls = calls .. "zero "
    @body@
end
--- version 1
calls = ""
function open(readonly) return {} end
function get_size(h) return 65536 end
function pread(h, count, offset)
    local found = calls .. string.rep("\0", count)
    calls = ""
    return found
end
function pwrite(h, buf, offset)
    if buf ~= string.rep("\0", #buf) then error("not zeroes") end
    calls = calls .. "pwrite:0 "
end
--- version 2
API_VERSION = 2
calls = ""
function open(readonly) return {} end
function get_size(h) return 65536 end
function pread(h, buf, offset, flags)
    buf:writestring(0, calls)
    calls = ""
end
function pwrite(h, buf, offset, flags)
    if buf:tostring() ~= string.rep("\0", #buf) then error("not zeroes") end
    calls = calls .. "pwrite:0 "
end
--- large
API_VERSION = 2
local disk = nbdkit.disk("large", @size@)
function open(readonly) return {} end
function get_size(h) return disk:size() end
function pread(h, buf, offset, flags) disk:pread(buf, offset) end
function pwrite(h, buf, offset, flags) disk:pwrite(buf, offset) end
function zero(h, count, offset, flags) nbdkit.error("ENOTSUP", "written instead") end
