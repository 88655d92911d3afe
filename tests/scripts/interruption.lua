--- disk
if jit then jit.off() end -- what it has compiled cannot be interrupted
local function note(text)
    local file = assert(io.open("@notes@", "a"))
    file:write(text, "\n")
    file:close()
end
function thread_model() return "@model@" end
function open(readonly) return 1 end
function get_size(h) return 4096 end
function close(h) note("close") end
function cleanup() note("cleanup") end
function pread(h, count, offset)
    if offset >= 512 then
        note("begins")
        @body@
    end
    return string.rep("x", count)
end
--- loops
a loop: while true do end
one that catches errors: while true do pcall(function() while true do end end) end
one in a coroutine: coroutine.wrap(function() while true do end end)()
coroutines again and again: while true do
    local inner = coroutine.create(function() while true do end end)
    coroutine.resume(coroutine.create(function() coroutine.resume(inner) end))
    end
--- others
shuts down: nbdkit.shutdown()
takes long: local ends = os.time() + 3
    while os.time() < ends do end
closes slowly: note("begins")
    local ends = os.time() + 3
    while os.time() < ends do end
    note("ends")
