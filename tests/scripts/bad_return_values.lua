--- disk
local function bad(h, count, offset)
    @body@
end
function open(readonly) return 1 end
function get_size(h) return 65536 end
function pread(h, count, offset)
    if offset == 0 then return bad(h, count, offset) end
    return string.rep("x", count)
end
--- once
asked = (asked or 0) + 1 if asked == 1 then @body@ end return @answer@
--- long error
error(string.rep("long ", 200000), 0)
--- no bytes
nothing: return
table: return {}
boolean: return true
function: return print
coroutine: return coroutine.create(function() end)
file: return io.stdout
--- errors
: error("text") => HERE: text
: error("text", 0) => text
: error("") => HERE:
: error(42) => 42
: error(-0.5) => -0.5
: error('50% of 100%s %n') => HERE: 50% of 100%s %n
: error(nil) => error value is nil
: error() => error value is nil
: error(true) => error value is a boolean
: error(print) => error value is a function
: error({}) => error value is a table
: error({ code = 5 }) => error value is a table: {code = 5}
: error({ "first" }) => first
: error(setmetatable({}, { __tostring = function() return 'own text' end })) => own text
: error(setmetatable({}, { __tostring = function() error('deep') end })) => __tostring
: error(setmetatable({}, { __tostring = function() return 5 end })) => 5
: error(setmetatable({}, { __index = function() error('deep') end })) => table
: error(setmetatable({}, { __pairs = function() error('deep') end })) => table
: error(setmetatable({}, { __metatable = false })) => table
: error(io.stdout) => file (0x
: error(coroutine.create(function() end)) => error value is a thread
: error('a\0b', 0) => a\0b
: error('two\n  lines\n', 0) => two lines
: error('\27[31mred\r', 0) => \x1b[31mred
: error('caf\195\169 \255\254', 0) => café \xff\xfe
: local x = nil; x.y = 1 => HERE: attempt to index
: undefined_function() => HERE: attempt to call
: assert(false) => assertion failed!
: assert(io.open('/nonexistent/file')) => /nonexistent/file: No such file or directory
: local function f() return 1 + f() end f() => stack overflow
: local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end
    return t.x => overflow
: coroutine.yield(1) => attempt to yield
: return coroutine.wrap(function() error('inside', 0) end)() => inside
: load = load or loadstring error(load('= 1')) => 
: string.rep('x', -1):bad() => attempt to call
--- sizes
: nil => nil
: "hello" => "hello"
: {} => table
: true => boolean
: -1 => -1
: -512.0 => -512
: 0.5 => 0.5
: 1e300 => 
: 2 ^ 63 => 
: -2 ^ 63 - 2048 => 
: 0/0 => NaN
: 1/0 => inf
: -1/0 => -inf
: "0x" => "0x"
: "" => ""
--- answers
nil: return => return value is not a boolean: returned nil
number: return 1 => return value is not a boolean: returned number
string: return "true" => return value is not a boolean: returned string
table: return {} => return value is not a boolean: returned table
error: error("cannot say") => cannot say
