--- disk
-- A disk with a good part, which must be right, followed by cells that do odd things. Its pieces
-- are below; fuzz/case.py chooses among them.
API_VERSION = @version@
local GOOD, CELL = @good@, 4096
local state = @seed@
local function random(n)
    state = state * 16807 % 2147483647
    return state % n
end
local unpack, load = table.unpack or unpack, loadstring or load
local kept, keeps = nil, {}
-- For finalizers. Lua 5.2 and 5.3 raise their errors in whatever is running when garbage is
-- collected.
local quiet = _VERSION == "Lua 5.2" or _VERSION == "Lua 5.3"
local function fail(text) if not quiet then error(text, 2) end end
local function touch(buf) local ok, why = pcall(buf.len, buf) if not ok then fail(why) end end
local scratch = nbdkit.buffer(256)
local fetch, fill, store, wipe, allocated
@storage@
local ODD = {
    0, 1, -1, 3, 255, 256, 2 ^ 20, 2 ^ 40, 2 ^ 53, -2 ^ 63, 2 ^ 63, 1e300, 0.5, 0 / 0, 1 / 0, -1 / 0, true,
    false, "", "x", "\0\255", "12", "0x10", "-1", ("long"):rep(100), {}, { 1, 2 }, { errno = "EPERM" },
    print, coroutine.create(function() end), scratch, setmetatable({}, { __tostring = function() error("no") end }),
    setmetatable({}, { __index = function() error("no") end, __len = function() error("no") end }),
    nbdkit.disk("other", 100000), nbdkit.file("odd", "create", 5000), nbdkit, nbdkit.shared, "key", "list", "number",
}
local function odd() return ODD[1 + random(#ODD)] end
local METHODS = {
    "len", "tostring", "readstring", "writestring", "copy", "fill", "nothing", "readi8", "readu8",
    "writei8", "readf32", "writef64be", "readi64", "writei64be", "readu32be", "writeu16", "readf64be",
}
local SHARED = {
    "get", "set", "add", "replace", "incr", "lpush", "rpush", "lpop", "rpop", "llen", "ttl", "expire",
    "get_keys", "delete",
}
local FUNCTIONS = {
    "debug", "error", "set_error", "parse_size", "parse_bool", "parse_int", "parse_probability",
    "parse_delay", "absolute_path", "realpath", "export_name", "is_tls", "peer_name", "peer_pid",
    "peer_uid", "peer_gid", "peer_security_context", "peer_tls_dn", "stdio_safe", "name", "buffer",
    "debug_hexdump", "debug_hexdiff", "timestamp",
}
local KEYS = { "key", "list", "number", "", 1, true, "\0" }

-- What happens before a request to the good part is served.
local before = {
@before@
}
-- How it is served.
local ways = {
@ways@
}
-- What requests to the cells do.
local cells = {
@cells@
}

function thread_model() return "@model@" end
function get_size(h) return GOOD + CELL * #cells end
function can_multi_conn(h) return true end
@callbacks@

local function serve(what, buf, count, offset, f)
    if offset >= GOOD then
        return cells[1 + math.floor((offset - GOOD) / CELL)](what, buf, count, offset)
    end
    local sector = math.floor(offset / 512)
    before[1 + sector % #before](what, buf, count, offset)
    return ways[1 + math.floor(sector / 3) % #ways](f)
end

if API_VERSION == 1 then
    function pread(h, count, offset)
        return serve("pread", nil, count, offset, function() return fetch(count, offset) end)
    end
else
    function pread(h, buf, offset, flags)
        return serve("pread", buf, #buf, offset, function() fill(buf, offset) end)
    end
end
function pwrite(h, buf, offset)
    return serve("pwrite", buf, #buf, offset, function() store(buf, offset) end)
end
if @wipes@ then
    function trim(h, count, offset)
        return serve("trim", nil, count, offset, function() wipe(count, offset) end)
    end
    function zero(h, count, offset)
        return serve("zero", nil, count, offset, function() wipe(count, offset) end)
    end
end
if @tells@ then
    function extents(h, count, offset)
        return serve("extents", nil, count, offset, function() return allocated(count, offset) end)
    end
end
--- storage disk
local disk = nbdkit.disk("disk", GOOD)
function fetch(count, offset) return disk:pread(count, offset) end
function fill(buf, offset) disk:pread(buf, offset) end
function store(data, offset) disk:pwrite(data, offset) end
function wipe(count, offset) disk:zero(count, offset) end
function allocated(count, offset) return disk:extents(count, offset) end
--- storage file
local disk = nbdkit.file("disk", "create", GOOD)
function fetch(count, offset) return disk:pread(count, offset) end
function fill(buf, offset) disk:pread(buf, offset) end
function store(data, offset) disk:pwrite(data, offset) end
function wipe(count, offset) disk:zero(count, offset, nbdkit.FLAG_MAY_TRIM * random(2)) end
function allocated(count, offset) return disk:extents(count, offset) end
--- storage buffer
local disk = nbdkit.buffer(GOOD)
function fetch(count, offset) return disk:readstring(offset, count) end
function fill(buf, offset) buf:copy(0, disk, offset, #buf) end
function store(data, offset)
    if type(data) == "string" then disk:writestring(offset, data) else disk:copy(offset, data) end
end
function wipe(count, offset) disk:fill(offset, 0, count) end
function allocated(count, offset) return { { offset, count, 0 } } end
--- storage numbers
-- Byte by byte, with the methods that read and write one number.
local disk = nbdkit.buffer(GOOD)
function fetch(count, offset)
    local bytes = {}
    for i = 1, count do bytes[i] = string.char(disk:readu8(offset + i - 1)) end
    return table.concat(bytes)
end
function fill(buf, offset)
    local whole = #buf - #buf % 4
    for i = 0, whole - 1, 4 do buf:writeu32(i, disk:readu32(offset + i)) end
    for i = whole, #buf - 1 do buf:writei8(i, disk:readi8(offset + i)) end
end
function store(data, offset)
    if type(data) == "string" then
        for i = 1, #data do disk:writeu8(offset + i - 1, data:byte(i)) end
        return
    end
    local whole = #data - #data % 2
    for i = 0, whole - 1, 2 do disk:writeu16be(offset + i, data:readu16be(i)) end
    for i = whole, #data - 1 do disk:writeu8(offset + i, data:readu8(i)) end
end
function wipe(count, offset)
    for i = offset, offset + count - 1 do disk:writeu8(i, 0) end
end
function allocated(count, offset) return { { offset, count, "" } } end
--- storage dictionary
local shared, empty = nbdkit.shared, ("\0"):rep(512)
function fetch(count, offset)
    local found = {}
    for at = offset, offset + count - 1, 512 do
        found[#found + 1] = shared:get(string.format("sector %.0f", at)) or empty
    end
    return table.concat(found)
end
function fill(buf, offset) buf:writestring(0, fetch(#buf, offset)) end
function store(data, offset)
    if type(data) ~= "string" then data = data:tostring() end
    for at = 0, #data - 1, 512 do
        shared:set(string.format("sector %.0f", offset + at), data:sub(at + 1, at + 512))
    end
end
function wipe(count, offset)
    for at = offset, offset + count - 1, 512 do shared:delete(string.format("sector %.0f", at)) end
end
function allocated(count, offset) return { { 0, GOOD, 0 } } end
--- before
nothing: local _ = 0
collect: collectgarbage()
step: collectgarbage("step")
garbage: for i = 1, 200 do local _ = { {}, tostring(i), function() return i end } end
finalizers: for i = 1, 20 do keeps[i] = setmetatable({}, { __gc = function() if kept then touch(kept) end end }) end
failing finalizers: for i = 1, 5 do setmetatable({}, { __gc = function() fail("in a finalizer") end }) end
caught: for _, e in ipairs({ "text", {}, false }) do assert(not pcall(error, e)) end
caught errno: local _, e = pcall(nbdkit.error, "EPERM", "caught") assert(e.errno == nbdkit.errno.EPERM)
set_error: nbdkit.set_error("ENOSPC")
deep: local function f(n) return n > 0 and 1 + f(n - 1) or 0 end f(150)
overflow: local function f() return 1 + f() end assert(random(20) > 0 or not pcall(f))
kept buffer: if kept then assert(not pcall(kept.len, kept)) assert(not pcall(kept.readu8, kept, 0)) end if type(buf) == "userdata" then kept = buf end
gone buffer: if kept then assert(not pcall(function() return kept:tostring() end)) end if type(buf) == "userdata" then kept = buf end
buffer twice: if type(buf) == "userdata" then pcall(buf.copy, buf, 0, buf, 0) pcall(scratch.copy, scratch, 0, buf) end
buffer in a coroutine: if type(buf) == "userdata" then coroutine.wrap(function() coroutine.yield(#buf) return buf:readu8(0) end)() end
dictionary: nbdkit.shared:incr("number", 1, 0) nbdkit.shared:get("key") nbdkit.shared:set("key", count)
list: nbdkit.shared:rpush("list", offset) nbdkit.shared:rpush("list", "x") nbdkit.shared:lpop("list") nbdkit.shared:rpop("list")
times: nbdkit.shared:set("key", "short", 0.001) nbdkit.shared:ttl("key") nbdkit.shared:get_keys(5)
sleep: nbdkit.nanosleep(0, 1000 * random(500))
debug: nbdkit.debug("at " .. offset .. "\n\0\27" .. ("x"):rep(random(5000)))
client: assert(type(nbdkit.export_name()) == "string" and nbdkit.is_tls() == false and nbdkit.peer_pid() > 0)
wrong methods: for _ = 1, 20 do local m = scratch[METHODS[1 + random(#METHODS)]] pcall(m, scratch, odd(), odd(), odd(), odd()) end
wrong selves: for _ = 1, 20 do local m = scratch[METHODS[1 + random(#METHODS)]] pcall(m, odd(), odd(), odd()) end
wrong functions: for _ = 1, 10 do pcall(nbdkit[FUNCTIONS[1 + random(#FUNCTIONS)]], odd(), odd(), odd()) end
wrong keys: for _ = 1, 10 do pcall(nbdkit.shared[SHARED[1 + random(#SHARED)]], nbdkit.shared, KEYS[1 + random(#KEYS)], odd(), odd()) end
wrong disks: local d = nbdkit.disk("other", 100000) for _, m in ipairs({ "pread", "pwrite", "zero", "trim", "extents", "size" }) do pcall(d[m], d, odd(), odd()) end
huge disk: local d = nbdkit.disk("huge", 2 ^ 52) d:pwrite("x", 2 ^ 52 - 1 - random(100000)) d:zero(2 ^ 52 - random(2 ^ 20), 0) d:extents(2 ^ 52, 0)
wrong files: local d = nbdkit.file("other", "create", 100000) for _, m in ipairs({ "pread", "trim", "extents", "cache", "size", "flush", "sync", "lock", "close", "size" }) do pcall(d.pwrite, d, odd(), random(100000)) pcall(d.zero, d, random(100000), odd()) pcall(d[m], d, odd(), odd(), odd()) end
changing file: local d = nbdkit.file("changing", "create", 1) d:truncate(random(200000)) pcall(d.pwrite, d, "x", random(200000)) pcall(d.extents, d, 200000, 0)
closed file: local d = nbdkit.file("other", "create", 1) d:close() assert(not pcall(d.size, d)) assert(not pcall(d.pread, d, 1, 0))
kept files: keeps[random(20)] = nbdkit.file("other", "create", 1)
many disks: pcall(nbdkit.disk, "disk " .. random(20), random(3) * 1000)
own buffers: local b = nbdkit.buffer(random(5000)) b:fill(0, 1) keeps[1 + random(5)] = b
buffer of a string: local b = nbdkit.buffer(("ab"):rep(1 + random(300))) assert(b:readstring(0, 2) == "ab")
defined anew: local f = trim trim = nil trim = f
set global: _G["extra" .. random(30)] = { offset }
environment: local ok, e = pcall(require, "no.such.module") assert(not ok and #e > 0)
table of bytes: local t = {} for i = 1, 300 do t[i] = string.char(random(256)) end assert(#table.concat(t) == 300)
traceback: assert(type(debug.traceback()) == "string")
--- ways
plain: return f()
pcall: local ok, r = pcall(f) assert(ok, r) return r
xpcall: local ok, r = xpcall(f, debug.traceback) assert(ok, r) return r
coroutine: return coroutine.wrap(f)()
nested: return coroutine.wrap(function() return coroutine.wrap(function() return coroutine.wrap(f)() end)() end)()
yields: local c = coroutine.create(function() coroutine.yield(1) coroutine.yield(f()) return 3 end) coroutine.resume(c) local ok, r = coroutine.resume(c) assert(ok, r) return r
never ended: local c = coroutine.create(function() local r = f() coroutine.yield(r) error("never") end) local ok, r = coroutine.resume(c) assert(ok, r) keeps[random(20)] = c return r
gsub: local r; ("x"):gsub("x", function() r = f() end) return r
sort: local r, done; table.sort({ 2, 1 }, function(a, b) if not done then done = true r = f() end return a < b end) return r
index: return setmetatable({}, { __index = function() return f() end }).x
called: return setmetatable({}, { __call = function() return f() end })()
added: local r; local _ = setmetatable({}, { __add = function() r = f() return 1 end }) + 1 return r
tostring: local r; tostring(setmetatable({}, { __tostring = function() r = f() return "x" end })) return r
thrown: local ok, e = pcall(function() error({ f() }) end) assert(not ok and type(e) == "table", e) return e[1]
compiled: return assert(load("return (...)()"))(f)
collected: local r = f() collectgarbage() return r
vararg: return (select(1, f()))
for: for r in function(_, done) if done == nil then return { f() } end end do return r[1] end
--- fails
text: error("plain")
no text: error()
number: error(42)
table: error({ errno = "ENOSPC", message = "in a table" })
odd errno: error({ errno = odd(), message = odd() })
huge errno: error({ errno = 2 ^ 31 + 5, message = "huge" })
no string: error(setmetatable({}, { __tostring = function() error("in __tostring") end }))
no index: error(setmetatable({}, { __index = function() error("in __index") end }))
endless index: local t = {} setmetatable(t, { __index = t }) error(setmetatable({}, { __index = function(_, k) return t[k] end }))
nested table: local t = {} t[1] = t error(t)
function: error(print)
coroutine: error(coroutine.create(function() end))
buffer: error(buf or scratch)
module: nbdkit.error("EPERM", "from the module")
module number: nbdkit.error(1 + random(133), ("long"):rep(random(3000)))
returned: return nil, "returned"
returned errno: return nil, "returned", "ENOSPC"
arithmetic: local _ = nil + 1
index of nil: local _ = nothing.at.all
recursion: local function f() return 1 + f() end assert(random(10) == 0, "rarely") f()
recursion of C: local n = 0 local function f(s) n = n + 1 if n > 60 then error("deep in C") end return (s:gsub(".", f)) end f("x")
too large: nbdkit.buffer(2 ^ 50)
long: error(("long "):rep(100000))
bytes: error("a\0b\nc\27[31m\255\254")
in a coroutine: coroutine.wrap(function() error("in a coroutine") end)()
in nested ones: coroutine.wrap(function() coroutine.wrap(function() error({ message = "deep" }) end)() end)()
yield: coroutine.yield(1)
set_error: nbdkit.set_error("EROFS") error("set before")
assert: assert(false)
assert table: assert(nil, { message = "in assert" })
gone: assert(kept, "nothing kept") kept:len()
handler: local _, e = xpcall(error, function() error("in the handler") end, "x") error(e)
again: local ok, e = pcall(nbdkit.error, "EDQUOT", "caught") error(e)
module arguments: nbdkit.parse_size()
finalizer: setmetatable({}, { __gc = function() fail("in a finalizer") end }) collectgarbage() error("and out of it")
past the end: scratch:writeu32(254, 1)
wrong method: scratch:nothing()
half: if type(buf) == "userdata" then pcall(buf.fill, buf, 0, 1, 1) end error("half way")
--- either
nothing: return
nil: return nil
number: return 5
negative: return -1
boolean: return false
empty: return ""
short: return "short"
long: return ("long"):rep(count)
bytes: return ("\0\255"):rep(count), 5, {}
table: return { 1, 2, 3 }
buffer: return buf or scratch
function: return print
thread: return coroutine.create(function() end)
many: return unpack({}, 1, 200)
odd: return odd(), odd(), odd()
no extents: return {}
extents of nothing: return { {}, {} }
extents of odd: return { { odd(), odd(), odd() }, { offset, count, 0 } }
extents backwards: return { { offset, count, 0 }, { 0, offset, 0 } }
extents past all: return { { 0, 2 ^ 53, "hole" } }
extents of length 0: return { { offset, 0, 0 }, { offset, count, 3 } }
extents of many: local t = {} for i = 1, math.min(count, 2000) do t[i] = { offset + i - 1, 1, i % 4 } end return t
extents by name: return { { offset = offset, length = count, type = "zero" }, setmetatable({}, { __index = error }) }
failing table: return setmetatable({}, { __index = function() error("in __index") end, __len = function() error("in __len") end })
endless table: return setmetatable({}, { __index = function(t) return t end, __len = function() return 2 ^ 40 end })
strange length: return setmetatable({}, { __len = function() return -1 end })
error object: return nil, { errno = "ENOSPC", message = "in a table" }
nil and odd: return nil, odd(), odd()
not supported: nbdkit.error("ENOTSUP", "not here")
any errno: nbdkit.error(odd(), "odd")
kept and written: if type(buf) == "userdata" then kept = buf for _ = 1, 10 do pcall(buf[METHODS[1 + random(#METHODS)]], buf, odd(), odd(), odd()) end end
redefined: local f = extents extents = function() error("redefined") end extents = f
--- callbacks
open nothing: function open(readonly) end
open table: function open(readonly) return setmetatable({}, { __gc = function() fail("the handle's finalizer") end }) end
open odd: function open(readonly) return odd() end
open refuses: function open(readonly) if nbdkit.export_name() == "refused" then error("not you") end return {} end
close: function close(h) nbdkit.debug("closed") end
close fails: function close(h) error("in close") end
close collects: function close(h) keeps = {} collectgarbage() end
flush: function flush(h) end
flush collects: function flush(h) collectgarbage() end
cache: function cache(h, count, offset) end
can_cache: function can_cache(h) return "emulate" end
fua native: function can_fua(h) return "native" end function flush(h) end
fua emulate: function can_fua(h) return "emulate" end function flush(h) end
fast zero: function can_fast_zero(h) return true end
no zero: function can_zero(h) return false end
no extents: function can_extents(h) return false end
block size: function block_size(h) return 1, 4096, 2 ^ 25 end
description: function export_description(h) return "a disk of odd things" end
exports: function list_exports(readonly, is_tls) return { "", { "other", "another" } } end
odd exports: function list_exports(readonly, is_tls) return odd() end
preconnect: function preconnect(readonly) nbdkit.peer_name() end
