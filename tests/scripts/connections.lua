--- written through a handle
function pwrite(h, buf, offset)
    h.written = (h.written or "") .. buf
    shared:incr("inside", 1, 0)
    while shared:get("inside") < 2 do nbdkit.nanosleep(0.001) end
    shared:rpush("written", h.written .. " in " .. number)
end
function flush(h)
    local file = assert(io.open("@notes@", "w"))
    file:write(shared:lpop("written"), ",", shared:lpop("written"))
    file:close()
end
--- fails the second time
local open_here = open
function open(readonly)
    local times = shared:incr("tried", 1, 0)
    if times == 2 then
        shared:set("failed", true)
        nbdkit.set_error("ENOSPC")
        error("no room for another")
    end
    return open_here(readonly)
end
-- Occupies an interpreter until another one has tried to open the connection.
function pwrite(h, buf, offset)
    while not shared:get("failed") do nbdkit.nanosleep(0.001) end
end
--- the last one fails
function pwrite(h, buf, offset)
    if shared:incr("came", 1, 0) == 8 then
        shared:set("failed", true)
        nbdkit.set_error("ENOSPC")
        error("the last one")
    end
    while not shared:get("failed") do nbdkit.nanosleep(0.001) end
end
--- until told to go
function pwrite(h, buf, offset)
    io.open("@folder@/inside" .. number, "w"):close()
    while not io.open("@folder@/go") do nbdkit.nanosleep(0.001) end
end
--- who
-- Only the first interpreter writes its notes; the others would have nothing more to write.
local NOTES = "@notes@" .. nbdkit.shared:incr("count", 1, 0)
function thread_model() return "parallel" end
local function who() return nbdkit.export_name() .. " " .. nbdkit.peer_name() end
local function same(h)
    if h.who ~= who() then nbdkit.shared:rpush("wrong", h.who .. " is " .. who()) end
    return true
end
function open(readonly) return { who = who(), export = nbdkit.export_name() } end
function get_size(h) same(h) return 4096 end
function pread(h, count, offset)
    same(h)
    nbdkit.nanosleep(0.0005)
    same(h)
    local text = who()
    return text .. string.rep("\0", count - #text)
end
function pwrite(h, buf, offset) same(h) end
function zero(h, count, offset, may_trim) same(h) end
function trim(h, count, offset) same(h) end
function flush(h) same(h) end
function close(h) nbdkit.shared:incr("closed", 1, 0) end
function can_write(h) return same(h) end
function can_flush(h) return same(h) end
function can_trim(h) return same(h) end
function is_rotational(h) return same(h) end
function cleanup()
    local file = assert(io.open(NOTES, "w"))
    while (nbdkit.shared:llen("wrong") or 0) > 0 do
        file:write(nbdkit.shared:lpop("wrong"), "\n")
    end
    file:write("closed ", tostring((nbdkit.shared:get("closed") or 0) > 0), "\n")
    file:close()
    cleanup = function() end
end
--- counts who is read-only
local shared = nbdkit.shared
function thread_model() return "parallel" end
function open(readonly)
    shared:incr("opened", 1, 0)
    if readonly then shared:incr("readonly", 1, 0) end
    return true
end
function get_size(h) return 4096 end
function pread(h, count, offset)
    -- Two requests that meet are in two interpreters.
    shared:incr("inside", 1, 0)
    while shared:get("inside") < 2 do nbdkit.nanosleep(0.001) end
    local text = shared:get("opened") .. " " .. (shared:get("readonly") or 0)
    return text .. ("\0"):rep(count - #text)
end
