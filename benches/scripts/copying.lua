-- A disk whose reads are parts of something bigger that the script holds.
--
-- Where there is the module `nbdkit`, the script copies them from a buffer of its own to nbdkit's;
-- nbdkit's own Lua plugin has only strings, so there each read makes one.

local size = 4 * 1024 * 1024
local content = string.rep("content ", size / 8)

function open(readonly)
    return true
end

function get_size(h)
    return size
end

if nbdkit then
    API_VERSION = 2

    local bytes = nbdkit.buffer(content)

    function pread(h, buf, offset, flags)
        buf:copy(0, bytes, offset, buf:len())
    end
else
    function pread(h, count, offset)
        return content:sub(offset + 1, offset + count)
    end
end
