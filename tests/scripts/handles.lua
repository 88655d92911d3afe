--- kinds of values
nil: nil
false: false
true: true
number: 42
fraction: 0.5
string: "a\0b"
table: {}
function: function() return 7 end
coroutine: coroutine.create(function() end)
file: io.tmpfile()
--- whether it is the same
nil: h == nil
false: h == false
true: h == true
number: h == 42
fraction: h == 0.5
string: h == "a\0b" and #h == 3
table: h == made
function: h == made and h() == 7
coroutine: h == made and coroutine.status(h) == "suspended"
file: h == made and io.type(h) == "file"
--- checked
local made
local function same(h, name)
    assert(@same@, name)
    calls = (calls or "") .. name .. " "
end
function open(readonly)
    made = @value@
    return made
end
function get_size(h) same(h, "get_size") return 4096 end
function can_write(h) same(h, "can_write") return true end
function can_flush(h) same(h, "can_flush") return true end
function can_trim(h) same(h, "can_trim") return true end
function is_rotational(h) same(h, "is_rotational") return true end
function pread(h, count, offset) same(h, "pread") return calls .. string.rep(".", count) end
function pwrite(h, buf, offset) same(h, "pwrite") end
function flush(h) same(h, "flush") end
function trim(h, count, offset) same(h, "trim") end
function zero(h, count, offset, may_trim) same(h, "zero") end
function config(key, value) path = value end
function close(h)
    same(h, "close")
    assert(io.open(path, "w")):write(calls)
end
--- values that are equal
nil: nil
false: false
7: 7
"text": "text"
shared: shared
--- equal
local shared = {}
function open(readonly) return @value@ end
function get_size(h) return 512 end
function pread(h, count, offset) assert(h == @value@) return string.rep("x", count) end
function close(h) assert(h == @value@) end
