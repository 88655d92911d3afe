# A disk in memory that all interpreters share, so that requests run in parallel.
#
#   cargo build --release
#   nbdkit -f ./target/release/libnbdkit_tcl.so examples/tcl/shared.tcl size=1G
#   nbdcopy some-file nbd://localhost        # in another terminal
set API_VERSION 2

proc config {key value} {
    if {$key ne "size"} {
        error "unknown parameter $key="
    }
    # This runs in each interpreter. The first call makes the disk; the others get the same one.
    set ::disk [nbdkit::disk disk [nbdkit::parse_size $value]]
}

proc config_complete {} {
    if {![info exists ::disk]} {
        error "the size= parameter is missing"
    }
}

proc thread_model {} { return parallel }
proc plugin_open {readonly} { return {} }
proc get_size {h} { $::disk size }
proc can_multi_conn {h} { return true }
proc can_fast_zero {h} { return true }
proc can_fua {h} { return native }

proc pread {h buf offset flags} { $::disk pread -buffer $buf $offset }
proc pwrite {h buf offset flags} { $::disk pwrite -buffer $buf $offset }
proc zero {h count offset flags} { $::disk zero $count $offset }
proc trim {h count offset flags} { $::disk trim $count $offset }
proc extents {h count offset flags} { $::disk extents $count $offset }
proc plugin_flush {h flags} {}
