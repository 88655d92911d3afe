-- What makes a whole script of a fragment in the documents.
--- version 1
local bytes = nbdkit.buffer(1024 * 1024)
function open(readonly) return 1 end
function get_size(h) return bytes:len() end
function pread(h, count, offset) return bytes:readstring(offset, count) end
function pwrite(h, buf, offset) bytes:writestring(offset, buf) end
function flush(h) end
function trim(h, count, offset) end
function zero(h, count, offset, may_trim) bytes:fill(offset, 0, count) end
function extents(h, count, offset, flags) return { { offset, count, 0 } } end
function cache(h, count, offset, flags) end
--- version 2
API_VERSION = 2
local bytes = nbdkit.buffer(1024 * 1024)
function open(readonly) return 1 end
function get_size(h) return bytes:len() end
function pread(h, buf, offset, flags) buf:copy(0, bytes, offset, buf:len()) end
function pwrite(h, buf, offset, flags) bytes:copy(offset, buf) end
function flush(h, flags) end
function trim(h, count, offset, flags) end
function zero(h, count, offset, flags) bytes:fill(offset, 0, count) end
function extents(h, count, offset, flags) return { { offset, count, 0 } } end
function cache(h, count, offset, flags) end
--- trace
-- Comes after a block and notes every call of what the block defines.
for name in ("@names@"):gmatch("%S+") do
  local callback = _G[name]
  _G[name] = function(...)
    -- In one piece, for other interpreters write as well.
    io.stderr:write("called: " .. name .. "\n")
    return callback(...)
  end
end
