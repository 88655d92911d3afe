--- until it is gone
while nbdkit.shared:get("k") do nbdkit.nanosleep(0.001) end
--- many keys
for i = 1, 2000 do nbdkit.shared:set("k" .. i, i) end
--- how many
return #@list@
--- many
local shared = nbdkit.shared
shared:incr("interpreters", 1, 0)
function thread_model() return "parallel" end
function open(readonly) return 1 end
function get_size(h) return 65536 end
function pwrite(h, buf, offset)
    for i = 1, 100 do
        shared:incr("hits", 1, 0)
        shared:incr("up and down", i % 2 == 0 and 1 or -1, 0)
    end
    if shared:add("first", offset) then shared:incr("firsts", 1, 0) end
    shared:rpush("in", offset)
    local moved = shared:lpop("in")
    shared:lpush("out", moved)
end
function pread(h, count, offset)
    local got = {}
    for _, key in ipairs({ "hits", "up and down", "firsts", "interpreters" }) do
        got[#got + 1] = string.format("%d", shared:get(key))
    end
    local sum = 0
    for _ = 1, shared:llen("out") do sum = sum + shared:lpop("out") end
    got[#got + 1] = string.format("%d", shared:llen("in"))
    got[#got + 1] = string.format("%d", sum)
    local text = table.concat(got, " ")
    return text .. string.rep("\0", count - #text)
end
