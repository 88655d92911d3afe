#--- version 1
default: # is 1
1: set API_VERSION 1
1 in a string: set API_VERSION "1"
sum: set API_VERSION [expr {0 + 1}]
namespace: namespace eval :: { variable API_VERSION 1 }
#--- version 2
2: set API_VERSION 2
sum: set API_VERSION [expr {1 + 1}]
#--- no version
3: set API_VERSION 3
0: set API_VERSION 0
-1: set API_VERSION -1
1.5: set API_VERSION 1.5
true: set API_VERSION true
list: set API_VERSION {1 2}
empty: set API_VERSION ""
1 and a word: set API_VERSION "1 x"
word: set API_VERSION two
#--- logged
set version [expr {[info exists API_VERSION] ? $API_VERSION : 1}]
set log ""
proc note {name args} {
    set words $name
    foreach {kind value} $args {
        switch $kind {
            integer { append words " integer:" [expr {entier($value)}] }
            boolean { append words " boolean:" [expr {$value ? "true" : "false"}] }
            string { append words " string:" $value }
            handle { append words " " $value }
            buffer { append words " buffer:" [$value len] }
        }
    }
    puts $::log $words
    flush $::log
}
proc config {key value} { set ::log [open $value w] }
proc plugin_open {readonly} { note open boolean $readonly; return handle }
proc get_size {h} { note get_size handle $h; return 65536 }
proc can_fua {h} { return native }
proc can_fast_zero {h} { return true }
if {$version == 1} {
    proc pread {h count offset} {
        note pread handle $h integer $count integer $offset
        return [string repeat x $count]
    }
    proc pwrite {h buf offset} { note pwrite handle $h string $buf integer $offset }
    proc plugin_flush {h} { note flush handle $h }
    proc trim {h count offset} { note trim handle $h integer $count integer $offset }
    proc zero {h count offset may_trim} {
        note zero handle $h integer $count integer $offset boolean $may_trim
    }
} else {
    proc pread {h buf offset flags} {
        note pread handle $h buffer $buf integer $offset integer $flags
    }
    proc pwrite {h buf offset flags} {
        note pwrite handle $h buffer $buf integer $offset integer $flags
    }
    proc plugin_flush {h flags} { note flush handle $h integer $flags }
    foreach name {trim zero} {
        proc $name {h count offset flags} "
            note $name handle \$h integer \$count integer \$offset integer \$flags
        "
    }
}
proc cache {h count offset flags} {
    note cache handle $h integer $count integer $offset integer $flags
}
proc extents {h count offset flags} {
    note extents handle $h integer $count integer $offset integer $flags
    return {{0 65536 0}}
}
#--- required
set API_VERSION 2
proc plugin_open {readonly} { return {} }
proc get_size {h} { return 65536 }
#--- writes
proc pread {h buf offset flags} {
    if {$offset == 0} { return [$buf fill 0 0x55] }
    @lines@
}
#--- step: write
$buf writestring @offset@ @bytes@
#--- step: fill
$buf fill @offset@ @byte@ @count@
#--- step: copy
$buf copy @offset@ $buf @source@ @count@
#--- step: read
if {[string length [$buf readstring @offset@ @count@]] != @count@} { error "wrong length" }
#--- a step
@step@
#--- steps
proc pread {h buf offset flags} {
    if {$offset == 0} { return [$buf fill 0 0x55] }
    @lines@
}
#--- ways to look
tostring: [$buf tostring]
all: [$buf readstring 0 [$buf len]]
second half: [$buf readstring 256 256]
#--- look
proc pread {h buf offset flags} {
    if {$offset == 0} { return [$buf fill 0 0x55] }
    set own @look@
    if {[string trim $own "\0"] ne ""} { error "saw a byte of another request" }
    $buf writeu8 10 1
}
#--- fail once
set fail true
proc pread {h buf offset flags} {
    $buf fill 0 0x55
    if {$offset == 0 && $::fail} {
        set ::fail false
        error "no more"
    }
    $buf fill 256 0x66
}
#--- returned
set one [nbdkit::buffer 1]
$one writeu8 0 0x79
set log {}
set text {}
proc pread {h buf offset flags} {
    if {$offset == 0} { return [$buf fill 0 0x55] }
    @body@
}
#--- returned data
as many bytes: return [string repeat x [$buf len]]
of all values: string repeat \xff [$buf len]
in binary: binary format a512 x
in two forms: set data [binary format a512 x]; string length $data$data; set data
of digits: string repeat 0 [$buf len]
a part: string range [string repeat "\xe9" 600] 1 512
of a variable: set ::kept [string repeat x 512]
of a channel: set c [open /dev/zero rb]; set data [read $c 512]; close $c; set data
nothing was written: $buf writestring 0 ""; string repeat x 512
#--- returned and ignored
nothing: return
a sum: incr ::reads
a number: set x 5
of digits: return [string repeat 7 [expr {[$buf len] < 32 ? [$buf len] : 5}]]
a word: set x idle
fewer: string repeat x 511
more: string repeat x 513
a list: lappend ::log $offset [string repeat x 200]
a dictionary: dict set ::stats reads [incr ::reads]
characters: string repeat \u20ac 512
a long text: append ::text [string repeat x 100]
the buffer: set buf
#--- returned as well
written: $buf writeu8 0 0x79; string repeat x 512
copied: $buf copy 0 $::one; string repeat x 512
filled: $buf fill 0 0x79 1; string repeat x 512
of a disk: set d [nbdkit::disk d 512]; $d pwrite y 0; $d pread -buffer $buf 0; string repeat x 512
#--- read-only
set stored [nbdkit::buffer 512]
set one [nbdkit::buffer 1]
proc pwrite {h buf offset flags} {
    foreach write {
        {$buf writeu8 0 1}
        {$buf writestring 0 x}
        {$buf writef64be 0 1}
        {$buf fill 0 0}
        {$buf fill 0 0 0}
        {$buf copy 0 $buf 1}
        {$buf copy 0 $::one}
    } {
        if {![catch $write message]} { error "could write by $write" }
        if {![string match *read-only* $message]} { error $message }
    }
    $::stored copy 0 $buf
}
proc pread {h buf offset flags} { $buf copy 0 $::stored }
