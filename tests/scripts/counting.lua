-- Counts what happens in which interpreter, and how many are busy at once. A read below FACTS joins
-- a meeting: nobody leaves before as many have come as the offset says. A read at or after FACTS
-- returns all counts, as does the file named by facts= when the server has ended.

local FACTS = 2 ^ 20
-- Every this many bytes there is another meeting.
local MEETING = 4096

local shared = nbdkit.shared
local number = shared:incr("interpreters", 1, 0)
local working = false

-- It may be cut short because the client has gone.
local function sleep() pcall(nbdkit.nanosleep, 0.001) end

local connections = {}
local model, path

function config(key, value)
    if key == "model" then
        -- The number of a thread model, or its name.
        model = tonumber(value) or value
    else
        assert(key == "facts", key)
        path = value
    end
end

function thread_model() return model end

local function known()
    local lines = {}
    for _, key in ipairs(shared:get_keys(0)) do
        lines[#lines + 1] = key .. "=" .. tostring(shared:get(key))
    end
    return table.concat(lines, "\n") .. "\n"
end

function cleanup()
    shared:incr("cleanup " .. number, 1, 0)
    if path then
        local file = assert(io.open(path, "w"))
        file:write(known())
        file:close()
    end
end

function open(readonly)
    local h = { number = number, connection = nbdkit.export_name(), requests = 0 }
    shared:incr("open " .. number, 1, 0)
    shared:incr("opened", 1, 0)
    connections[h] = true
    return h
end

-- A handle belongs to one interpreter, and to one connection there.
local function check(h)
    if h.number ~= number or not connections[h] or h.connection ~= nbdkit.export_name() then
        shared:incr("wrong handles", 1, 0)
    end
end

function close(h)
    check(h)
    connections[h] = nil
    shared:incr("close " .. number, 1, 0)
    shared:incr("closed", 1, 0)
end

function get_size(h) check(h) return 2 ^ 21 end
function can_multi_conn(h) check(h) return true end

local function begin(h)
    check(h)
    if working then
        shared:incr("two in one interpreter", 1, 0)
    end
    working = true
    shared:set("at once " .. string.format("%d", shared:incr("at work", 1, 0)), true)
    shared:incr("reads " .. number, 1, 0)
    h.requests = h.requests + 1
end

local function finish()
    shared:incr("at work", -1)
    working = false
end

function together(meeting, wanted) return shared:get(meeting) >= wanted end

function pread(h, count, offset)
    if offset >= FACTS then
        check(h)
        local text = known()
        return text .. string.rep("\0", count - #text)
    end
    begin(h)
    local meeting = "at meeting " .. string.format("%d", math.floor(offset / MEETING))
    local wanted = offset % MEETING
    shared:incr(meeting, 1, 0)
    for _ = 1, 20000 do
        if together(meeting, wanted) then
            -- Long enough for another request to come in between, if one could.
            sleep()
            finish()
            return string.rep("x", count)
        end
        sleep()
    end
    finish()
    error("waited in vain for " .. wanted .. " requests at once")
end
