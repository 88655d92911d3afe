--- coroutines
local function failing() error("inside") end
local co = coroutine.create(function(a, b)
    local c = coroutine.yield(a + b)
    local d, e = coroutine.yield(c * 2)
    error({ d, e })
end)
local results = {}
local function add(...) results[#results + 1] = table.concat({ ... }, " ") end
add(select(2, coroutine.resume(co, 1, 2)))
add(select(2, coroutine.resume(co, 10)))
local ok, thrown = coroutine.resume(co, "x", "y")
add(tostring(ok), thrown[1], thrown[2])
add(tostring(coroutine.resume(co)), select(2, coroutine.resume(co)))
add(select(2, pcall(coroutine.resume, 5)))
for value in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end) do add(value) end
add(select(2, pcall(coroutine.wrap(failing))))
add(select(2, pcall(coroutine.wrap, 5)))
add(tostring(coroutine.wrap(function() return coroutine.isyieldable and coroutine.isyieldable() end)()))
local file = assert(io.open("@results@", "w"))
file:write(table.concat(results, "\n"), "\n")
file:close()
function open() return 1 end
function get_size() return 512 end
function pread(h, count) return ("x"):rep(count) end
--- own hook
if jit then jit.off() end
local steps = 0
function open() return 1 end
function get_size() return 4096 end
function pread(h, count, offset)
    debug.sethook(function() steps = steps + 1 end, "", 1000)
    local ends = os.time() + 3
    while os.time() < ends do end
    local before = steps
    for i = 1, 1000000 do end
    debug.sethook()
    if steps == before then error("the hook is gone") end
    return ("x"):rep(count)
end
