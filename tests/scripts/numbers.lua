--- echo
function open(readonly) return 1 end
function get_size(h) return @size@ end
function can_write(h) return true end
local function number(value) return string.format("@form@", value) end
function pwrite(h, buf, offset) written = buf .. "@" .. number(offset) end
function trim(h, count, offset) written = "trim@" .. number(offset) end
function zero(h, count, offset) written = "zero@" .. number(offset) end
function pread(h, count, offset)
    local text = number(count) .. "@" .. number(offset)
    if written then
        text, written = written, nil
    end
    return text .. string.rep(" ", count)
end
