-- The least that a disk can do: what is measured is the way into Lua and back.
--
--   length=NUMBER       of the requests that will read; the string for them is made beforehand
--   thread_model=NAME   as nbdkit names them; nbdkit's own plugin does not ask for it
--
-- Runs under nbdkit's own Lua plugin as well.

local disk = 1048576
local ready = string.rep("x", 512)
local model = "serialize_all_requests"

function config(key, value)
    if key == "length" then
        ready = string.rep("x", tonumber(value))
    elseif key == "thread_model" then
        model = value
    else
        error("unknown parameter " .. key)
    end
end

function thread_model()
    return model
end

function open(readonly)
    return {}
end

function get_size(h)
    return disk
end

function pread(h, count, offset)
    return ready
end

function pwrite(h, buf, offset)
end

-- Said in so many words, for nbdkit's own plugin does not go by `flush` being there.
function can_flush(h)
    return true
end

function flush(h)
end

function zero(h, count, offset, may_trim)
end
