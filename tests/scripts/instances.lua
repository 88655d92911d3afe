--- noting
local number = nbdkit.shared:incr("interpreters", 1, 0)
local function note(...)
    local file = assert(io.open("@notes@/" .. number, "a"))
    file:write(table.concat({ ... }, " "), "\n")
    file:close()
end
note("top")
function config(key, value) note("config", key, value) end
function config_complete() note("config_complete") end
function thread_model() return "@model@" end
function get_ready() note("get_ready") end
function after_fork() note("after_fork") end
function cleanup() note("cleanup") end
function open(readonly) note("open", tostring(readonly)) return number end
function close(h) note("close", h) end
function get_size(h) return 512 end
function pread(h, count, offset) return string.rep("x", count) end
--- disk
local number = nbdkit.shared:incr("interpreters", 1, 0)
local function fail_in_three()
    if number == 3 then error("three") end
end
function thread_model() return "parallel" end
function config(key, value) end
function open(readonly) return 1 end
function get_size(h) return 512 end
function pread(h, count, offset) return string.rep(text or "x", count) end
--- reads as its configuration
function config(key, value) text = key .. "=" .. value .. ";" .. number .. ";" end
--- no pread in three
if number == 3 then pread = nil end
--- cleanup that fails in two
function cleanup() note("cleanup") if number == 2 then error("two") end end
--- magic key
function magic_config_key() note("magic") return "file" end
--- breaks its own file
function config(key, value) text = value end
if number == 1 then assert(io.open("disk.lua", "w")):write("= broken") end
--- hello
io.stderr:write("hello from ", number, "\n")
--- another file
loaded = (loaded or 0) + 1 return { text = "m" }
--- with other files
local word = require("word")
assert(require("word") == word and loaded == 1)
local data = assert(io.open("data")):read("*a")
function config(key, value) data = data .. assert(io.open(value)):read("*a") end
function thread_model() return "serialize_requests" end
function get_ready() text = word.text .. data .. assert(io.open("data")):read("*a") end
function pread(h, count, offset) return string.rep(text, count):sub(1, count) end
