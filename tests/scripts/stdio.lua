--- buffering: no
io.stdout:setvbuf("no")
--- buffering: line
io.stdout:setvbuf("line")
--- buffering: full
io.stdout:setvbuf("full")
--- chatter
local function chatter(where)
    print("print " .. where)
    io.write("write ", where, "\n")
    io.stdout:write("stdout ", where, "\n")
    io.stdout:flush()
    os.execute("echo execute " .. where)
end
chatter("top")
function config(key, value) chatter("config") end
function config_complete() chatter("config_complete") end
function open(readonly) chatter("open") return 1 end
function get_size(h) chatter("get_size") return 65536 end
function can_write(h) chatter("can_write") return true end
function pread(h, count, offset) chatter("pread") return string.rep("x", count) end
function pwrite(h, buf, offset) chatter("pwrite") end
function close(h) chatter("close") end
--- reads
local top = io.read("*l")
function open(readonly) return 1 end
function get_size(h) return 512 end
function pread(h, count, offset)
    local now = io.read("*l")
    return (top or "nothing") .. " " .. (now or "nothing") .. string.rep(" ", count)
end
