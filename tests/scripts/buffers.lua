--- one after the other
for i = 1, 200 do
    local buf = nbdkit.buffer(1000)
    if buf:tostring() ~= string.rep("\0", 1000) then return "not zero" end
    buf:fill(0, 0x55)
    if i % 10 == 0 then collectgarbage() end
end
return "always zero"
--- copying: own
API_VERSION = 2
from = nbdkit.buffer("abcdef")
to = nbdkit.buffer(10)
function open(readonly) return {} end
function get_size(h) return 65536 end
function pread(h, buf, offset, flags)
    to:fill(0, 0x2e)
    @code@
    buf:copy(0, to)
end
--- copying: lent
API_VERSION = 2
from = nbdkit.buffer("abcdef")
function open(readonly) return {} end
function get_size(h) return 65536 end
function pread(h, buf, offset, flags)
    to = buf
    to:fill(0, 0x2e)
    @code@
end
--- writing
API_VERSION = 2
function open(readonly) return {} end
function get_size(h) return 65536 end
function pread(h, buf, offset, flags)
    to = buf
    @code@
end
