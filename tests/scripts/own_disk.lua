--- disk
API_VERSION = @version@
local own = nbdkit.buffer(65536)
local all = nbdkit.disk("disk", 65536)
local pages = {}
function thread_model() return "@model@" end
function open(readonly) return {} end
function get_size(h) return 65536 end
function pread(h, count, offset)
    if API_VERSION == 1 then return string.rep("\0", count) end
end
function pwrite(h, buf, offset)
    @body@
end
--- mistakes, version 2
copy: own:copy(offset, buf)
a string: own:writestring(offset, buf:tostring())
fill: own:fill(offset, buf:readu8(0), #buf)
a number: own:writef32be(offset, 1)
from the disk: all:pread(own, 0)
pages: pages[1] = pages[1] or nbdkit.buffer(65536) pages[1]:copy(offset, buf)
--- mistakes, version 1
a string: own:writestring(offset, buf)
pages: pages[1] = pages[1] or nbdkit.buffer(65536) pages[1]:writestring(offset, buf)
--- right
nothing: local length = #buf
read: local byte = own:readu8(0)
the disk: all:pwrite(buf, offset)
made for it: local new = nbdkit.buffer(512) new:copy(0, buf, 0, 512)
scratch: own:copy(0, buf) all:pwrite(own, 0)
a cache: own:copy(offset, buf) nbdkit.shared:incr("writes", 1, 0)
zeroes: own:fill(0, 0) all:zero(512, offset)
