--- disk
function open(readonly) return nbdkit.export_name() end
function get_size(h) return #h + 1024 end
function pread(h, count, offset) return string.rep("x", count) end
--- numbered
local t = {} for i = 1, @count@ do t[i] = { "e" .. i, "d" .. i } end return t
--- fine the second time
if ok then return { "fine" } end ok = true @body@
--- two
function list_exports()
    return { { "one", "the first" }, { name = "three", description = "the last" } }
end
function export_description(h) return "about " .. h end
