--- errno of
local ok, e = pcall(function() @code@ end)
assert(not ok)
return e.errno
--- too many
kept = {}
for i = 1, 100 do kept[i] = nbdkit.file(@path@, "r") end
--- let go of
local function open() return nbdkit.file(@path@, "r") end
for i = 1, 1000 do
    open()
    if i % 20 == 0 then collectgarbage() collectgarbage() end
end
return "all opened"
--- end with
f = nbdkit.file(@path@, "rw")
f:lock()
--- failing
API_VERSION = 2
local f
function config(key, value) f = nbdkit.file(value, "rw") end
function open(readonly) return f end
function get_size(h) return 65536 end
function pread(h, buf, offset, flags) h:pread(buf, offset) end
function pwrite(h, buf, offset, flags) h:pwrite(buf, offset, flags) end
function flush(h, flags) h:flush() end
--- version 1
local name
function config(key, value) name = nbdkit.absolute_path(value) end
function open(readonly) return nbdkit.file(name, readonly and "r" or "rw") end
function get_size(h) return h:size() end
function pread(h, count, offset) return h:pread(count, offset) end
function pwrite(h, buf, offset) h:pwrite(buf, offset) end
--- wrong calls
no arguments: nbdkit.file()
no mode: nbdkit.file(@path@)
another mode: nbdkit.file(@path@, "w")
a number as mode: nbdkit.file(@path@, 5)
a number as path: nbdkit.file(5, "r")
a table as path: nbdkit.file({}, "r")
create without a size: nbdkit.file(@path@, "create")
a size to read: nbdkit.file(@path@, "r", 5)
half a byte: nbdkit.file(@path@, "create", 0.5)
less than nothing: nbdkit.file(@path@, "create", -1)
too many arguments: nbdkit.file(@path@, "create", 5, 6)
size: f:size(1)
flush: f:flush(1)
lock: f:lock(1)
close: f:close(1, 2)
pread: f:pread(1)
pread of what is no buffer: f:pread({}, 0)
pread of half a byte: f:pread(0.5, 0)
pread before the beginning: f:pread(1, -1)
pread with more: f:pread(1, 0, 0)
pwrite: f:pwrite()
pwrite of a number: f:pwrite(5, 0)
pwrite of nothing: f:pwrite(nil, 0)
pwrite at nothing: f:pwrite("x")
pwrite with words as flags: f:pwrite("x", 0, "fua")
pwrite with half a flag: f:pwrite("x", 0, 0.5)
pwrite with a negative flag: f:pwrite("x", 0, -1)
zero: f:zero(5)
trim: f:trim("5", 0)
extents: f:extents(5, 0, {})
cache: f:cache(5, 0, 0, 0)
truncate: f:truncate(-1)
a method of a disk: f.pread(nbdkit.disk("d", 5), 1, 0)
a method of a buffer: f.size(nbdkit.buffer(100))
a method of a file of Lua's: f.size(io.stderr)
a method of nothing: f.size()
