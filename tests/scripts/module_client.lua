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
    -- At the end nbdkit has closed the socket already, and cannot tell whose it was.
    local peer = name == "close" and "gone" or nbdkit.peer_name()
    log:write(name, " ", peer, " ", nbdkit.export_name(), "\n")
    log:flush()
end
function config(key, value) log = assert(io.open(value, "w")) end
function open() note("open") return {} end
function get_size(h) note("get_size") return 65536 end
function pread(h, count, offset) note("pread") return string.rep("x", count) end
function pwrite(h, buf, offset) note("pwrite") end
function close(h) note("close") end
