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
local M = {}
function M.config(key, value) log = assert(io.open(value, "w")) end
function M.open(...) note("open", ...) return {} end
function M.get_size(...) note("get_size", ...) return 65536 end
function M.can_fua(...) return "native" end
function M.can_fast_zero(...) return true end
function M.pwrite(...) note("pwrite", ...) end
function M.flush(...) note("flush", ...) end
function M.trim(...) note("trim", ...) end
function M.zero(...) note("zero", ...) end
function M.cache(...) note("cache", ...) end
function M.extents(...)
    note("extents", ...)
    return { { 0, 65536, 0 } }
end
function M.pread(...)
    note("pread", ...)
    if select("#", ...) == 3 then return string.rep("x", (select(2, ...))) end
end
return M
