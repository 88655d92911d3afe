-- A disk of API version 2 that fills nbdkit's buffer in one of three ways.
--
--   order=front    from the front to the back, in one piece
--   order=back     the second half first, so that the first is zeroed meanwhile
--   order=none     not at all, so that all of it is zeroed

API_VERSION = 2

local bytes = nbdkit.buffer(1048576)
local order

function config(key, value)
    order = value
end

function open(readonly)
    return true
end

function get_size(h)
    return 1048576
end

function pread(h, buf, offset, flags)
    local count = #buf
    if order == "front" then
        buf:copy(0, bytes, 0, count)
    elseif order == "back" then
        buf:copy(count / 2, bytes, 0, count / 2)
        buf:copy(0, bytes, 0, count / 2)
    end
end
