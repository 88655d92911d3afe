--- asking
function open(readonly)
    local answer = {}
    for name in ("@questions@"):gmatch("%S+") do
        local ok, found = pcall(nbdkit[name])
        if ok and type(found) == "number" then found = ("%.0f"):format(found) end
        answer[#answer + 1] = ok and tostring(found) or "error"
    end
    return table.concat(answer, "\n") .. "\n\n"
end
function get_size(h) return 65536 end
function pread(h, count, offset) return h .. string.rep("x", count) end
--- whether it is TLS
function list_exports(readonly, is_tls) return { "tls is " .. tostring(is_tls) } end
function default_export(readonly, is_tls) return "tls is " .. tostring(is_tls) end
--- noting
local log
local function note(name)
    log:write(name, " ", nbdkit.peer_name(), " ", nbdkit.export_name(), "\n")
    log:flush()
end
function config(key, value) log = assert(io.open(value, "w")) end
function open() note("open") return {} end
function get_size(h) note("get_size") return 65536 end
function pread(h, count, offset) note("pread") return string.rep("x", count) end
function pwrite(h, buf, offset) note("pwrite") end
function close(h) note("close") end
--- noting all
-- Each open and close writes a line at once: the result of each function, or its message.
local file, model
local function note(where, export)
    local answers = { where, export }
    for name in ("@questions@"):gmatch("%S+") do
        local ok, found = pcall(nbdkit[name])
        if ok and type(found) == "number" then found = ("%.0f"):format(found) end
        if not ok then found = "failed: " .. found.message end
        answers[#answers + 1] = name .. "=" .. tostring(found)
    end
    local log = assert(io.open(file, "a"))
    log:write(table.concat(answers, "|"), "\n")
    log:close()
end
function config(key, value)
    if key == "log" then file = value else model = value end
end
function thread_model() return model end
function open() note("open", nbdkit.export_name()) return nbdkit.export_name() end
function close(h) note("close", h) end
function get_size(h) return 65536 end
function pread(h, count, offset) @pread@ return string.rep("x", count) end
--- fails once
if offset == 512 and not failed then
    failed = true
    error("the first time")
end
--- meets another
if offset == 512 then
    nbdkit.shared:incr("here", 1, 0)
    while nbdkit.shared:get("here") < 2 do nbdkit.nanosleep(0.001) end
end
--- asks everywhere
local function ask()
    for name in ("@questions@"):gmatch("%S+") do
        local ok, found = pcall(nbdkit[name])
        nbdkit.debug(name .. " " .. (ok and "answered" or found.message))
    end
end
ask()
function config_complete() ask() end
function get_ready() ask() end
function after_fork() ask() end
function cleanup() ask() end
function preconnect() ask() end
function list_exports() ask() return { "a" } end
function default_export() ask() return "a" end
function open() ask() return {} end
function get_size(h) ask() return 65536 end
function pread(h, count, offset) ask() return string.rep("x", count) end
function close(h) ask() end
--- ahead
-- What `cache` and the opens for it see of the client, in a thread of the filter.
API_VERSION = 2
function thread_model() return "parallel" end
function open(readonly) return nbdkit.export_name() end
function get_size(h) return 16777216 end
function can_cache(h) return "native" end
function cache(h, count, offset, flags)
    local what = { h, nbdkit.export_name(), nbdkit.peer_name(), tostring(nbdkit.is_tls()) }
    nbdkit.shared:add("seen", table.concat(what, " "))
end
function pread(h, buf, offset, flags)
    nbdkit.nanosleep(0.002)
    local seen = nbdkit.shared:get("seen")
    buf:fill(0, 0)
    if seen then buf:writestring(0, seen) end
end
