-- NAME.lua: a disk in memory, to begin with.
--
--   nbdkit -f script-lua NAME.lua size=16M
--   nbdinfo nbd://localhost                  # in another terminal
--
-- Check it with: nbdkit --dump-plugin script-lua NAME.lua; luacheck NAME.lua; ./test.py;
-- nbdkit-script-test NAME.lua 16M
API_VERSION = 2

---@type nbdkit.disk
local disk

-- Parameters -----------------------------------------------------------------

function dump_plugin() print("NAME=a disk in memory") end
function magic_config_key() return "size" end

function config(key, value)
  if key ~= "size" then
    error("unknown parameter " .. key .. "=")
  end
  -- Each interpreter runs this; all of them get the same disk.
  disk = nbdkit.disk("disk", nbdkit.parse_size(value))
end

function config_complete() assert(disk, "the size= parameter is missing") end

-- The server -----------------------------------------------------------------

function thread_model() return "parallel" end
function get_ready() end
function after_fork() end
function cleanup() end

-- Clients --------------------------------------------------------------------

function preconnect(readonly) end
function list_exports(readonly, is_tls) return { { "", "a disk in memory" } } end
function default_export(readonly, is_tls) return "" end

-- What this returns is `h` in all other callbacks of the connection.
function open(readonly) return { readonly = readonly } end
function close(h) end

function export_description(h) return "a disk in memory" end
function get_size(h) return disk:size() end
function block_size(h) return 1, 4096, -1 end
function can_write(h) return not h.readonly end
function can_flush(h) return true end
function can_trim(h) return true end
function can_zero(h) return true end
function can_fast_zero(h) return true end
function can_extents(h) return true end
function can_fua(h) return "native" end
function can_cache(h) return "native" end
function can_multi_conn(h) return true end
function is_rotational(h) return false end

-- Requests -------------------------------------------------------------------

function pread(h, buf, offset, flags) disk:pread(buf, offset) end
function pwrite(h, buf, offset, flags) disk:pwrite(buf, offset) end
function zero(h, count, offset, flags) disk:zero(count, offset) end
function trim(h, count, offset, flags) disk:trim(count, offset) end
function extents(h, count, offset, flags) return disk:extents(count, offset) end
function cache(h, count, offset, flags) end

-- Memory is as durable as it gets. A disk elsewhere has to store here what was written.
function flush(h, flags) end
