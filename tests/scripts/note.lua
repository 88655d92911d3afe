-- Records every call of each callback of the official plugin, with the types and values of its
-- arguments, in the file that note= names. The disk is a string; size= makes it larger than the
-- default. Written in the common subset of all Lua versions.

local disk = string.rep("\0", 65536)
local notes
local connections = 0

local function show(value)
    local kind = type(value)
    if kind == "number" then
        -- math.type, if it exists, distinguishes integers from floats.
        kind = math.type and math.type(value) or kind
        return kind .. ":" .. string.format("%.0f", value)
    elseif kind == "string" then
        return kind .. ":" .. #value .. ":" .. value:sub(1, 8):gsub("[^%w]", ".")
    elseif kind == "table" then
        return "handle:" .. value.name
    end
    return kind .. ":" .. tostring(value)
end

local function note(name, ...)
    local words = { name }
    for i = 1, select("#", ...) do
        words[#words + 1] = show((select(i, ...)))
    end
    if notes then
        notes:write(table.concat(words, " "), "\n")
        notes:flush()
    end
end

local function replace(offset, bytes)
    disk = disk:sub(1, offset) .. bytes .. disk:sub(offset + #bytes + 1)
end

function dump_plugin(...)
    print("noted=" .. select("#", ...))
end

function config(...)
    local key, value = ...
    if key == "note" then
        notes = assert(io.open(value, "w"))
    end
    note("config", ...)
end

function config_complete(...)
    note("config_complete", ...)
end

function open(...)
    note("open", ...)
    connections = connections + 1
    return { name = "handle" .. connections }
end

function close(...) note("close", ...) end

function get_size(...)
    note("get_size", ...)
    return #disk
end

function can_write(...) note("can_write", ...) return true end
function can_flush(...) note("can_flush", ...) return true end
function can_trim(...) note("can_trim", ...) return true end
function is_rotational(...) note("is_rotational", ...) return true end

function pread(...)
    note("pread", ...)
    local h, count, offset = ...
    return disk:sub(offset + 1, offset + count)
end

function pwrite(...)
    note("pwrite", ...)
    local h, buf, offset = ...
    replace(offset, buf)
end

function flush(...) note("flush", ...) end

function trim(...)
    note("trim", ...)
    local h, count, offset = ...
    replace(offset, string.rep("\0", count))
end

function zero(...)
    note("zero", ...)
    local h, count, offset = ...
    replace(offset, string.rep("\0", count))
end
