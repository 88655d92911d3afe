-- The least that a disk can do: what is measured is the way into Lua and back.
--
--   length=NUMBER  of the requests that will read; the string for them is made beforehand
--
-- Runs under nbdkit's own Lua plugin as well.

local disk = 1048576
local ready = string.rep("x", 512)

function config(key, value)
    if key ~= "length" then
        error("unknown parameter " .. key)
    end
    ready = string.rep("x", tonumber(value))
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
