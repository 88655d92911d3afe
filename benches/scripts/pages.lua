-- A disk in memory, of pages of 4 KiB in a table, as one writes it for nbdkit's own Lua plugin.
--
--   size=BYTES   a multiple of 4096
--
-- It takes requests of whole pages only.

local page = 4096
local empty = string.rep("\0", page)
local pages = {}
local size

function config(key, value)
    if key ~= "size" then
        error("unknown parameter " .. key)
    end
    size = tonumber(value)
end

function open(readonly)
    return {}
end

function get_size(h)
    return size
end

function pread(h, count, offset)
    assert(count % page == 0 and offset % page == 0, "not whole pages")
    local first = offset / page
    if count == page then
        return pages[first] or empty
    end
    local parts = {}
    for index = 1, count / page do
        parts[index] = pages[first + index - 1] or empty
    end
    return table.concat(parts)
end

function pwrite(h, buf, offset)
    assert(#buf % page == 0 and offset % page == 0, "not whole pages")
    local first = offset / page
    for index = 1, #buf / page do
        pages[first + index - 1] = buf:sub((index - 1) * page + 1, index * page)
    end
end
