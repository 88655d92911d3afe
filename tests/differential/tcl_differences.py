"""All deliberate differences from the official Tcl plugin, in one table."""

from differential import RANDOM, row
from differential.tcl_cases import CASES, QUESTIONS, READ_GOOD
from languages import under_test

# Reads that fail in the first line of the script.
RAISED = (
    "error text", "error text with info", "error text with a code", "error with a code of POSIX",
    "error of POSIX with no name", "error of POSIX with an unknown name",
    "error with a code that is no list", "throw", "break", "error empty", "error with NUL",
    "error with two lines", "error with percent", "error with UTF-8", "error with a character",
    "error with a character past U+00FF", "error with bytes", "error that is long",
    "error in eval", "error in apply", "error in a coroutine", "error in a child interpreter",
    "error caught and passed on", "error caught and wrapped", "open", "variable", "command",
    "too many arguments", "arithmetic", "division by zero", "recursion", "encoding of the system",
    "global variables", "name of the script", "level",
)  # fmt: skip

ERROR = "nbdkit: tcl[1]: error: "
REQUIRED = (
    "one of the required callbacks 'plugin_open', 'get_size' or 'pread' is not defined by this Tcl "
    "script.  nbdkit requires these callbacks."
)
NOT_DEFINED = "nbdkit requires these callbacks, which are not defined by the script: "
NO_FUA = f"log {ERROR}invalid request: FUA flag not supported\n"

PLACE = "where an error was raised is told"
CODE = "an error code of POSIX reaches the client, where the official plugin says EIO"
LENGTH = "how many bytes were returned is told"
BYTES = (
    "a character that is no byte is refused, which the official plugin silently takes the lower "
    "byte of"
)
BOOLEAN = "an answer that is no boolean is refused, which the official plugin takes for false"
INTEGER = "it is told what was returned, and not which of Tcl's functions did not take it"
SIZE = "a size that is more than 2^63 - 1 is refused, and not taken for a negative one"
NEGATIVE = "it is told why the client is refused"
MISSING = "all callbacks that are missing are named"
ONE_LINE = "one error is one line of the log, of bounded length, in UTF-8"
LIKE_C = "a promise that the script does not keep fails as nbdkit has it for a C plugin"
TEXT = "Tcl reads a script byte by byte; its bytes are shown as the UTF-8 that its author wrote"


def place(cases, line, callback="pread"):
    """Every error message gets the file and the line in front."""
    before = f"error: {callback}: "
    return row(cases, before, f"{before}disk.tcl:{line}: ", PLACE)


def last_line(name):
    """The number of the last line of a case's script."""
    return str(CASES[name].script).count("\n")


DIFFERENCES = [
    # What is offered.
    row(["absent: plugin_flush", "absent: plugin_flush and its question"], " can_fua\n", "\n",
        "without plugin_flush nothing makes a write durable, so FUA is not offered"),
    row(["absent: plugin_flush", "absent: plugin_flush and its question"],
        " 512 1: ok\n", " 512 1: EINVAL\n", "as above"),
    row("absent: plugin_flush", "exit 0\n",
        f"exit 0\nlog {ERROR}plugin_flush: this callback is not defined\n{NO_FUA}", LIKE_C),
    row("absent: plugin_flush and its question", "flush operation not supported\n",
        f"flush operation not supported\n{NO_FUA}", "as above"),
    # Promises that are not kept.
    row("absent: plugin_flush", "flush : ok", "flush : EINVAL", LIKE_C),
    row("absent: trim", "trim 512 512: ok", "trim 512 512: EINVAL", LIKE_C),
    row("absent: trim", "exit 0\n", f"exit 0\nlog {ERROR}trim: this callback is not defined\n",
        LIKE_C),
    row("absent: pwrite", "EIO", "EPERM", LIKE_C),
    row("absent: pwrite", "pwrite not implemented", "pwrite: this callback is not defined", LIKE_C),
    row("while serving: pread removed", "EIO", "EINVAL", LIKE_C),
    row("while serving: pread removed", 'invalid command name "pread"',
        "this callback is not defined", LIKE_C),
    # Reads.
    *(row(f"read: {name}", "buffer returned from pread is too small",
          f"returned {count} bytes, expected 512", LENGTH)
      for name, count in {"nothing": 0, "short": 100, "empty": 0, "number": 6, "list": 511,
                          "dictionary": 3, "return -code return": 4}.items()),
    *(row(f"read: {name}", f"pread 512 0: {lower}\n", "pread 512 0: EIO\n", BYTES)
      for name, lower in {"character U+0100": "512 bytes, sha256 1857d01366b7aa9d",
                          "character U+20AC": "512 bytes, sha256 252f9681a36669aa",
                          "characters U+20AC": r"512 times b'\xac'",
                          "lone surrogate": r"512 times b'\x00'"}.items()),
    *(row(f"read: {name}", "exit 0\n", "exit 0\n" + "".join(
          f"log nbdkit: tcl[{connection}]: error: pread: returned the character {character}, "
          "expected bytes, which are characters up to U+00FF\n" for connection in (1, 2)), BYTES)
      for name, character in {"character U+0100": "U+0100", "character U+20AC": "U+20AC",
                              "characters U+20AC": "U+20AC", "lone surrogate": "U+D800"}.items()),
    # Error codes.
    *(row(f"read: {name}", "EIO", errno, CODE)
      for name, errno in {"error with a code of POSIX": "ENOSPC", "throw": "EPERM",
                          "return -code error -errorcode": "ENOMEM",
                          "error caught and passed on": "EPERM",
                          # The protocol's translation of ENOENT.
                          "open": "EINVAL"}.items()),
    row([f"{failing}: error of POSIX" for failing in ("pwrite", "plugin_flush", "trim", "zero")],
        "EIO", "ENOSPC", CODE),
    # Texts of errors.
    row("read: error with NUL", "a\udcc0\udc80b", "a\\0b", ONE_LINE),
    row("read: error with two lines", "pread: a\nlog b\n", "pread: a b\n", ONE_LINE),
    row("read: error with bytes", "a\u00ff\u0080b", "a\u00ff\\x80b", ONE_LINE),
    row("read: error that is long", f"{'long ' * 2000}\n",
        f"{('long ' * 2000)[:3900]}... (cut: 10000 bytes in all)\n", ONE_LINE),
    row("start: binary", '"\x7fELF\1\2\3"', r'"\x7fELF\x01\x02\x03"', ONE_LINE),
    # Where errors were raised.
    place([f"read: {name}" for name in RAISED], 1),
    row("read: error empty", "disk.tcl:1: \n", "disk.tcl:1:\n", ONE_LINE),
    place("read: error in a procedure", 3),
    # The command that returned with such a code. For the codes of loops, Tcl only names the
    # procedure.
    place("read: return -code error", 6),
    place("read: return -code error -errorcode", 6),
    place("read: return -code break", 5),
    place("read: return -code continue", 5),
    *(place(name, last_line(name), failing)
      for failing in ("plugin_open", "plugin_close", "pwrite", "plugin_flush", "trim", "zero")
      for name in (f"{failing}: error", f"{failing}: error of POSIX")),
    *(place(name, last_line(name), question)
      for question in QUESTIONS for name in [f"{question}: error {{cannot say}}"]),
    place("while serving: zero removed", last_line("while serving: zero removed"), "plugin_flush"),
    place("start: config error", 8, "config"),
    place("start: config_complete error", 8, "config_complete"),
    # Sizes.
    *(row(f"size: {name}", f'Tcl_GetWideIntFromObj: expected integer but got "{value}"',
          f'returned "{value}", expected a whole number of bytes', INTEGER)
      for name, value in {"exponent": "1e3", "fraction": "65536.5",
                          "fraction of nothing": "65536.0", "double": "65536.0", "NaN": "NaN",
                          "infinite": "Inf", "empty": "", "word": "hello", "boolean": "true",
                          "list": "65536 0", "size with a unit": "64K"}.items()),
    row("size: 2^64", "Tcl_GetWideIntFromObj: integer value too large to represent",
        f'returned "{2**64}", expected a whole number of bytes', INTEGER),
    row("size: 2^63", f".get_size function returned invalid value ({-2**63})",
        f'get_size: returned "{2**63}", expected a whole number of bytes', SIZE),
    row("size: 2^64 - 1", "exit 0\n", f'exit 0\nlog {ERROR}get_size: returned "{2**64 - 1}", '
        "expected a whole number of bytes\n", SIZE),
    row("size: negative", "exit 0\n", f"exit 0\nlog {ERROR}get_size: returned -1, expected a size "
        "of 0 or more bytes\n", NEGATIVE),
    row("size: -2^63", f".get_size function returned invalid value ({-2**63})",
        f"get_size: returned {-2**63}, expected a size of 0 or more bytes", NEGATIVE),
    # Starts.
    row("start: empty", REQUIRED, NOT_DEFINED + "plugin_open, get_size, pread", MISSING),
    row("start: plugin_open missing", REQUIRED, NOT_DEFINED + "plugin_open", MISSING),
    row("start: get_size missing", REQUIRED, NOT_DEFINED + "get_size", MISSING),
    row("start: pread is a variable", REQUIRED, NOT_DEFINED + "pread", MISSING),
    row("start: open in place of plugin_open", REQUIRED,
        NOT_DEFINED + "plugin_open, get_size, pread", MISSING),
    row("start: open in place of plugin_open", "log nbdkit: error: disk.tcl: ",
        "log nbdkit: warning: disk.tcl: open is not a callback of nbdkit: did you mean "
        "plugin_open?\nlog nbdkit: error: disk.tcl: ", "a misspelt callback is warned of"),
    row("start: no config callback", "does not need command line configuration",
        "does not need command line configuration: the script defines no config callback to take "
        "a=", "it is told why, and which parameter it is"),
    # The world outside.
    row("channel", "exit -6\nlog FlushChannel: damaged channel list\n", "exit 0\n",
        "a channel may be used in any callback, whichever thread nbdkit calls it in"),
    row("read: error in a child interpreter", "exit -6", "exit 0", "so may a child interpreter"),
    row("read: error in a child interpreter",
        "log Tcl_AsyncDelete: async handler deleted by the wrong thread\n", "", "as above"),
]  # fmt: skip

UTF8 = "Tcl 9 reads a script as UTF-8"
# The official plugin uses Tcl 8.6. These differences with ours and Tcl 9 are due to Tcl.
DIFFERENCES += [
    row("read: error with UTF-8", "caf\u00c3\u00a9", "caf\u00e9", UTF8),
    row("read: script in UTF-8", "pread 512 0: 512 bytes, sha256 57ed0ef12199207a",
        "pread 512 0: EIO", UTF8),
    row("read: script in UTF-8", "exit 0\n", "exit 0\n" + "".join(
        f"log nbdkit: tcl[{connection}]: error: pread: returned 256 bytes, expected 512\n"
        for connection in (1, 2)), UTF8),
    row("start: byte order mark", 'did not start\nexit 1\nlog nbdkit: error: could not load Tcl '
        'script: disk.tcl: line 1: invalid command name "\u00ef\u00bb\u00bf"\n',
        "size 65536\noffers is_read_only\npread 512 512: 512 times b'x'\nexit 0\n", UTF8),
    row("read: encoding of the system", "iso8859-1", "utf-8", "the encoding of Tcl 9 is UTF-8"),
    row("read: arithmetic", 'can\'t use empty string as operand of "+"',
        'cannot use non-numeric string "" as right operand of "+"', "the words of Tcl 9"),
    row("size: octal as in C", "size 65536", "size 200000", "0200000 is a decimal number in Tcl 9"),
] if under_test().reads_utf8 else [
    row("read: error with UTF-8", "caf\u00c3\u00a9", "caf\u00e9", TEXT),
    row("start: byte order mark", "\u00ef\u00bb\u00bf", "\ufeff", TEXT),
    row("parameter: UTF-8", "size 2048", "size 2560",
        "each byte of a parameter is a character: a file is found by a name that is no ASCII"),
]  # fmt: skip

OFFERS = {
    "can_write": "can_flush is_read_only",
    "can_flush": "can_trim can_zero can_fast_zero can_fua",
    "can_trim": "can_flush can_zero can_fast_zero can_fua",
    "is_rotational": "can_flush can_trim can_zero can_fast_zero can_fua",
}
for question, offers in OFFERS.items():
    answers = {"return": "", "return maybe": "maybe"}
    if question == "can_write":
        answers |= {'return ""': "", "return foo": "foo", "return o": "o", "return {1 1}": "1 1"}
    for body, answer in answers.items():
        DIFFERENCES.append(
            row(f"{question}: {body}",
                f"size 262144\noffers {offers}\npread 512 512: 512 times b'\\x00'\nexit 0\n",
                f"connection refused\nexit 0\nlog {ERROR}{question}: returned \"{answer}\", "
                "expected true or false\n", BOOLEAN)
        )  # fmt: skip
