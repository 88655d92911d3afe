-- A disk in memory that all interpreters share, so that requests run in parallel.
--
--   cargo build --release
--   nbdkit -f ./target/release/libnbdkit_lua.so examples/lua/shared.lua size=1G
--   nbdcopy some-file nbd://localhost        # in another terminal
API_VERSION = 2

---@type nbdkit.disk
local disk

function config(key, value)
  assert(key == "size", "unknown parameter " .. key .. "=")
  -- This runs in each interpreter. The first call makes the disk; the others get the same one.
  disk = nbdkit.disk("disk", nbdkit.parse_size(value))
end

function config_complete() assert(disk, "the size= parameter is missing") end
function thread_model() return "parallel" end
function open(readonly) return true end
function get_size(h) return disk:size() end
function can_multi_conn(h) return true end
function can_fast_zero(h) return true end
function can_fua(h) return "native" end

function pread(h, buf, offset, flags) disk:pread(buf, offset) end
function pwrite(h, buf, offset, flags) disk:pwrite(buf, offset) end
function zero(h, count, offset, flags) disk:zero(count, offset) end
function trim(h, count, offset, flags) disk:trim(count, offset) end
function extents(h, count, offset, flags) return disk:extents(count, offset) end
function flush(h, flags) end
