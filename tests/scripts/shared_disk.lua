-- A disk in memory that all interpreters share: size= bytes, under the thread model of model=.

API_VERSION = 2

local size = 2 ^ 20
local model = "parallel"
local disk

function config(key, value)
    if key == "size" then
        size = tonumber(value)
    else
        assert(key == "model", key)
        model = value
    end
end

function thread_model() return model end
function get_ready() disk = nbdkit.disk("disk", size) end

function open(readonly) return {} end
function get_size(h) return disk:size() end
function can_multi_conn(h) return true end

function pread(h, buf, offset, flags) disk:pread(buf, offset) end
function pwrite(h, buf, offset, flags) disk:pwrite(buf, offset) end
function zero(h, count, offset, flags) disk:zero(count, offset) end
function trim(h, count, offset, flags) disk:trim(count, offset) end
function extents(h, count, offset, flags) return disk:extents(count, offset) end
function flush(h, flags) end
