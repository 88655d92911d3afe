-- A disk over another one: a base file that is never written, and a sparse file that takes all
-- changes.
--
--   cargo build --release
--   nbdkit -f ./target/release/libnbdkit_lua.so examples/lua/overlay.lua \
--     base=disk.img overlay=changes.img
--
-- The overlay has a block of the base once something in it has changed. A byte behind the last
-- block, in the map, says whether it has it: 1 if so.
API_VERSION = 2

local BLOCK = 64 * 1024
---@type table<string, string>
local names = {}
---@type nbdkit.file
local base
---@type nbdkit.file
local overlay
---@type nbdkit.buffer
local map
local size, map_at = 0, 0

function config(key, value)
  assert(key == "base" or key == "overlay", "unknown parameter " .. key .. "=")
  names[key] = nbdkit.absolute_path(value)
end

function config_complete()
  assert(names.base and names.overlay, "expected the parameters base= and overlay=")
  base = nbdkit.file(names.base, "r")
  size = base:size()
  local blocks = math.floor((size + BLOCK - 1) / BLOCK)
  map, map_at = nbdkit.buffer(blocks), blocks * BLOCK
  overlay = nbdkit.file(names.overlay, "create", map_at + blocks)
  -- No other server may have the same overlay.
  overlay:lock()
  overlay:pread(map, map_at)
end

-- The parts of a range, one for each block: the block, and the part's length and offset.
local function parts(count, offset)
  local done = 0
  return function()
    if done < count then
      local at = offset + done
      local length = math.min(count - done, BLOCK - at % BLOCK)
      done = done + length
      return math.floor(at / BLOCK), length, at
    end
  end
end

local function file_of(block)
  return map:readu8(block) == 1 and overlay or base
end

-- Lets change(length, offset) write to the overlay, which has all of each block afterwards.
local function write(count, offset, change)
  local new = {}
  for block, length, at in parts(count, offset) do
    if file_of(block) == base then
      new[#new + 1] = block
      if length < BLOCK then
        local first = block * BLOCK
        ---@type integer
        local there = math.min(BLOCK, size - first)
        overlay:pwrite(base:pread(there, first), first)
      end
    end
    change(length, at)
  end
  if #new > 0 then
    -- A block is durable before the map says that it is here.
    overlay:flush()
    for _, block in ipairs(new) do
      overlay:pwrite("\1", map_at + block)
      map:writeu8(block, 1)
    end
  end
end

function open(readonly) return true end
function get_size(h) return size end
function can_multi_conn(h) return true end

function pread(h, buf, offset, flags)
  for block, length, at in parts(buf:len(), offset) do
    buf:writestring(at - offset, file_of(block):pread(length, at))
  end
end

function pwrite(h, buf, offset, flags)
  write(buf:len(), offset, function(length, at)
    overlay:pwrite(buf:readstring(at - offset, length), at)
  end)
end

function zero(h, count, offset, flags)
  write(count, offset, function(length, at) overlay:zero(length, at, flags) end)
end

function trim(h, count, offset, flags)
  zero(h, count, offset, nbdkit.FLAG_MAY_TRIM)
end

function extents(h, count, offset, flags)
  local list = {}
  for block, length, at in parts(count, offset) do
    for _, extent in ipairs(file_of(block):extents(length, at)) do
      list[#list + 1] = extent
    end
  end
  return list
end

function flush(h, flags) overlay:flush() end
