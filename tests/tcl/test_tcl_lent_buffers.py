"""nbdkit's own buffer is a command, whose name is invalid once the callback has returned."""

import nbd
import pytest

from evaluating import evaluator

LENT = "[lindex $::arguments 1]"


@pytest.mark.parametrize(
    "keep, use",
    [
        (f"set ::kept {LENT}", "$::kept len"),
        (f"set ::kept {LENT}", "$::kept tostring"),
        (f"set ::kept {LENT}", "$::kept writeu8 0 1"),
        (f"set ::kept {LENT}", "[nbdkit::buffer 8] copy 0 $::kept"),
        (f"set ::kept {LENT}", "[nbdkit::disk kept 512] pread -buffer $::kept 0"),
        (f"rename {LENT} ::mine", "mine len"),
        (f"rename {LENT} ::mine", "[nbdkit::buffer 8] copy 0 mine"),
        (f"namespace eval far {{}}; rename {LENT} ::far::mine", "far::mine len"),
        (f"interp alias {{}} ::other {{}} {LENT}", "other len"),
        (f"interp alias {{}} ::other {{}} {LENT} readu8 0", "other"),
        (f"interp create child; interp alias child other {{}} {LENT}", "child eval other len"),
        (f"interp create child; interp alias child other {{}} {LENT}; interp alias {{}} ::other "
         "child other", "other len"),
        (f"coroutine ::resumed apply {{{{b}} {{yield; $b len}}}} {LENT}", "resumed"),
        (f"after 0 [list {LENT} len]; set ::kept {LENT}", "$::kept len"),
        (f"namespace ensemble create -command ::group -map [list size [list {LENT} len]]",
         "group size"),
        (f"oo::object create ::thing; oo::objdefine thing forward size {LENT} len; "
         "oo::objdefine thing export size", "thing size"),
        (f"trace add command {LENT} delete {{apply {{{{old new operation}} {{set ::kept $old}}}}}}",
         "$::kept len"),
    ],
)  # fmt: skip
def test_no_way_keeps_a_lent_buffer(serve, language, keep, use):
    evaluating = evaluator(serve, language)
    evaluating.run(keep)
    message = evaluating.message(use)
    assert "invalid command name" in message or "the name of a buffer" in message, message
    # The next request's buffer has another name, so that an old name cannot refer to it.
    names = {evaluating.value(f"set x {LENT}") for _ in range(10)}
    assert len(names) == 10
    evaluating.message(use)


@pytest.mark.parametrize(
    "code",
    [
        f'rename {LENT} ""; set x ok',
        f"rename {LENT} ::mine; rename mine {{}}; set x ok",
        f"set b {LENT}; rename $b ::mine; proc $b args {{}}; set x ok",
        f'set b {LENT}; rename $b ""; proc $b args {{ return mine }}; set x ok',
        f"trace add command {LENT} delete {{apply {{args {{error deleted}}}}}}; set x ok",
        f"trace add command {LENT} delete {{apply {{{{old new op}} {{catch {{$old len}}}}}}}}; "
        "set x ok",
        f"trace add command {LENT} delete {{apply {{args {{nbdkit::buffer 8}}}}}}; set x ok",
        "namespace delete ::nbdkit; set x ok",
        f"namespace eval n [list {LENT} len]; set x ok",
    ],
)
def test_deleting_and_renaming_it_in_its_own_callback(serve, language, code):
    evaluating = evaluator(serve, language)
    for _ in range(3):
        evaluating.run(code)
    # The server goes on, and the next buffer works.
    assert evaluating.value(f"{LENT} len") == str(len(f"{LENT} len"))
    assert evaluating.server.errors() == []


def test_what_took_its_name_is_the_scripts_own(serve, language):
    evaluating = evaluator(serve, language)
    evaluating.run(f"set ::b {LENT}; rename $b {{}}; proc $b args {{ return mine }}")
    # It does not end with the request.
    assert evaluating.value("$::b len") == "mine"


# What a script does to a name that will be used next; NEXT is the name.
TAKEN = {
    "procedure": "proc NEXT args { return mine }",
    "traced": "proc NEXT args { return mine }; "
    "trace add command NEXT delete {apply {args {incr ::deleted}}}",
    "made anew by a trace": "proc NEXT args { return mine }; trace add command NEXT delete "
    "{apply {{old new how} {incr ::deleted; proc $old args { return again }}}}",
    "alias": "interp alias {} NEXT {} string length; "
    "trace add command NEXT delete {apply {args {incr ::deleted}}}",
    "buffer": "set b [nbdkit::buffer 3]; rename $b NEXT; "
    "trace add command NEXT delete {apply {{old args} {incr ::deleted; nbdkit::buffer 8}}}",
}


@pytest.mark.parametrize("way", TAKEN)
def test_a_name_that_a_script_has_taken_is_not_used(serve, language, way):
    evaluating = evaluator(serve, language)
    evaluating.run("set ::deleted 0; set ::before [info commands ::nbdkit::*]")
    # Names have ascending numbers: ten of them will be used soon.
    evaluating.run(
        f"set name {LENT}; regexp {{(.*?)(\\d+)$}} $name all ::stem ::number; "
        "for {set i 30} {$i < 40} {incr i} { set next $::stem[expr {$::number + $i}]; "
        f"eval [string map [list NEXT $next] {{{TAKEN[way]}}}]; lappend ::taken $next }}"
    )
    names = {evaluating.value(f"set x {LENT}") for _ in range(60)}
    assert len(names) == 60
    assert not names & set(evaluating.value("set ::taken").split())
    # Nothing was deleted, and the script's commands are unchanged.
    assert evaluating.value("set ::deleted") == "0"
    assert evaluating.value("llength [info commands [lindex $::taken 3]]") == "1"
    assert evaluating.value("string is integer [string length [nbdkit::buffer 8]]") == "1"


def test_a_buffer_deleted_in_the_middle_of_a_read_leaves_zeroes(serve):
    server = serve("""
        set API_VERSION 2
        proc plugin_open {readonly} { return handle }
        proc get_size {h} { return 65536 }
        proc pread {h buf offset flags} {
            if {$offset == 512} { rename $buf ""; return }
            $buf fill 0 0x78
            if {$offset == 1024} { rename $buf "" }
        }
    """)
    client = server.connect()
    assert client.pread(512, 0) == b"x" * 512
    assert client.pread(512, 512) == bytes(512)
    assert client.pread(512, 1024) == b"x" * 512
    assert server.stop() == (0, b"")


def test_lent_buffers_of_one_request_in_another_interpreter(start, language, write_script):
    # A name from one interpreter means nothing in another, or another buffer.
    script = write_script("""
        set API_VERSION 2
        proc thread_model {} { return parallel }
        proc plugin_open {readonly} { return handle }
        proc get_size {h} { return 65536 }
        proc pread {h buf offset flags} {
            nbdkit::shared rpush names $buf
            while {![catch {nbdkit::shared lpop names} name]} {
                if {$name ne $buf} { catch {$name fill 0 0x79} }
            }
            nbdkit::shared rpush names $buf
            $buf fill 0 0x78
        }
    """)
    server = start(language.plugin, "interpreters=4", script)
    clients = [server.connect() for _ in range(4)]
    for _ in range(20):
        for client in clients:
            assert client.pread(512, 0) == b"x" * 512


def test_copy_of_a_buffer_onto_itself(serve, language):
    evaluating = evaluator(serve, language)
    evaluating.run("set b [nbdkit::buffer 8]; $b writestring 0 abcdefgh")
    for code, result in (
        ("$b copy 0 $b", "abcdefgh"),
        ("$b copy 0 $b 1", "bcdefghh"),
        ("$b copy 1 $b 0 7", "bbcdefgh"),
        ("$b copy 4 $b 4 0", "bbcdefgh"),
        ("interp alias {} other {} $b; other copy 0 $b 2 2", "cdcdefgh"),
        ("rename $b ::mine; set b mine; $b copy 2 ::mine 0 2", "cdcdefgh"),
    ):
        assert evaluating.value(f"{code}; $b tostring") == result
    for code in ("$b copy 0 $b 9", "$b copy 1 $b 0 8", "$b copy -1 $b", "$b copy 0 $b 0 -1"):
        evaluating.message(code)
    assert evaluating.value("$b tostring") == "cdcdefgh"


def test_lent_buffer_copied_onto_itself(serve):
    client = serve("""
        set API_VERSION 2
        proc plugin_open {readonly} { return handle }
        proc get_size {h} { return 65536 }
        proc pread {h buf offset flags} {
            $buf writestring 0 abc
            $buf copy 1 $buf 0 3
        }
    """).connect()
    assert client.pread(6, 0) == b"aabc\0\0"


def test_data_of_a_write_cannot_be_written_to(serve, language):
    evaluating = evaluator(serve, language)
    for code in ("writeu8 0 1", "fill 0 1", "writestring 0 x", f"copy 0 {LENT} 1"):
        assert "read-only" in evaluating.message(f"{LENT} {code}")
    for code in ("[nbdkit::disk writes 512] pread -buffer @ 0",):
        assert "read-only" in evaluating.message(code.replace("@", LENT))


def test_deleted_buffers_give_their_memory_back(serve, language):
    evaluating = evaluator(serve, language)
    # Each is 64 MiB: if they stayed, this would be 12 GiB.
    evaluating.run(
        "for {set i 0} {$i < 200} {incr i} { set b [nbdkit::buffer 67108864]; "
        '$b writeu8 $i 1; rename $b "" }'
    )
    with open(f"/proc/{evaluating.server.pid}/status") as status:
        (line,) = (line for line in status if line.startswith("VmRSS"))
    assert int(line.split()[1]) < 512 * 1024


def test_error_with_a_buffer_in_hand(serve):
    server = serve("""
        set API_VERSION 2
        proc plugin_open {readonly} { return handle }
        proc get_size {h} { return 65536 }
        proc pread {h buf offset flags} {
            $buf fill 0 0x78
            if {$offset == 0} { error "no $buf" }
        }
    """)
    client = server.connect()
    with pytest.raises(nbd.Error):
        client.pread(512, 0)
    assert client.pread(512, 512) == b"x" * 512


@pytest.mark.parametrize("method", ["pread", "pwrite"])
@pytest.mark.parametrize("thing", ["nbdkit::disk trap 64", "nbdkit::file trap.img create 64"])
def test_a_forgotten_word_in_front_of_a_buffer(serve, language, method, thing):
    """Otherwise the letters of the buffer's name would be on the disk."""
    evaluating = evaluator(serve, language)
    message = evaluating.message(f"[{thing}] {method} {LENT} 0")
    kind = "file" if "file" in thing else "disk"
    found = "argument 1: found the name of a buffer, expected -buffer in front of it"
    assert message == f"{kind} {method}: {found}"
    assert evaluating.value(f"string trim [[{thing}] pread 64 0] \\0") == ""


@pytest.mark.parametrize("thing", ["nbdkit::disk data 4096", "nbdkit::file data.img create 4096"])
def test_data_gets_no_string(serve, language, thing):
    """It would take twice its memory, and some time."""
    evaluating = evaluator(serve, language)
    written = f"set d [binary format H* [string repeat ff 4096]]; [{thing}] pwrite $d 0"
    form = evaluating.value(f"{written}; tcl::unsupported::representation $d")
    assert "bytearray" in form and form.endswith("no string representation"), form
