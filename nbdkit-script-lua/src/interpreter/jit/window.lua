-- The methods of buffers that read and write one number, for LuaJIT, which cannot
-- compile a loop that calls a C function.
--
-- Each has a C function of the same name, `slow`. Only the plain case is handled here:
-- a buffer, numbers, and bytes in the window. Everything else goes to `slow` by a tail
-- call, so that errors name the script's line. Each method is compiled from its own
-- text, because LuaJIT's compiler cannot tell closures of the same function apart.

local methods, buffers, open = ...

local found, ffi = pcall(require, "ffi")
if not found then return end

-- The same type as `Window` in window.rs.
local window = ffi.typeof("const struct { uint8_t *bytes; int32_t readable, writable; } *")

local CLOSED = -1

local upvalues = {
    bswap = bit.bswap, tobit = bit.tobit, rshift = bit.rshift, arshift = bit.arshift,
    cast = ffi.cast, getmetatable = debug.getmetatable, select = select, tonumber = tonumber,
    type = type, window = window, buffers = buffers, open = open, int64 = ffi.typeof("int64_t"),
}

local HEAD = [[
local slow, pointer, upvalues = ...
local bswap, tobit, rshift, arshift = upvalues.bswap, upvalues.tobit, upvalues.rshift, upvalues.arshift
local cast, getmetatable, select = upvalues.cast, upvalues.getmetatable, upvalues.select
local tonumber, type = upvalues.tonumber, upvalues.type
local window, buffers, open, int64 = upvalues.window, upvalues.buffers, upvalues.open, upvalues.int64
]]

local READ = HEAD .. [[
return function(...)
    local self, offset = ...
    if select("#", ...) == 2 and getmetatable(self) == buffers and type(offset) == "number" then
        local seen = cast(window, self)
        if seen.readable == CLOSED then open(self) end
        if offset >= 0 and offset + SIZE <= seen.readable and offset % 1 == 0 then
            local value = cast(pointer, seen.bytes + offset)[0]
            FROM
        end
    end
    return slow(...)
end]]

local WRITE = HEAD .. [[
return function(...)
    local self, offset, value = ...
    if select("#", ...) == 3 and getmetatable(self) == buffers
        and type(offset) == "number" and type(value) == "number"
    then
        local seen = cast(window, self)
        if seen.writable == CLOSED then open(self) end
        if offset >= 0 and offset + SIZE <= seen.writable and offset % 1 == 0 then
            TO
        end
    end
    return slow(...)
end]]

-- How numbers are converted from and to bytes, by size. What would not be exact is
-- left to `slow`.
local PLAIN = "return value"
local STORE = "cast(pointer, seen.bytes + offset)[0] = "
local WHOLE = [[
            local bits = tobit(value)
            if bits == value or bits + 0x100000000 == value then
                ]] .. STORE .. [[SWAPPED
                return
            end]]
local EXACT = [[
            value = SWAPPED
            if value >= -0x20000000000000LL and value <= 0x20000000000000LL then
                return tonumber(value)
            end]]
local LONG = [[
            local bits = cast(int64, value)
            if tonumber(bits) == value then
                ]] .. STORE .. [[SWAPPED
                return
            end]]

local FLOATS = { f32 = "float", f64 = "double" }

local function method(kind, size, suffix, template, body)
    local name = (template == READ and "read" or "write") .. kind .. suffix
    local fields = { SIZE = size, CLOSED = CLOSED, FROM = body, TO = body }
    local text = template:gsub("%u+", fields)
    -- Writes use signed types: `tobit` returns signed numbers, which all machines convert alike.
    local unsigned = template == READ and kind:sub(1, 1) == "u"
    local integer = (unsigned and "uint" or "int") .. kind:sub(2) .. "_t"
    local pointer = ffi.typeof((FLOATS[kind] or integer) .. " *")
    methods[name] = assert(loadstring(text, "=nbdkit"))(methods[name], pointer, upvalues)
end

local function both(kind, size, suffix, from, to)
    method(kind, size, suffix, READ, from)
    method(kind, size, suffix, WRITE, to)
end

local function swapped(body, how)
    return (body:gsub("SWAPPED", how))
end

-- The suffixes of the methods for this machine's byte order, and for the other one.
local natural, other = "", "be"
if ffi.abi("be") then natural, other = other, natural end

for _, sign in ipairs { "i", "u" } do
    for _, size in ipairs { 1, 2, 4 } do
        both(sign .. size * 8, size, size > 1 and natural or "", PLAIN, swapped(WHOLE, "bits"))
    end
    local shift = sign == "i" and "arshift" or "rshift"
    both(sign .. "16", 2, other, "return " .. shift .. "(bswap(value), 16)",
        swapped(WHOLE, "rshift(bswap(bits), 16)"))
end
both("i32", 4, other, "return bswap(value)", swapped(WHOLE, "bswap(bits)"))
both("u32", 4, other, "return bswap(value) % 0x100000000", swapped(WHOLE, "bswap(bits)"))
both("i64", 8, natural, swapped(EXACT, "value"), swapped(LONG, "bits"))
both("i64", 8, other, swapped(EXACT, "bswap(value)"), swapped(LONG, "bswap(bits)"))
-- Floats are not read here. LuaJIT keeps the types of its values in the bits of NaNs, so a client
-- could turn bytes into any value it likes; lua_pushnumber only makes one kind of NaN.
method("f32", 4, natural, WRITE, STORE .. "value return")
method("f64", 8, natural, WRITE, STORE .. "value return")
