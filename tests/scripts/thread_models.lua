--- last write
local last = "none"
function open(readonly) return 1 end
function get_size(h) return 512 end
function pread(h, count, offset) return last .. string.rep(".", count - #last) end
function pwrite(h, buf, offset) last = buf end
--- until listed
function together(meeting, wanted) return shared:get("listed") end
function list_exports(readonly, is_tls)
    shared:set("listed", true)
    return { { name = "only" } }
end
