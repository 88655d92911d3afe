--- disk
function open(readonly) return 1 end
function get_size(h) return 512 end
function pread(h, count, offset) return string.rep(text or "x", count) end
--- text of a parameter
function config(key, value) text = value end
--- text of a parameter and its key
function config(key, value) text = key .. value end
--- failing
function open(readonly) return 1 end
function get_size(h) return 512 end
function pread(h, count, offset)
    local text = "x"
    error("here it fails")
end
--- dump_plugin
function dump_plugin()
    print("from_print=1")
    io.write("from_write=2\n")
    io.stdout:write("from_", "stdout=3\n")
end
--- opened file
function config(key, value)
    file = assert(io.open(value, "rb"))
end
function open(readonly) return file end
function get_size(h) return h:seek("end") end
function pread(h, count, offset)
    h:seek("set", offset)
    return h:read(count)
end
--- note of the close
function open(readonly) return 1 end
function close(h) assert(io.open("@notes@", "w")):write("closed") end
