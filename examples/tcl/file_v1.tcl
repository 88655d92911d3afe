#!/usr/bin/env -S nbdkit -f tcl
# A disk that is a file.
#
# Run it from the top of the repository:
#
#   cargo build --release
#   truncate -s 16M disk.img
#   nbdkit -f ./target/release/libnbdkit_tcl.so script=examples/tcl/file_v1.tcl file=disk.img
#
# and look at it from another terminal:
#
#   nbdinfo nbd://localhost

proc config {key value} {
    if {$key ne "file"} {
        error "unknown parameter $key="
    }
    # nbdkit changes its directory to / before it serves, and there a relative name means another
    # file.
    set ::name [file normalize $value]
}

proc config_complete {} {
    if {![info exists ::name]} {
        error "the file= parameter is missing"
    }
    close [open $::name rb]
}

# Each client has its own channel: plugin_open returns it, and all other callbacks get it as h.
proc plugin_open {readonly} {
    return [open $::name [expr {$readonly ? "rb" : "r+b"}]]
}

proc plugin_close {h} {
    close $h
}

proc get_size {h} {
    seek $h 0 end
    return [tell $h]
}

proc pread {h count offset} {
    seek $h $offset
    set data [read $h $count]
    if {[string length $data] != $count} {
        error "the file has become shorter"
    }
    return $data
}

proc pwrite {h buf offset} {
    seek $h $offset
    puts -nonewline $h $buf
}

# Tcl can pass writes to the system, but has no fsync: they may not survive a power cut.
proc plugin_flush {h} {
    flush $h
}
