--- version 1
default: -- is 1
1: API_VERSION = 1
1.0: API_VERSION = 1.0
--- version 2
2: API_VERSION = 2
2.0: API_VERSION = 2.0
--- no version
3: API_VERSION = 3
0: API_VERSION = 0
-1: API_VERSION = -1
1.5: API_VERSION = 1.5
0/0: API_VERSION = 0/0
2 ^ 53: API_VERSION = 2 ^ 53
{}: API_VERSION = {}
true: API_VERSION = true
function: API_VERSION = function() end
--- logged
local function kind(value)
    return math.type and math.type(value) or type(value)
end
local log
local function note(name, ...)
    local words = { name }
    for i = 1, select("#", ...) do
        local value = select(i, ...)
        words[#words + 1] = kind(value)
        if type(value) == "number" then
            words[#words] = words[#words] .. string.format(":%.0f", value)
        elseif type(value) == "userdata" then
            words[#words] = "buffer:" .. #value
        elseif type(value) == "table" then
            words[#words] = "handle"
        else
            words[#words] = words[#words] .. ":" .. tostring(value)
        end
    end
    log:write(table.concat(words, " "), "\n")
    log:flush()
end
function config(key, value) log = assert(io.open(value, "w")) end
function open(...) note("open", ...) return {} end
function get_size(...) note("get_size", ...) return 65536 end
function can_fua(...) return "native" end
function can_fast_zero(...) return true end
function pwrite(...) note("pwrite", ...) end
function flush(...) note("flush", ...) end
function trim(...) note("trim", ...) end
function zero(...) note("zero", ...) end
function cache(...) note("cache", ...) end
function extents(...)
    note("extents", ...)
    return { { 0, 65536, 0 } }
end
function pread(...)
    note("pread", ...)
    if select("#", ...) == 3 then return string.rep("x", (select(2, ...))) end
end
--- required
API_VERSION = 2
function open(readonly) return {} end
function get_size(h) return 65536 end
--- writes
function pread(h, buf, offset, flags)
    if offset == 0 then return buf:fill(0, 0x55) end
    @lines@
end
--- step: write
buf:writestring(@offset@, @bytes@)
--- step: fill
buf:fill(@offset@, @byte@, @count@)
--- step: copy
buf:copy(@offset@, buf, @source@, @count@)
--- step: read
assert(#buf:readstring(@offset@, @count@) == @count@)
--- a step
function(buf) @step@ end,
--- steps
local steps = { @lines@ }
function pread(h, buf, offset, flags)
    if offset == 0 then return buf:fill(0, 0x55) end
    for _, step in ipairs(steps) do step(buf) end
end
--- ways to look
tostring: buf:tostring()
all: buf:readstring(0, #buf)
second half: buf:readstring(256, 256)
--- look
function pread(h, buf, offset, flags)
    if offset == 0 then return buf:fill(0, 0x55) end
    local own = nbdkit.buffer(@look@)
    for i = 0, #own - 1 do
        if own:readu8(i) ~= 0 then error("saw a byte of another request") end
    end
    buf:writeu8(10, 1)
end
--- fail once
local fail = true
function pread(h, buf, offset, flags)
    buf:fill(0, 0x55)
    if offset == 0 and fail then fail = false error("no more") end
    buf:fill(256, 0x66)
end
--- returned
function pread(h, buf, offset, flags)
    if offset == 0 then return buf:fill(0, 0x55) end
    @body@
end
--- returned data
as many bytes: return string.rep("x", #buf)
more: return string.rep("x", 600)
fewer: return "x"
none: return ""
with a second result: return string.rep("x", #buf), 512
nothing was written: buf:writestring(0, "") return string.rep("x", #buf)
--- returned and ignored
nothing: return
nil: return nil
nil and nil: return nil, nil
a number: return 512
true: return true
false: return false
true and a string: return true, "x"
a table: return { "x" }
the buffer: return buf
a function: return print
--- returned as well
written: buf:writeu8(0, 0x79) return string.rep("x", #buf)
copied: buf:copy(0, nbdkit.buffer("y")) return "x"
filled: buf:fill(0, 0x79, 1) return ""
of a disk: local d = nbdkit.disk("d", 512) d:pwrite("y", 0) d:pread(buf, 0) return "x"
--- read-only
local writes = {
    function(buf) buf:writeu8(0, 1) end,
    function(buf) buf:writestring(0, "x") end,
    function(buf) buf:writef64be(0, 1) end,
    function(buf) buf:fill(0, 0) end,
    function(buf) buf:fill(0, 0, 0) end,
    function(buf) buf:copy(0, buf, 1) end,
    function(buf) buf:copy(0, nbdkit.buffer("x")) end,
}
local stored = nbdkit.buffer(512)
function pwrite(h, buf, offset, flags)
    for i, write in ipairs(writes) do
        local ok, message = pcall(write, buf)
        if ok then error("could write by " .. i) end
        if not tostring(message):find("read%-only") then error(message) end
    end
    stored:copy(0, buf)
end
function pread(h, buf, offset, flags) buf:copy(0, stored) end
