--- filled before
pcall(function() while true do kept[#kept + 1] = { #kept } end end)
for i = 1, 20 do n = n + 1 @way@ end
error("it is filled")
--- filled before, and caught
pcall(function() while true do kept[#kept + 1] = { #kept } end end)
for i = 1, 2000 do n = n + 1 pcall(function() @way@ end) end
error("it is filled")
--- a text that grows
local s = ("9"):rep(1000)
while true do
    s = s .. s
    pcall(function() @way@ end)
end
--- a long text that describes an error, of a table
local s = ("9"):rep(2 ^ 24)
local thrown = setmetatable({}, { @metamethod@ })
pcall(function() while true do kept[#kept + 1] = ("x"):rep(1e6) .. #kept end end)
kept[#kept] = nil
error(thrown)
--- a long text that describes an error, of a userdata
local s = ("9"):rep(2 ^ 24)
for name, method in pairs({ @metamethod@ }) do getmetatable(io.stdout)[name] = method end
pcall(function() while true do kept[#kept + 1] = ("x"):rep(1e6) .. #kept end end)
kept[#kept] = nil
error(io.stdout)
--- lists
local kept = {}

local function fill()
    while true do kept[#kept + 1] = { #kept } end
end

function open(readonly) return 1 end
function get_size(h) return 1048576 end
function pread(h, count, offset) return "xxxx" end
function can_extents(h) return true end

function extents(h, count, offset, flags)
    pcall(fill)
    local list = {}
    for i = 0, 1e6 do list[i + 1] = { i * 512, 512, 0 } end
    return list
end

function list_exports(readonly, is_tls)
    pcall(fill)
    local list = {}
    for i = 1, 9999 do list[i] = ("x"):rep(4000) .. i end
    return list
end
