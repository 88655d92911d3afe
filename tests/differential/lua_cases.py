"""The cases that both Lua plugins run."""

import re

from differential import Case

# A disk in one global string, as in nbdkit's own test of its Lua plugin, with all callbacks.
DISK = """
disk = string.rep("\\0", 262144)

local function replace(offset, bytes)
    disk = disk:sub(1, offset) .. bytes .. disk:sub(offset + #bytes + 1)
end

function open(readonly) return {} end
function get_size(h) return #disk end
function can_write(h) return true end
function can_flush(h) return true end
function can_trim(h) return true end
function is_rotational(h) return false end
function pread(h, count, offset) return disk:sub(offset + 1, offset + count) end
function pwrite(h, buf, offset) replace(offset, buf) end
function flush(h) end
function trim(h, count, offset) replace(offset, string.rep("\\0", count)) end
function zero(h, count, offset, may_trim)
    -- What may not be trimmed is made to differ, so that a wrong argument is seen.
    replace(offset, string.rep(may_trim and "\\0" or "N", count))
end
"""

# The official plugin offers no flush unless the script defines can_flush.
FILE_IS_FLUSHED = False

# It serves without any script, and fails each client.
NO_SCRIPT = "error: open: attempt to call a nil value"
NO_SCRIPT_NEWER = "the first parameter must be script=/path/to/script.lua"

REQUIRED = """
function open(readonly) return 1 end
function get_size(h) return 65536 end
function pread(h, count, offset)
    if offset == 0 then return bad(h, count, offset) end
    return string.rep("x", count)
end
"""

READ_BAD_THEN_GOOD = [("pread", 512, 0), ("pread", 512, 512)]
TOUCH_ALL = [
    ("pread", 512, 512),
    ("pwrite", b"data" * 128, 512),
    ("flush",),
    ("trim", 512, 512),
    ("zero", 512, 512),
    ("zero", 512, 512, 2),
    ("pwrite", b"data" * 128, 512, 1),
    ("zero", 512, 512, 16),
]


def plain(line):
    """A line of the log without the parts that differ between releases of Lua."""
    # The name of the variable: "(global 'x')", or before the type in Lua 5.1.
    line = re.sub(r"(:\d+: attempt to (call|index|perform arithmetic|compare|concatenate)).*",
                  r"\1 ...", line)  # fmt: skip
    line = re.sub(r"file \(0x[0-9a-f]+\)", "file (0x...)", line)
    line = re.sub(r"(disk\.lua:\d+: )?stack overflow.*", "stack overflow ...", line)
    return re.sub(r"( near ).*", r"\1...", line)


def case(script, *clients, parameters=(), options=()):
    clients = clients or (READ_BAD_THEN_GOOD, READ_BAD_THEN_GOOD)
    return Case(script, clients, parameters, options)


CASES = {
    "disk": case(DISK, TOUCH_ALL, TOUCH_ALL),
    "disk, read-only server": case(DISK, TOUCH_ALL, options=("-r",)),
    "hash in the first line": case("#!/bin/false\n" + DISK, TOUCH_ALL),
}

# Ways for a read to fail.
for name, body in {
    "nil": "return",
    "table": "return {}",
    "boolean": "return false",
    "short": "return string.rep('y', 100)",
    "empty": "return ''",
    "long": "return string.rep('y', 10000)",
    "number": "return 123456",
    "two values": "return string.rep('y', count), 'more'",
    "error text": "error('text')",
    "error text without place": "error('text', 0)",
    "error text of the caller": "error('text', 2)",
    "error number": "error(42, 0)",
    "error fraction": "error(0.5, 0)",
    "error nil": "error(nil)",
    "error table": "error({ code = 5 })",
    "error table with tostring": (
        "error(setmetatable({}, { __tostring = function() return 'own text' end }))"
    ),
    "error boolean": "error(true)",
    "error file": "error(io.stdout)",
    "error with NUL": r"error('a\0b', 0)",
    "error with two lines": r"error('a\nb', 0)",
    "error with percent": "error('100%s', 0)",
    "error with UTF-8": r"error('caf\195\169', 0)",
    "error with bytes": r"error('a\255b', 0)",
    "error that is long": "error(string.rep('long ', 2000), 0)",
    "error in a coroutine": (
        "local inside = coroutine.create(function() error('inside') end) "
        "error(select(2, coroutine.resume(inside)), 0)"
    ),
    "error caught": "pcall(error, 'x') return string.rep('y', count)",
    "assert": "assert(io.open('/nonexistent/file'))",
    "assert false": "assert(false)",
    "index nil": "local x x.y = 1",
    "call nil": "undefined()",
    "arithmetic": "return 1 + {}",
    "recursion": "local function f() return 1 + f() end return f()",
}.items():
    CASES[f"read: {name}"] = case(f"local function bad(h, count, offset) {body} end\n{REQUIRED}")

# Sizes, as expressions.
for name, size in {
    "integer": "65536",
    "float": "65536.0",
    "zero": "0",
    "string": "'65536'",
    "hexadecimal string": "'0x10000'",
    "nil": "nil",
    "word": "'hello'",
    "table": "{}",
    "boolean": "true",
    "negative": "-1",
    "fraction": "65536.5",
    "NaN": "0/0",
    "infinite": "1/0",
    "2^63": "2^63",
}.items():
    script = f"{REQUIRED}function get_size(h) return {size} end\n"
    CASES[f"size: {name}"] = case(script, [("pread", 512, 512)])

# can_ callbacks with wrong return values or errors, and values that count as absent.
for question in ("can_write", "can_flush", "can_trim", "is_rotational"):
    for answer in ("return", "return 1", "return 'yes'", "error('cannot say')", "return false"):
        script = f"{DISK}function {question}(h) {answer} end\n"
        CASES[f"{question}: {answer}"] = case(script, TOUCH_ALL)

# Absent callbacks, with and without a promise that they exist.
for absent in ("pwrite", "flush", "trim", "zero", "can_write", "can_flush", "can_trim",
               "is_rotational", "close"):  # fmt: skip
    CASES[f"absent: {absent}"] = case(f"{DISK}{absent} = nil\n", TOUCH_ALL)
for absent in ("pwrite", "flush", "trim"):
    script = f"{DISK}{absent} = nil can_{absent} = nil can_write = can_write\n"
    CASES[f"absent: {absent} and its question"] = case(
        script.replace("can_pwrite", "can_write", 1), TOUCH_ALL
    )
CASES["absent: all but the required"] = case(REQUIRED, [("pread", 512, 512)])

# Errors in other callbacks.
for failing in ("open", "close", "pwrite", "flush", "trim", "zero"):
    CASES[f"{failing}: error"] = case(f"{DISK}function {failing}() error('no') end\n", TOUCH_ALL)

# Scripts that change themselves.
CASES["pread redefined"] = case(
    DISK + "function flush(h) pread = function(h, count) return string.rep('n', count) end end\n",
    [("pread", 512, 0), ("flush",), ("pread", 512, 0)],
    [("pread", 512, 0)],
)
CASES["zero removed"] = case(DISK + "function flush(h) zero = nil end\n", TOUCH_ALL)

# Starts.
CONFIG = "function config(key, value) assert(key ~= 'bad', 'bad ' .. value) end\n"
for name, script, parameters in (
    ("nothing in it", "", ()),
    ("open missing", REQUIRED + "open = nil\n", ()),
    ("pread no function", REQUIRED + "pread = 1\n", ()),
    ("syntax error", "x = = 1\n", ()),
    ("syntax error at the end", "function open(\n", ()),
    ("binary", b"\x7fELF\1\2\3", ()),
    ("error", "error('stop')\n", ()),
    ("error table", "error({})\n", ()),
    ("error nil", "error()\n", ()),
    ("no config callback", REQUIRED, ("a=b",)),
    ("config", REQUIRED + CONFIG, ("a=b", "c=")),
    ("config error", REQUIRED + CONFIG, ("a=b", "bad=x")),
    ("config_complete error", REQUIRED + "function config_complete() error('no') end\n", ()),
    ("exit", "os.exit(7)\n", ()),
    ("exit 0", "os.exit(0)\n", ()),
    ("byte order mark", "\ufeff" + REQUIRED, ()),
):
    CASES[f"start: {name}"] = case(script, [("pread", 512, 512)], parameters=parameters)
