-- A disk that is a file or a block device: durable, with all requests, in parallel.
--
--   cargo build --release
--   nbdkit -f ./target/release/libnbdkit_lua.so examples/lua/file.lua file=disk.img size=16M
--   nbdcopy some-file nbd://localhost        # in another terminal
--
-- With size=, a file that is missing is made, and a shorter one gets longer.
API_VERSION = 2

---@type string
local name
---@type integer?
local size

function config(key, value)
  if key == "file" then
    -- nbdkit may change its directory before it serves.
    name = nbdkit.absolute_path(value)
  elseif key == "size" then
    size = nbdkit.parse_size(value)
  else
    error("unknown parameter " .. key .. "=")
  end
end

function config_complete()
  assert(name, "the file= parameter is missing")
  local mode = size and "create" or "r"
  nbdkit.file(name, mode, size):close()
end

function thread_model() return "parallel" end
function open(readonly) return nbdkit.file(name, readonly and "r" or "rw") end
function close(h) h:close() end
function get_size(h) return h:size() end
function can_multi_conn(h) return true end
function can_fast_zero(h) return true end
function can_fua(h) return "native" end
function can_cache(h) return "native" end

function pread(h, buf, offset, flags) h:pread(buf, offset) end
function pwrite(h, buf, offset, flags) h:pwrite(buf, offset, flags) end
function zero(h, count, offset, flags) h:zero(count, offset, flags) end
function trim(h, count, offset, flags) h:trim(count, offset, flags) end
function extents(h, count, offset, flags) return h:extents(count, offset, flags) end
function cache(h, count, offset, flags) h:cache(count, offset) end
function flush(h, flags) h:flush() end
