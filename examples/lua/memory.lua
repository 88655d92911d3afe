#!/usr/bin/env -S nbdkit -f lua
-- A disk in memory.
--
-- Run it from the top of the repository:
--
--   cargo build --release
--   nbdkit -f ./target/release/libnbdkit_lua.so script=examples/lua/memory.lua size=16M
--
-- and look at it from another terminal:
--
--   nbdinfo nbd://localhost
--   nbdcopy some-file nbd://localhost
--
-- Lua's strings are immutable, so the disk is a table of pages. A page that was never written does
-- not exist, and reads as zeroes.

local PAGE = 4096
local ZEROES = string.rep("\0", PAGE)

---@type table<integer, string>
local pages = {}
local disk_size

local UNITS = { [""] = 1, K = 2 ^ 10, M = 2 ^ 20, G = 2 ^ 30 }

function config(key, value)
  if key ~= "size" then
    error("unknown parameter " .. key .. "=")
  end
  local number, unit = value:match("^(%d+)([KMG]?)$")
  if not number then
    error("size=" .. value .. " is not a size such as 4096, 512K, 16M or 1G")
  end
  disk_size = number * UNITS[unit]
end

function config_complete()
  if not disk_size then
    error("the size= parameter is missing")
  end
end

-- All clients see one disk, so there is nothing to remember about each.
function open(readonly)
  return true
end

function get_size(h)
  return disk_size
end

-- Calls f(page number, first byte in it, last byte in it) for all pages of a range. Bytes count
-- from 1, as in Lua.
local function each_page(count, offset, f)
  while count > 0 do
    local first = offset % PAGE
    local length = math.min(PAGE - first, count)
    f((offset - first) / PAGE, first + 1, first + length)
    offset = offset + length
    count = count - length
  end
end

function pread(h, count, offset)
  local parts = {}
  each_page(count, offset, function(page, first, last)
    parts[#parts + 1] = (pages[page] or ZEROES):sub(first, last)
  end)
  return table.concat(parts)
end

function pwrite(h, buf, offset)
  local done = 0
  each_page(#buf, offset, function(page, first, last)
    local length = last - first + 1
    local part = buf:sub(done + 1, done + length)
    if length < PAGE then
      local old = pages[page] or ZEROES
      part = old:sub(1, first - 1) .. part .. old:sub(last + 1)
    end
    pages[page] = part
    done = done + length
  end)
end

function zero(h, count, offset, may_trim)
  each_page(count, offset, function(page, first, last)
    local old = pages[page]
    if last - first + 1 == PAGE then
      pages[page] = nil
    elseif old then
      pages[page] = old:sub(1, first - 1) .. ZEROES:sub(first, last) .. old:sub(last + 1)
    end
  end)
end

function trim(h, count, offset)
  zero(h, count, offset, true)
end

-- Data in memory is as durable as it gets.
function flush(h)
end
