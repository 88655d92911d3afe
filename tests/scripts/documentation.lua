-- Turns a fragment in the documents into a whole script.
--- version 1
local bytes = nbdkit.disk("of the test", 1024 * 1024)
function open(readonly) return 1 end
function get_size(h) return bytes:size() end
function pread(h, count, offset) return bytes:pread(count, offset) end
function pwrite(h, buf, offset) bytes:pwrite(buf, offset) end
function flush(h) end
function trim(h, count, offset) end
function zero(h, count, offset, may_trim) bytes:zero(count, offset) end
function extents(h, count, offset, flags) return { { offset, count, 0 } } end
function cache(h, count, offset, flags) end
--- version 2
API_VERSION = 2
local bytes = nbdkit.disk("of the test", 1024 * 1024)
function open(readonly) return 1 end
function get_size(h) return bytes:size() end
function pread(h, buf, offset, flags) bytes:pread(buf, offset) end
function pwrite(h, buf, offset, flags) bytes:pwrite(buf, offset) end
function flush(h, flags) end
function trim(h, count, offset, flags) end
function zero(h, count, offset, flags) bytes:zero(count, offset) end
function extents(h, count, offset, flags) return { { offset, count, 0 } } end
function cache(h, count, offset, flags) end
--- trace
-- Follows a block and records every call to the callbacks that the block defines.
for name in ("@names@"):gmatch("%S+") do
  local callback = _G[name]
  _G[name] = function(...)
    -- In one piece, because other interpreters write as well.
    io.stderr:write("called: " .. name .. "\n")
    return callback(...)
  end
end
