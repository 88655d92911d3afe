-- A disk whose reads wait for a millisecond, as for something on a network.
--
-- Runs under nbdkit's own Lua plugin as well, which has no use for `thread_model`. It waits by
-- LuaSocket, for that plugin has no function of nbdkit's.

local sleep = require("socket").sleep

function thread_model()
    return "parallel"
end

function open(readonly)
    return true
end

function get_size(h)
    return 1048576
end

function pread(h, count, offset)
    sleep(0.001)
    return string.rep("x", count)
end
