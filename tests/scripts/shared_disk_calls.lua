--- how many
return #@list@
--- written and let go
nbdkit.disk("a", 1000):pwrite("kept", 0) collectgarbage() collectgarbage()
--- one byte more in each
nbdkit.disk("d", 1000 + nbdkit.shared:incr("n", 1, 0))
function thread_model() return "parallel" end
function open(readonly) return 1 end
function get_size(h) return 512 end
function pread(h, count, offset) return string.rep("x", count) end
--- wrong calls
no name: nbdkit.disk()
no size: nbdkit.disk("new")
negative size: nbdkit.disk("new", -1)
fractional size: nbdkit.disk("new", 1.5)
huge size: nbdkit.disk("new", 1e300)
word for a size: nbdkit.disk("new", "x")
two sizes: nbdkit.disk("new", 1, 2)
pread of nothing: d:pread()
pread without an offset: d:pread(1)
pread of less than nothing: d:pread(-1, 0)
pread before the beginning: d:pread(1, -1)
pread of a half: d:pread(0.5, 0)
pread of a word: d:pread("x", 0)
pread with more: d:pread(1, 0, 0)
pwrite without an offset: d:pwrite("x")
pwrite with more: d:pwrite("x", 0, 0)
zero without an offset: d:zero(1)
zero of a word: d:zero("x", 0)
extents at a half: d:extents(1, 1.5)
size with more: d:size(1)
