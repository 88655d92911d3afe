--- required
function open(readonly) return {} end
function get_size(h) return 1024 end
function pread(h, count, offset) return string.rep("g", count) end
--- misspelt
function open(readonly) return {} end
function get_size(h) return 1024 end
function @name@(h, count, offset) return string.rep("g", count) end
--- local
local function can_wirte() end
