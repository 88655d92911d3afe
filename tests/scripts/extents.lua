--- disk
disk = string.rep("d", 16384) .. string.rep("\0", 49152)
function open(readonly) return {} end
function get_size(h) return #disk end
function pread(h, count, offset) return disk:sub(offset + 1, offset + count) end
function extents(h, count, offset, flags)
    if offset ~= 4096 then return { { 0, #disk, 0 } } end
    @body@
end
--- a million
function open(readonly) return {} end
function get_size(h) return 2 ^ 30 end
function pread(h, count, offset) return string.rep("x", count) end
function extents(h, count, offset, flags)
    local list = {}
    for i = 1, 2 ^ 20 do list[i] = { offset + (i - 1) * 512, 512, i % 2 } end
    return list
end
--- as many as are asked for
if flags == nbdkit.FLAG_REQ_ONE then return { { offset, 512, 3 } } end
return { { offset, 512, 3 }, { offset + 512, count - 512, 0 } }
--- mapped
local MIB = 2 ^ 20
local reads = {}
local kinds = { [0] = "", "hole,zero", "", "zero" }
function open(readonly) return {} end
function get_size(h) return 4 * MIB end
function pread(h, count, offset)
    local kind = kinds[math.floor(offset / MIB)]
    if kind ~= "" then error("this need not be read") end
    return string.rep("d", count)
end
function extents(h, count, offset, flags)
    local list = {}
    for i = math.floor(offset / MIB), 3 do
        list[#list + 1] = { i * MIB, MIB, kinds[i] }
    end
    return list
end
--- one that is longer than any request
function open(readonly) return {} end
function get_size(h) return 2 ^ 33 end
function pread(h, count, offset) return string.rep("\0", count) end
function extents(h, count, offset, flags) return { { 0, 2 ^ 33, 3 } } end
