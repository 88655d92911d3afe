"""All deliberate differences from the official Lua plugin, in one table."""

import languages
from differential import FILE, RANDOM, row

REQUIRES = (
    "one of the required callbacks 'open', 'get_size' or 'pread' is not defined by this Lua "
    "script.  nbdkit requires these callbacks."
)
NOT_DEFINED = "nbdkit requires these callbacks, which are not defined by the script: "
MISSING = "all callbacks that are missing are named"
NULL = "what was thrown is told, which is (null) for all that is no string in the official plugin"
KIND = "the kind of value that was returned is told"
LENGTH = "how short the string is, is told"
SIZE = "a size that is no whole number is refused, which the official plugin casts to one silently"
ONE_LINE = "one error is one line of the log, of bounded length, in UTF-8"
LIKE_C = "a promise that the script does not keep fails as nbdkit has it for a C plugin"
ERROR = "nbdkit: lua[1]: error: "
NO_FUA = f"log {ERROR}invalid request: FUA flag not supported\n"
TOO_LARGE = (
    "returned 9223372036854776000 (more than 2^63 - 1), expected a whole number of bytes"
    if languages.lua().integers
    else "9223372036854776000 is past 2^53 - 1: this Lua engine has no integers, and its floating "
    "point numbers are not exact there"
)
INVALID_SIZE = ".get_size function returned invalid value (-9223372036854775808)"

DIFFERENCES = [
    # What is offered.
    row("absent: can_flush", "offers can_trim", "offers can_flush can_trim",
        "the official plugin looks for plugin_flush in place of flush"),
    row("absent: can_flush", "flush : EINVAL", "flush : ok", "as above"),
    row("absent: can_flush", f"log {ERROR}invalid request: NBD_CMD_FLUSH: flush operation not "
        "supported\n", "", "as above"),
    row(FILE, "offers can_zero", "offers can_flush can_zero", "as above"),
    row(["absent: flush", "absent: flush and its question"], " can_fua\n", "\n",
        "without flush nothing makes a write durable, so FUA is not offered"),
    row(["absent: flush", "absent: flush and its question"],
        " 512 1: ok\n", " 512 1: EINVAL\n", "as above"),
    row("absent: flush", "exit 0\n",
        f"exit 0\nlog {ERROR}flush: this callback is not defined\n{NO_FUA}", LIKE_C),
    row("absent: flush and its question", "flush operation not supported\n",
        f"flush operation not supported\n{NO_FUA}", "as above"),
    # Promises that are not kept.
    row("absent: flush", "flush : ok", "flush : EINVAL", LIKE_C),
    row("absent: trim", "trim 512 512: ok", "trim 512 512: EINVAL", LIKE_C),
    row("absent: trim", "exit 0\n", f"exit 0\nlog {ERROR}trim: this callback is not defined\n",
        LIKE_C),
    row("absent: pwrite", "EIO", "EPERM", LIKE_C),
    row("absent: pwrite", "pwrite not implemented", "pwrite: this callback is not defined", LIKE_C),
    # Reads.
    row("read: nil", "is not a string", "is not a string: returned nil, expected a string of bytes",
        KIND),
    row("read: table", "is not a string",
        "is not a string: returned table, expected a string of bytes", KIND),
    row("read: boolean", "is not a string",
        "is not a string: returned boolean, expected a string of bytes", KIND),
    row("read: short", "returned string length < count bytes", "returned 100 bytes, expected 512",
        LENGTH),
    row("read: empty", "returned string length < count bytes", "returned 0 bytes, expected 512",
        LENGTH),
    row("read: number", "returned string length < count bytes", "returned 6 bytes, expected 512",
        LENGTH),
    # Errors.
    row("read: error nil", "(null)", "error value is nil", NULL),
    row("read: error table", "(null)", "error value is a table: {code = 5}", NULL),
    row("read: error table with tostring", "(null)", "own text", NULL),
    row("read: error boolean", "(null)", "error value is a boolean", NULL),
    row("read: error file", "(null)", "file (0x...)", NULL),
    row("start: error table", "(null)", "error value is a table: {}", NULL),
    row("start: error nil", "(null)", "error value is nil", NULL),
    row("read: error with NUL", "pread: a\n", "pread: a\\0b\n", "what is after a NUL is not lost"),
    row("read: error with two lines", "pread: a\nlog b\n", "pread: a b\n", ONE_LINE),
    row("read: error with bytes", "pread: a\udcffb", "pread: a\\xffb", ONE_LINE),
    row("read: error that is long", f"{'long ' * 2000}\n",
        f"{('long ' * 2000)[:3900]}... (cut: 10000 bytes in all)\n", ONE_LINE),
    # Sizes.
    row("size: nil", "cannot convert returned value to an integer",
        "returned nil, expected a whole number of bytes", KIND),
    row("size: word", "cannot convert returned value to an integer",
        'returned the string "hello", expected a whole number of bytes', KIND),
    row("size: table", "cannot convert returned value to an integer",
        "returned table, expected a whole number of bytes", KIND),
    row("size: boolean", "cannot convert returned value to an integer",
        "returned boolean, expected a whole number of bytes", KIND),
    row("size: negative", "exit 0\n",
        f"exit 0\nlog {ERROR}get_size: returned -1, expected a size of 0 or more bytes\n",
        "it is told why the client is refused"),
    row("size: fraction", "size 65536\noffers is_read_only\npread 512 512: 512 times b'x'\n"
        "exit 0\n",
        f"connection refused\nexit 0\nlog {ERROR}get_size: returned 65536.5, expected a whole "
        "number of bytes\n", SIZE),
    row("size: NaN", INVALID_SIZE,
        "get_size: returned NaN, expected a whole number of bytes", SIZE),
    row("size: infinite", INVALID_SIZE,
        "get_size: returned inf, expected a whole number of bytes", SIZE),
    row("size: 2^63", INVALID_SIZE, f"get_size: {TOO_LARGE}", SIZE),
    # Starts.
    row("start: nothing in it", REQUIRES, NOT_DEFINED + "open, get_size, pread", MISSING),
    row("start: open missing", REQUIRES, NOT_DEFINED + "open", MISSING),
    row("start: pread no function", REQUIRES, NOT_DEFINED + "pread", MISSING),
    row("start: no config callback", "does not need command line configuration",
        "does not need command line configuration: the script defines no config callback to take "
        "a=", "it is told why, and which parameter it is"),
]  # fmt: skip

for question in ("can_write", "can_flush", "can_trim", "is_rotational"):
    for answer, kind in (("return", "nil"), ("return 1", "number"), ("return 'yes'", "string")):
        DIFFERENCES.append(
            row(f"{question}: {answer}", "return value is not a boolean",
                f"return value is not a boolean: returned {kind}, expected true or false", KIND)
        )  # fmt: skip
