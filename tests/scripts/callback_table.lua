--- required
function open(readonly) return {} end
function get_size(h) return 65536 end
function pread(h, count, offset) return string.rep("x", count) end
--- life
function note(...)
    local words = { ... }
    for i = 1, select("#", ...) do words[i] = tostring(words[i]) end
    log:write(table.concat(words, " "), "\n")
    log:flush()
end
function config(key, value)
    if key == "log" then log = assert(io.open(value, "w")) end
    note("config", key)
end
for _, name in ipairs({
    "config_complete", "get_ready", "after_fork", "cleanup", "preconnect", "open", "close",
}) do
    _G[name] = function(...) note(name, select("#", ...), ...) return name end
end
function thread_model(...) note("thread_model", ...) return "serialize_connections" end
function get_size(h) note("get_size", h) return 65536 end
function pread(h, count, offset) note("pread", h) return string.rep("x", count) end
--- life, version 2
function pread(h, buf, offset, flags) note("pread", h) end
--- once
asked = (asked or 0) + 1 if asked == 1 then @body@ end return @answer@
--- preconnect that logs
function preconnect() io.open(log, "w"):close() error("no") end
function config(key, value) log = value end
--- config
text = ""
function config(key, value) text = text .. key .. "=" .. value .. ";" end
function pread(h, count, offset) return text .. string.rep(" ", count) end
--- another magic key each time
local calls = 0
function magic_config_key(...)
    calls = calls + 1
    return "key" .. calls .. "of" .. select("#", ...)
end
--- data
function pwrite(h, buf, offset) end
function extents(h, count, offset) return { { 0, 65536, 0 } } end
