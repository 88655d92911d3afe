--- disk
function open(readonly) return {} end
function get_size(h) return 65536 end
function pread(h, count, offset) return string.rep("x", count) end
local function write(name, text)
    local file = assert(io.open(name, "w"))
    file:write(tostring(text))
    file:close()
end
--- paths
function config(key, value) end
function get_ready()
    write("answers", table.concat({
        nbdkit.absolute_path("no/such"), nbdkit.absolute_path("/as/it/is"),
        nbdkit.realpath("link"), nbdkit.realpath("below/../file"), nbdkit.realpath("."),
    }, "\n"))
end
--- password
function config(key, value) write("answer", "<" .. nbdkit.read_password(value) .. ">") end
--- stdio_safe
write("loading", nbdkit.stdio_safe())
function config(key, value) write("config", nbdkit.stdio_safe()) end
--- asking
local failed = 0
local function ask() if not pcall(@question@) then failed = failed + 1 end end
ask()
function config_complete() ask() end
function get_ready() ask() end
function after_fork() ask() end
function pread(h, count, offset) return failed .. string.rep("x", count) end
function cleanup() ask() end
