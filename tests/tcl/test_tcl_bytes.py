"""Bytes are characters up to U+00FF, whatever Tcl's internal form of a value."""

import random

import nbd
import pytest

from evaluating import evaluator

ALL = bytes(range(256))
# Bytes that end strings elsewhere, and bytes that look like UTF-8 or half of it.
AWKWARD = (
    b"\0\xff\0\0\xc0\x80\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xed\xa0\x80\xfe\xff"
    b'{}[]$\\"\r\n\x1a'
)
WAYS = {"1": 1, "2": 2, "1 in a variable": 1, "1 as numbers": 1, "1 as characters": 1,
        "1 in a file": 1}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_every_byte_survives(serve, language, tmp_path, way):
    callbacks = language.script("tcl_bytes", way)
    script = language.script("tcl_bytes", "disk", version=WAYS[way], callbacks=callbacks)
    parameters = [f"file={tmp_path}/backing"] if "file" in way else []
    client = serve(script, *parameters).connect()
    shuffled = list(ALL)
    random.Random(1).shuffle(shuffled)
    offset = 0
    for data in (ALL, ALL[::-1], bytes(shuffled), bytes(512), b"\xff" * 512, AWKWARD,
                 *(bytes([byte]) for byte in ALL)):  # fmt: skip
        client.pwrite(data, offset)
        assert client.pread(len(data), offset) == data
        offset += len(data)


# Values that were something else before, and their bytes.
SHIMMERED = {
    "set x 12345; incr x 0": b"12345",
    "expr {1.5}": b"1.5",
    "expr {2 ** 70}": str(2**70).encode(),
    "list a {b c} {}": b"a {b c} {}",
    r'list "\xe9" "\xff \0"': b"\xe9 {\xff \0}",
    "dict create k v l {w x}": b"k v l {w x}",
    "set x {a b c}; llength $x; lindex $x 1; set x": b"a b c",
    "set x {a b}; dict size $x; set x": b"a b",
    r'set x "\xff\xfe"; string length $x; set x': b"\xff\xfe",
    r"set x [binary format H* ff00fe]; string length $x; append x {}": b"\xff\0\xfe",
    r'set x [binary format H* ff00fe]; set y "$x"; string index $y 0; set y': b"\xff\0\xfe",
    r"set x [binary format H* 3132]; incr x 0; set x": b"12",
    r"set x [binary format H* 3132]; expr {$x + 1}; set x": b"12",
    r"set x [binary format H* 612062]; llength $x; set x": b"a b",
    r"string cat [binary format H* ff] \xe9": b"\xff\xe9",
    r"string range \u20ac\xff\xfe 1 2": b"\xff\xfe",
    r"string map {\u20ac \xe4} \u20ac": b"\xe4",
    r"string reverse \x00\x01\xff": b"\xff\x01\x00",
    r"encoding convertto utf-8 \u20ac": b"\xe2\x82\xac",
    r"format %c 255": b"\xff",
    "lindex {7}": b"7",
    "expr {1 == 1}": b"1",
    "expr {true}": b"true",
    "string is true yes": b"1",
    "split abc {}": b"a b c",
}


@pytest.mark.parametrize("code", SHIMMERED)
def test_values_of_other_types(serve, language, code):
    data = SHIMMERED[code]
    server = serve(
        f"proc value {{}} {{ {code} }}\n"
        "set disk [nbdkit::disk shimmered 4096]\n"
        "proc plugin_open {readonly} { return handle }\n"
        "proc get_size {h} { return 4096 }\n"
        "proc pread {h count offset} {\n"
        "    if {$offset == 0} { return [value] }\n"
        "    if {$offset == 1024} { $::disk pwrite [value] 0; return [$::disk pread $count 0] }\n"
        "    set b [nbdkit::buffer 64]\n"
        "    $b writestring 0 [value]\n"
        "    return [$b readstring 0 $count]\n"
        "}\n"
    )
    client = server.connect()
    for offset in (0, 1024, 2048):
        assert client.pread(len(data), offset) == data


def test_a_value_that_is_returned_keeps_its_own_form(serve):
    # The bytes of a read are a list to the script at the same time.
    client = serve(
        "set value [list a b c]\n"
        "proc plugin_open {readonly} { return handle }\n"
        "proc get_size {h} { return 512 }\n"
        "proc pread {h count offset} {\n"
        "    if {[llength $::value] != 3 || [lindex $::value 1] ne {b}} { error $::value }\n"
        "    return $::value\n"
        "}\n"
    ).connect()
    for _ in range(3):
        assert client.pread(5, 0) == b"a b c"


WIDE = {r"\u0100": "U+0100", r"\u20ac": "U+20AC", r"\uffff": "U+FFFF", r"\u0141": "U+0141",
        r"\uff00": "U+FF00"}  # fmt: skip


@pytest.mark.parametrize("character", WIDE)
@pytest.mark.parametrize("before", ["", "a", r"\xff\0", r"\xe9"])
def test_a_character_that_is_not_a_byte_is_refused(serve, language, character, before):
    text = f'"{before}{character}z"'
    server = serve(
        "proc plugin_open {readonly} { return handle }\n"
        "proc get_size {h} { return 65536 }\n"
        f"proc pread {{h count offset}} {{ return {text} }}\n"
    )
    with pytest.raises(nbd.Error) as caught:
        server.connect().pread(3, 0)
    assert caught.value.errno == "EIO"
    assert server.errors() == [
        language.logged("pread", f"returned the character {WIDE[character]}, expected bytes, "
                        "which are characters up to U+00FF")
    ]  # fmt: skip


WRITES = ["$b writestring 0 @", "$b writestring 1 @", "$d pwrite @ 0"]


@pytest.mark.parametrize("call", WRITES)
def test_a_character_that_is_not_a_byte_is_not_written(serve, language, call):
    evaluating = evaluator(serve, language)
    evaluating.run("set b [nbdkit::buffer 16]; set d [nbdkit::disk wide 512]")
    for character in WIDE:
        evaluating.message(call.replace("@", f'"a{character}"'))
    assert evaluating.bytes("$b tostring") == bytes(16)
    assert evaluating.bytes("$d pread 16 0") == bytes(16)
    for written in WRITES:
        evaluating.run(written.replace("@", r'"\xe9\xff"'))
    assert evaluating.bytes("$b tostring") == b"\xe9\xe9\xff" + bytes(13)
    assert evaluating.bytes("$d pread 4 0") == b"\xe9\xff\0\0"


@pytest.mark.parametrize("call", WRITES)
def test_the_message_names_the_character_that_is_not_a_byte(serve, language, call):
    evaluating = evaluator(serve, language)
    evaluating.run("set b [nbdkit::buffer 16]; set d [nbdkit::disk wide 512]")
    message = evaluating.message(call.replace("@", r'"a\u20ac"'))
    assert "U+20AC" in message and "U+00FF" in message, message


@pytest.mark.parametrize("character", ["\u00e9", "\u20ac", "\U0001f600"])
def test_characters_of_the_script(serve, language, character):
    # Tcl 8.6 reads the file byte by byte, so what looks like one character is several.
    server = serve(
        "proc plugin_open {readonly} { return handle }\n"
        "proc get_size {h} { return 512 }\n"
        f'proc pread {{h count offset}} {{ return "{character}" }}\n'
    )
    data = character.encode("utf-8" if not language.reads_utf8 else "latin-1", "ignore")
    client = server.connect()
    if data:
        assert client.pread(len(data), 0) == data
    else:
        with pytest.raises(nbd.Error):
            client.pread(512, 0)
        (line,) = server.errors()
        assert f"returned the character U+{ord(character):04X}, expected bytes" in line
