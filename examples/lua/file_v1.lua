#!/usr/bin/env -S nbdkit -f lua
-- A disk that is a file.
--
-- Run it from the top of the repository:
--
--   cargo build --release
--   truncate -s 16M disk.img
--   nbdkit -f ./target/release/libnbdkit_lua.so script=examples/lua/file_v1.lua file=disk.img
--
-- and look at it from another terminal:
--
--   nbdinfo nbd://localhost

---@type string
local name

function config(key, value)
  if key == "file" then
    name = value
  else
    error("unknown parameter " .. key .. "=")
  end
end

-- nbdkit changes its directory to / before it serves. So a relative name has to be opened, or made
-- absolute, before that; here we make it absolute.
function config_complete()
  if not name then
    error("the file= parameter is missing")
  end
  -- nbdkit's own Lua plugin has no such function: pass it an absolute name.
  if nbdkit then
    name = nbdkit.realpath(name)
  end
  assert(io.open(name, "rb")):close()
end

-- Each client has its own file handle: open returns it, and all other callbacks get it as h.
function open(readonly)
  return assert(io.open(name, readonly and "rb" or "r+b"))
end

function close(h)
  assert(h:close())
end

function get_size(h)
  return assert(h:seek("end"))
end

function pread(h, count, offset)
  assert(h:seek("set", offset))
  local data = assert(h:read(count))
  assert(#data == count, "the file has become shorter")
  return data
end

function pwrite(h, buf, offset)
  assert(h:seek("set", offset))
  assert(h:write(buf))
end

-- Lua's library can pass writes to the system, but has no fsync: they may not survive a power cut.
function flush(h)
  assert(h:flush())
end
