--- disk
function open(readonly) return {} end
function get_size(h) return 65536 end
function pread(h, count, offset)
    if offset ~= 0 then return string.rep("x", 512) end
    @body@
end
--- ways
set_error by name: nbdkit.set_error("@name@") error("why")
set_error by number: nbdkit.set_error(nbdkit.errno.@name@) error("why")
error by name: nbdkit.error("@name@", "why")
error by number: nbdkit.error(nbdkit.errno.@name@, "why")
a table with a name: error({ errno = "@name@", message = "why" })
a table with a number: error({ errno = nbdkit.errno.@name@, message = "why" })
nil, message, name: return nil, "why", "@name@"
nil, message, number: return nil, "why", nbdkit.errno.@name@
set_error and nil, message: nbdkit.set_error("@name@") return nil, "why"
--- no errno
: error('why')
: error({ message = 'why' })
: error({ errno = 0, message = 'why' })
: error({ errno = -28, message = 'why' })
: error({ errno = 2 ^ 40, message = 'why' })
: error({ errno = 28.5, message = 'why' })
: error({ errno = 'ENOSPACE', message = 'why' })
: error({ errno = {}, message = 'why' })
: return nil, 'why'
: return nil, 'why', 0
: return nil, 'why', -28
: return nil, 'why', 2 ^ 40
: return nil, 'why', 'ENOSPACE'
: return nil, 'why', {}
: pcall(nbdkit.error, 'ENOSPC', 'no') error('why')
: pcall(error, { errno = 28 }) error('why')
: pcall(nbdkit.parse_size, 'x') error('why')
--- ENOSPC of several
: error({ errno = 28.0, message = 'why' })
: nbdkit.set_error('EPERM') nbdkit.error('ENOSPC', 'why')
: nbdkit.set_error('EPERM') nbdkit.set_error('ENOSPC') error('why')
: nbdkit.set_error('ENOSPC') error({ message = 'why' })
: local ok, e = pcall(nbdkit.error, 'ENOSPC', 'why') error(e)
: local ok, e = pcall(nbdkit.error, 'ENOSPC', 'why') error(e, 0)
: coroutine.wrap(function() nbdkit.error('ENOSPC', 'why') end)()
--- ENOSPC
error: nbdkit.error("ENOSPC", "why")
nil and a number: return nil, "why", nbdkit.errno.ENOSPC
nil and a name: return nil, "why", "ENOSPC"
set_error: nbdkit.set_error("ENOSPC") error("why")
--- at the start
nbdkit.error: nbdkit.error("ENOSPC", "why")
nil and a number: return nil, "why", 28
nil and a message: return nil, "why"
error: error("why")
--- the first time
asked = (asked or 0) + 1 if asked == 1 then @body@ end return 65536
--- full device
function open(readonly)
    local file = assert(io.open("/dev/full", "w"))
    file:setvbuf("no")
    return file
end
function close(h) h:close() end
function get_size(h) return 65536 end
function pread(h, count) return string.rep("x", count) end
function pwrite(h, buf, offset) return h:write(buf) end
--- set_error
function open(readonly) return {} end
function get_size(h) nbdkit.set_error("EPERM") return 65536 end
function pread(h, count, offset)
    if offset == 512 then error("why") end
    if offset == 1024 then return "short" end
    nbdkit.set_error("ENOSPC")
    return string.rep("x", count)
end
function flush(h) error({ message = "why" }) end
--- deeper
local function deeper() error("why") end
    deeper()
--- long messages
text: error(string.rep('long ', 2 ^ 20 * 20), 0)
table: error({ message = string.rep('long ', 2 ^ 20 * 20) })
nbdkit.error: nbdkit.error('ENOSPC', string.rep('long ', 2 ^ 20 * 20))
nil: return nil, string.rep('long ', 2 ^ 20 * 20), 28
