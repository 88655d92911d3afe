--- disk
function open(readonly) return 1 end
function get_size(h) return 65536 end
function pread(h, count, offset)
    if offset == 0 then @body@ end
    return string.rep("x", count)
end
--- replaces pread
function open(readonly) return 1 end
function get_size(h) return 65536 end
function pread(h, count, offset) return string.rep("x", count) end
function pwrite(h, buf, offset)
    local byte = buf:sub(1, 1)
    pread = function(h, count, offset) return string.rep(byte, count) end
end
--- until told to go
function open(readonly) return 1 end
function get_size(h) return 65536 end
function pread(h, count, offset)
    if offset == 0 then
        io.open("@inside@", "w"):close()
        repeat
            os.execute("sleep 0.01")
            local go = io.open("@go@")
        until go
    end
    return string.rep("x", count)
end
function close(h) io.open("@closed@", "a"):write("closed\n") end
