--- required
function open(readonly) return 1 end
function get_size(h) return 512 end
function pread(h, count, offset) return string.rep("x", count) end
--- missing
pread: pread = nil
two: open = nil get_size = nil
boolean: open = true
callable: local function x() end open = setmetatable({}, { __call = x })
--- unknown parameter
function config(k, v) error("unknown " .. k .. "=" .. v) end
