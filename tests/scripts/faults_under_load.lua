--- counting
local opened, closed = 0, 0
function open(readonly) opened = opened + 1 return {} end
function close(h) closed = closed + 1 end
function cleanup()
    local file = assert(io.open("@notes@", "a"))
    file:write(opened, " ", closed, "\n")
    file:close()
end
--- sleeping
function pread(h, buf, offset, flags)
    nbdkit.shared:incr("asleep", 1, 0)
    nbdkit.nanosleep(600)
end
function pwrite(h, buf, offset, flags)
    assert(nbdkit.shared:get("asleep") == 7, "not all asleep")
end
--- storm
local write = pwrite
function pwrite(h, buf, offset, flags)
    if offset % 3 == 0 then error("storm") end
    if offset % 3 == 1 then nbdkit.set_error("ENOSPC") error({}) end
    return write(h, buf, offset, flags)
end
