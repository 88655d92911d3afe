# Turns a fragment in the documents into a whole script.
#--- version 1
namespace eval fragment { set bytes [nbdkit::disk "of the test" 1048576] }
proc plugin_open {readonly} { return 1 }
proc get_size {h} { $fragment::bytes size }
proc pread {h count offset} { $fragment::bytes pread $count $offset }
proc pwrite {h buf offset} { $fragment::bytes pwrite $buf $offset }
proc plugin_flush {h} {}
proc trim {h count offset} {}
proc zero {h count offset may_trim} { $fragment::bytes zero $count $offset }
proc extents {h count offset flags} { list [list $offset $count 0] }
proc cache {h count offset flags} {}
#--- version 2
set API_VERSION 2
namespace eval fragment { set bytes [nbdkit::disk "of the test" 1048576] }
proc plugin_open {readonly} { return 1 }
proc get_size {h} { $fragment::bytes size }
proc pread {h buf offset flags} { $fragment::bytes pread -buffer $buf $offset }
proc pwrite {h buf offset flags} { $fragment::bytes pwrite -buffer $buf $offset }
proc plugin_flush {h flags} {}
proc trim {h count offset flags} {}
proc zero {h count offset flags} { $fragment::bytes zero $count $offset }
proc extents {h count offset flags} { list [list $offset $count 0] }
proc cache {h count offset flags} {}
#--- trace
# Follows a block and records every call to the callbacks that the block defines.
namespace eval fragment {
    proc called {command operation} {
        # In one piece, because other interpreters write as well.
        puts -nonewline stderr "called: [lindex $command 0]\n"
    }
    foreach name {@names@} {
        trace add execution ::$name enter ::fragment::called
    }
}
