-- A disk that is computed: every 8 bytes hold their own offset, as of nbdkit-pattern-plugin.
--
-- Where there is the module `nbdkit`, the words go straight into nbdkit's buffer; nbdkit's own Lua
-- plugin has only strings, and no use for `thread_model`.
--
--   size=BYTES   of the disk
--
-- The offsets and counts of the benchmarks are multiples of 8.

local size

function config(key, value)
    if key ~= "size" then
        error("unknown parameter " .. key)
    end
    size = tonumber(value)
end

function thread_model()
    return "parallel"
end

function open(readonly)
    return true
end

function get_size(h)
    return size
end

if nbdkit then
    API_VERSION = 2

    function pread(h, buf, offset, flags)
        for at = 0, buf:len() - 8, 8 do
            buf:writei64be(at, offset + at)
        end
    end
else
    local char, concat, floor = string.char, table.concat, math.floor

    function pread(h, count, offset)
        local words = {}
        for index = 1, count / 8 do
            local word = offset + (index - 1) * 8
            words[index] = char(0, 0, 0, 0,
                floor(word / 0x1000000) % 0x100, floor(word / 0x10000) % 0x100,
                floor(word / 0x100) % 0x100, word % 0x100)
        end
        return concat(words)
    end
end
