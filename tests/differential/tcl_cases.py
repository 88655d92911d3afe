"""The cases that both Tcl plugins run."""

from differential import Case

# A disk in one global byte string, with all callbacks.
DISK = r"""
set disk [string repeat "\0" 262144]

proc replace_bytes {offset bytes} {
    global disk
    set before [string range $disk 0 [expr {$offset - 1}]]
    set after [string range $disk [expr {$offset + [string length $bytes]}] end]
    set disk [binary format a*a*a* $before $bytes $after]
}

proc plugin_open {readonly} { return 1 }
proc plugin_close {h} {}
proc get_size {h} { return [string length $::disk] }
proc can_write {h} { return true }
proc can_flush {h} { return true }
proc can_trim {h} { return true }
proc is_rotational {h} { return false }
proc pread {h count offset} {
    return [string range $::disk $offset [expr {$offset + $count - 1}]]
}
proc pwrite {h buf offset} { replace_bytes $offset $buf }
proc plugin_flush {h} {}
proc trim {h count offset} { replace_bytes $offset [string repeat "\0" $count] }
proc zero {h count offset may_trim} {
    # A range that may not be trimmed gets other bytes, so that a wrong argument shows.
    replace_bytes $offset [string repeat [expr {$may_trim ? "\0" : "N"}] $count]
}
"""

# The official plugin serves without a script, and fails each client.
NO_SCRIPT = 'error: plugin_open: invalid command name "plugin_open"'
NO_SCRIPT_NEWER = "the first parameter must be script=/path/to/script.tcl"

FILE_IS_FLUSHED = True

REQUIRED = """
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 65536 }
proc pread {h count offset} {
    if {$offset == 0} { return [bad $h $count $offset] }
    return [string repeat x $count]
}
"""

READ_GOOD = [("pread", 512, 512)]
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
    """A line of the log, none of which differs between releases of Tcl."""
    return line


def case(script, *clients, parameters=(), options=()):
    clients = clients or (READ_BAD_THEN_GOOD, READ_BAD_THEN_GOOD)
    return Case(script, clients, parameters, options)


CASES = {
    "disk": case(DISK, TOUCH_ALL, TOUCH_ALL),
    "disk, read-only server": case(DISK, TOUCH_ALL, options=("-r",)),
    "hash in the first line": case("#!/bin/false\n" + DISK, TOUCH_ALL),
    "bytes": case(
        DISK,
        [("pwrite", bytes(range(256)) * 2, 0), ("pread", 512, 0), ("pread", 1, 255)],
        [("pread", 512, 0)],
    ),
}

# Return values of reads, and ways for them to fail.
for name, body in {
    "nothing": "return",
    "short": "return [string repeat y 100]",
    "empty": 'return ""',
    "long": "return [string repeat y 10000]",
    "number": "return 123456",
    "number with 512 digits": "return [expr {10 ** 511}]",
    "list": "return [lrepeat 256 y]",
    "list with 512 characters": 'return [list {*}[lrepeat 255 y] "zz"]',
    "dictionary": "return [dict create a b]",
    "byte array": "return [binary format a$count yy]",
    "NUL": r'return [string repeat "\0" $count]',
    "bytes past 127": r'return [string repeat "\u00ff\u0080" [expr {$count / 2}]]',
    "character U+0100": r'return "\u0100[string repeat y 511]"',
    "character U+20AC": r'return "[string repeat y 511]\u20ac"',
    "characters U+20AC": r"return [string repeat \u20ac 512]",
    "lone surrogate": r"return [string repeat \ud800 512]",
    "bytes of a character past U+00FF": (
        r"return [string repeat [encoding convertto utf-8 \u20ac] 171]"
    ),
    "script in UTF-8": "return [string repeat \u00e9 256]",
    "error text": "error text",
    "error text with info": "error text {some info}",
    "error text with a code": "error text {} {MY CODE}",
    "error with a code of POSIX": "error text {} {POSIX ENOSPC {no space}}",
    "error of POSIX with no name": "error text {} POSIX",
    "error of POSIX with an unknown name": "error text {} {POSIX EFOO {}}",
    "error with a code that is no list": "error text {} \\{",
    "throw": "throw {POSIX EPERM {not allowed}} text",
    "return -code error": "return -code error text",
    "return -code error -errorcode": "return -code error -errorcode {POSIX ENOMEM {}} text",
    "return -code break": "return -code break text",
    "return -code continue": "return -code continue text",
    "return -code return": "return -code return text",
    "return -code 7": "return -code 7 text",
    "return -level": "return -level 2 -code 7 text",
    "break": "break",
    "error empty": 'error ""',
    "error with NUL": r'error "a\0b"',
    "error with two lines": r'error "a\nb"',
    "error with percent": "error 100%s",
    "error with UTF-8": "error caf\u00e9",
    "error with a character": r"error caf\u00e9",
    "error with a character past U+00FF": r"error 5\u20ac",
    "error with bytes": r'error "a\u00ff\u0080b"',
    "error that is long": 'error [string repeat "long " 2000]',
    "error in a procedure": "proc inner {} {\n\n error inside\n}\ninner",
    "error in eval": "eval {error inside}",
    "error in apply": "apply {{} {error inside}}",
    "error in a coroutine": "coroutine inner apply {{} {yield; error inside}}; inner",
    "error in a child interpreter": "interp create child; child eval {error inside}",
    "error caught": "catch {error text}; return [string repeat y $count]",
    "error caught and passed on": (
        "catch {throw {POSIX EPERM x} text} text how; return -options $how $text"
    ),
    "error caught and wrapped": "try { error text } on error text { error wrapped:$text }",
    "open": "open /nonexistent/file",
    "variable": "return $undefined",
    "command": "undefined 1 2",
    "too many arguments": "string repeat x 512 y",
    "arithmetic": "expr {1 + {}}",
    "division by zero": "expr {1 / 0}",
    "recursion": "bad $h $count $offset",
    "encoding of the system": "error [encoding system]",
    "global variables": "error [lsort [info globals]]",
    "name of the script": "error <[info script]>",
    "level": "error [info level]:[namespace current]",
    "print": "puts printed; puts stderr error; return [string repeat y $count]",
}.items():
    CASES[f"read: {name}"] = case(f"proc bad {{h count offset}} {{ {body} }}\n{REQUIRED}")

# Sizes, in all spellings.
for name, size in {
    "decimal": "65536",
    "hexadecimal": "0x10000",
    "octal": "0o200000",
    "octal as in C": "0200000",
    "binary": "0b10000000000000000",
    "plus": "+65536",
    "spaces": '" 65536 "',
    "line break": r'"\n65536\t"',
    "calculated": "[expr {1 << 16}]",
    "wide": "[expr {wide(65536)}]",
    "zero": "0",
    "exponent": "1e3",
    "fraction": "65536.5",
    "fraction of nothing": "65536.0",
    "double": "[expr {65536.0}]",
    "NaN": "NaN",
    "infinite": "Inf",
    "negative": "-1",
    "2^31": "2147483648",
    "2^32": "[expr {2 ** 32}]",
    "2^63 - 1": "[expr {2 ** 63 - 1}]",
    "2^63": "[expr {2 ** 63}]",
    "2^64 - 1": "[expr {2 ** 64 - 1}]",
    "2^64": "[expr {2 ** 64}]",
    "-2^63": "[expr {-2 ** 63}]",
    "empty": '""',
    "word": "hello",
    "boolean": "true",
    "list": "{65536 0}",
    "size with a unit": "64K",
}.items():
    CASES[f"size: {name}"] = case(f"{REQUIRED}proc get_size {{h}} {{ return {size} }}\n", READ_GOOD)

# can_ callbacks, and all spellings of their return values.
QUESTIONS = ("can_write", "can_flush", "can_trim", "is_rotational")
for answer in ("1", "0", "true", "false", "yes", "no", "on", "off", "YES", "t", "n", "2", "-1",
               "0x0", "0.0", "0.5", '" 1 "'):  # fmt: skip
    script = f"{DISK}proc can_write {{h}} {{ return {answer} }}\n"
    CASES[f"can_write: return {answer}"] = case(script, TOUCH_ALL)
for answer in ('""', "foo", "o", "{1 1}"):
    script = f"{DISK}proc can_write {{h}} {{ return {answer} }}\n"
    CASES[f"can_write: return {answer}"] = case(script, READ_GOOD)
for question in QUESTIONS:
    for body in ("return", "return maybe", "error {cannot say}", "return -code break", "return no"):
        script = f"{DISK}proc {question} {{h}} {{ {body} }}\n"
        requests = TOUCH_ALL if body == "return no" else READ_GOOD
        CASES[f"{question}: {body}"] = case(script, requests)

# Absent callbacks, with and without a promise that they exist.
for absent in ("pwrite", "plugin_flush", "trim", "zero", "plugin_close", *QUESTIONS):
    CASES[f"absent: {absent}"] = case(f'{DISK}rename {absent} ""\n', TOUCH_ALL)
for absent, question in (("pwrite", "can_write"), ("plugin_flush", "can_flush"),
                         ("trim", "can_trim")):  # fmt: skip
    script = f'{DISK}rename {absent} ""\nrename {question} ""\n'
    CASES[f"absent: {absent} and its question"] = case(script, TOUCH_ALL)
CASES["absent: all but the required"] = case(REQUIRED, READ_GOOD)

# Errors in other callbacks.
for failing, arguments in {
    "plugin_open": "readonly",
    "plugin_close": "h",
    "pwrite": "h buf offset",
    "plugin_flush": "h",
    "trim": "h count offset",
    "zero": "h count offset may_trim",
}.items():
    for kind, error in {
        "error": "error no",
        "error of POSIX": "throw {POSIX ENOSPC {}} full",
        "return -code break": "return -code break",
    }.items():
        script = f"{DISK}proc {failing} {{{arguments}}} {{ {error} }}\n"
        CASES[f"{failing}: {kind}"] = case(script, TOUCH_ALL)
    CASES[f"{failing}: wrong arguments"] = case(f"{DISK}proc {failing} {{}} {{}}\n", TOUCH_ALL)

# Scripts that change themselves.
for name, body in {
    "pread redefined": "proc pread {h count offset} { return [string repeat n $count] }",
    "pread renamed": "rename pread old; proc pread {h count offset} { old $h $count $offset }",
    "pread removed": 'rename pread ""',
    "pread replaced by an alias": (
        "proc other {extra h count offset} { string repeat $extra $count }\n"
        'rename pread ""; interp alias {} pread {} other A'
    ),
}.items():
    CASES[f"while serving: {name}"] = case(
        f"{DISK}proc plugin_flush {{h}} {{ {body} }}\n",
        [("pread", 512, 0), ("flush",), ("pread", 512, 0)],
        [("pread", 512, 0)],
    )
CASES["while serving: zero removed"] = case(
    DISK + 'proc plugin_flush {h} { rename zero "" }\n', TOUCH_ALL
)

# A channel that one thread opens and another closes.
CASES["channel"] = case(
    REQUIRED + "set channel [open /dev/null]\nproc plugin_close {h} { close $::channel }\n",
    READ_GOOD,
)

# The value of a parameter: the size shows its number of characters.
for name, value in {"ASCII": "abc", "UTF-8": "caf\u00e9", "bytes": "a\udcff\udc80"}.items():
    CASES[f"parameter: {name}"] = case(
        REQUIRED
        + "proc config {key value} { set ::value $value }\n"
        + "proc get_size {h} { expr {512 * [string length $::value]} }\n",
        READ_GOOD, parameters=(f"text={value}",),
    )  # fmt: skip

# Starts.
CONFIG = 'proc config {key value} { if {$key eq "bad"} { error "bad $value" } }\n'
for name, script, parameters in (
    ("empty", "", ()),
    ("plugin_open missing", REQUIRED + 'rename plugin_open ""\n', ()),
    ("get_size missing", REQUIRED + 'rename get_size ""\n', ()),
    ("pread is a variable", REQUIRED + 'rename pread ""\nset pread 1\n', ()),
    ("open in place of plugin_open", "proc open {r} {}\n", ()),
    ("syntax error", "proc x {} { }}\n", ()),
    ("brace not closed", REQUIRED + "proc x {\n", ()),
    ("bracket not closed", REQUIRED + "set x [\n", ()),
    ("unknown command", REQUIRED + "\nundefined\n", ()),
    ("binary", b"\x7fELF\1\2\3", ()),
    ("error", "error stop\n", ()),
    ("error of POSIX", "open /nonexistent/file\n", ()),
    ("return", REQUIRED + "return\nerror {not reached}\n", ()),
    ("return -code error", "return -code error text\n", ()),
    ("return -code break", "return -code break text\n", ()),
    ("break", "break\n", ()),
    ("no config callback", REQUIRED, ("a=b",)),
    ("config", REQUIRED + CONFIG, ("a=b", "c=")),
    ("config error", REQUIRED + CONFIG, ("a=b", "bad=x")),
    ("config with wrong arguments", REQUIRED + "proc config {} {}\n", ("a=b",)),
    ("config_complete error", REQUIRED + "proc config_complete {} { error no }\n", ()),
    ("exit", "exit 7\n", ()),
    ("exit 0", "exit\n", ()),
    ("exit in config_complete", REQUIRED + "proc config_complete {} { exit 3 }\n", ()),
    ("byte order mark", "\ufeff" + REQUIRED, ()),
    ("Ctrl-Z", REQUIRED + "\x1a not Tcl {{{", ()),
    ("NUL", REQUIRED + 'set x "a\0b"\n', ()),
    ("line ends of Windows", REQUIRED.replace("\n", "\r\n"), ()),
):
    CASES[f"start: {name}"] = case(script, READ_GOOD, parameters=parameters)
