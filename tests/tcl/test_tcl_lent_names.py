"""A lent buffer in Tcl: it only gets its name when a script asks, and nobody can tell.

Each read runs the next of the lines below, with the buffer in `$buf`. What the line returns, or its
error, goes to the log.
"""

import re

DISK = """
set API_VERSION 2
proc thread_model {} { return serialize_all_requests }
proc plugin_open {readonly} { nbdkit::file $::name rw }
proc plugin_close {h} { rename $h "" }
proc get_size {h} { $h size }
proc config {key value} { set ::$key $value }
interp create child
child alias keep set ::aliased
set ::lines {@lines@}

proc pread {h buf offset flags} {
    $h pread -buffer $buf $offset
    set ::lines [lassign $::lines line]
    catch $line result
    puts stderr "result: $result"
}
"""

# What it is after one line, and what the next line returns. NAME stands for any buffer's name.
GONE = 'file pread: argument 1: found "NAME", expected the name of a buffer'
NO_COMMAND = 'invalid command name "NAME"'
LINES = [
    # Found by listing, not by the value.
    ("set ::listed [info commands {::nbdkit::buffer[0-9]*}]; llength $::listed", "1"),
    ("$::listed readu8 0", NO_COMMAND),
    ("$h pread -buffer $::listed 0", GONE),
    ("$buf readu8 0", "100"),
    # A value that a script keeps is of no use later, whether it had its name or not.
    ("set ::kept $buf; list", ""),
    ("$h pread -buffer $::kept 0", GONE),
    ("$::kept readu8 0", NO_COMMAND),
    ("set ::listed [list $buf]; list", ""),
    ("[lindex $::listed 0] readu8 0", NO_COMMAND),
    ("child eval [list keep $buf]; list", ""),
    ("$h pread -buffer $::aliased 0", GONE),
    ("coroutine later apply {{h b} {yield; $h pread -buffer $b 0}} $h $buf", ""),
    ("later", GONE),
    # Tcl makes the name in the middle of these instructions.
    ('set copy [string range "x$buf" 1 end]; $copy readu8 0', "100"),
    ('set copy [string range "x$buf" 1 end]; $h pread -buffer $copy 0', ""),
    ("$buf readu8 0", "100"),
    ("interp alias {} alias {} $buf; alias readu8 0", "100"),
    ("alias readu8 0", NO_COMMAND),
    ("proc other {} [list return $buf]; [other] readu8 0", "100"),
    ("expr {$buf in [list a $buf]}", "1"),
    ("set ::array($buf) 1; dict set ::dict $buf $buf; llength $buf", "1"),
    ("set n 0; foreach x [list $buf $buf] {incr n [$x readu8 0]}; set n", "200"),
    ("namespace eval ::away [list set x $buf]; $::away::x readu8 0", "100"),
    # In another form it is still the buffer.
    ("llength $buf; $h pread -buffer $buf 0", ""),
    ("catch {expr {$buf + 1}}; $h pread -buffer $buf 0", ""),
    ("set o [nbdkit::buffer 4]; $o copy 0 $buf 0 4; $o readu8 3", "100"),
    ("$buf copy 5 $buf 0 5; $buf readu8 9", "100"),
    # Deleted, renamed, taken.
    ("rename $buf ::renamed; $buf readu8 0", NO_COMMAND),
    ("::renamed readu8 0", 'invalid command name "::renamed"'),
    ('set b $buf; rename $b ""; $h pread -buffer $buf 0', GONE),
    ("foreach c [info commands ::nbdkit::buffer*] {rename $c {}}; $h pread -buffer $buf 0", GONE),
    ("$buf len; foreach c [info commands ::nbdkit::buffer*] {proc $c args {return mine}}", ""),
    ("$buf len", "512"),
]


def test_nobody_can_tell_when_a_lent_buffer_gets_its_name(start, language, tmp_path):
    script = tmp_path / "disk.tcl"
    lines = "\n".join(f"{{{line}}}" for line, _ in LINES)
    script.write_text(DISK.replace("@lines@", lines))
    (tmp_path / "disk.img").write_bytes(b"d" * 4096)
    server = start(language.plugin, script, f"name={tmp_path}/disk.img")
    client = server.connect()
    for _ in LINES:
        client.pread(512, 0)
    found = re.findall(r"^result: (.*)$", server.log().decode(), re.MULTILINE)
    found = [re.sub(r"::nbdkit::buffer\d+", "NAME", line) for line in found]
    assert found == [expected for _, expected in LINES]
    code, log = server.stop()
    assert code == 0
    assert all(line.startswith(b"result: ") for line in log.splitlines()), log


def test_a_command_that_is_deleted_between_callbacks_is_made_anew(start, language, tmp_path):
    script = tmp_path / "disk.tcl"
    script.write_text("""
set API_VERSION 2
set disk [nbdkit::disk deleted 4096]
proc plugin_open {readonly} {}
proc get_size {h} { return 4096 }
proc pread {h buf offset flags} { $::disk pread -buffer $buf $offset }
proc pwrite {h buf offset flags} { $::disk pwrite [$buf tostring] $offset }
proc plugin_flush {h flags} { foreach c [info commands ::nbdkit::buffer*] {rename $c {}} }
""")
    client = start(language.plugin, script).connect()
    client.pread(512, 0)
    client.flush()
    client.pwrite(b"w" * 512, 0)
    assert client.pread(512, 0) == b"w" * 512
