--- disk
-- The name of the client's export defines the callbacks and their return values, and the offset of
-- a request defines which callbacks fail and how: see sweep/__init__.py.
API_VERSION = @version@

local BITS = { pread = 1, pwrite = 2, flush = 4, trim = 8, zero = 16, extents = 32, cache = 64 }
local ODD = { 0, -1, -95, 2147483647, 2147483648, 4294967391, 9007199254740992 }
local QUESTIONS = {
    "can_write", "can_flush", "can_trim", "can_zero", "can_fast_zero", "can_extents", "can_fua",
    "can_multi_conn", "can_cache",
}
local ANSWERS = { ["true"] = true, ["false"] = false, ["0"] = 0, ["1"] = 1, ["2"] = 2, ["7"] = 7 }

local size, place, notes, reads
local requests = {}

local function mask(name)
    return math.floor(place / 131072) % 128 % (2 * BITS[name]) >= BITS[name]
end

local function answer(name, count, offset, good)
    place = offset or place
    if #notes < 400 then
        notes[#notes + 1] = string.format("%s %.0f %.0f", name, place, count)
    end
    local code = math.floor(place / 512) % 256
    if code == 0 or not mask(name) then return good or true end
    local way = code % 3
    if code > 133 then code = ODD[code - 133] end
    if way == 0 then nbdkit.error(code, "asked to") end
    if way == 1 then return nil, "asked to", code end
    nbdkit.set_error(code)
    error("asked to")
end

function open(readonly)
    size, place, notes, reads = 2 ^ 40 + 512, 0, {}, nil
    for name in pairs(requests) do _G[name] = nil end
    for _, name in ipairs(QUESTIONS) do _G[name] = nil end
    for name, value in nbdkit.export_name():gmatch("([%l_]+)=?(%w*)") do
        if name == "size" then
            size = tonumber(value)
        elseif name == "reads" then
            reads = value
        elseif value == "" then
            _G[name] = requests[name]
        elseif value == "fails" then
            _G[name] = function() error("asked to") end
        else
            _G[name] = function() return ANSWERS[value] end
        end
    end
    return true
end

function get_size(h) return size end

local function content(count, offset)
    if count ~= 16384 then
        return string.rep(string.char(65 + math.floor(offset / 512) % 26), count)
    end
    local noted = table.concat(notes, "\n")
    notes = {}
    return noted .. string.rep("\0", count - #noted)
end

if API_VERSION == 1 then
    function pread(h, count, offset)
        return answer("pread", count, offset, content(count, offset))
    end
else
    function pread(h, buf, offset, flags)
        if reads == "text" then
            place = offset
            return content(#buf, offset)
        end
        local good, message, code = answer("pread", #buf, offset)
        if not good then return nil, message, code end
        if #buf == 16384 then buf:writestring(0, content(#buf, offset))
        else buf:fill(0, 65 + math.floor(offset / 512) % 26) end
    end
end

function requests.pwrite(h, buf, offset) return answer("pwrite", #buf, offset) end
function requests.flush(h) return answer("flush", 0, nil) end
function requests.trim(h, count, offset) return answer("trim", count, offset) end
function requests.zero(h, count, offset) return answer("zero", count, offset) end
function requests.cache(h, count, offset) return answer("cache", count, offset) end

function requests.extents(h, count, offset)
    place = offset
    if not mask("pread") or count == 1 then
        return answer("extents", count, offset, { { 0, size, "hole,zero" } })
    end
    local half = math.floor(count / 2)
    local list = { { offset, half, 0 }, { offset + half, count - half, 3 } }
    return answer("extents", count, offset, list)
end
