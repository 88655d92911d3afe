# A disk that is a file or a block device: durable, with all requests, in parallel.
#
#   cargo build --release
#   nbdkit -f ./target/release/libnbdkit_tcl.so examples/tcl/file.tcl file=disk.img size=16M
#   nbdcopy some-file nbd://localhost        # in another terminal
#
# With size=, a file that is missing is made, and a shorter one gets longer.
set API_VERSION 2

proc config {key value} {
    switch -- $key {
        file {
            # nbdkit may change its directory before it serves.
            set ::name [nbdkit::absolute_path $value]
        }
        size { set ::size [nbdkit::parse_size $value] }
        default { error "unknown parameter $key=" }
    }
}

proc config_complete {} {
    if {![info exists ::name]} {
        error "the file= parameter is missing"
    }
    set mode [expr {[info exists ::size] ? [list create $::size] : "r"}]
    rename [nbdkit::file $::name {*}$mode] ""
}

proc thread_model {} { return parallel }
proc plugin_open {readonly} { nbdkit::file $::name [expr {$readonly ? "r" : "rw"}] }
# The file is closed with its command.
proc plugin_close {h} { rename $h "" }
proc get_size {h} { $h size }
proc can_multi_conn {h} { return true }
proc can_fast_zero {h} { return true }
proc can_fua {h} { return native }
proc can_cache {h} { return native }

proc pread {h buf offset flags} { $h pread -buffer $buf $offset }
proc pwrite {h buf offset flags} { $h pwrite -buffer $buf $offset $flags }
proc zero {h count offset flags} { $h zero $count $offset $flags }
proc trim {h count offset flags} { $h trim $count $offset $flags }
proc extents {h count offset flags} { $h extents $count $offset $flags }
proc cache {h count offset flags} { $h cache $count $offset }
proc plugin_flush {h flags} { $h flush }
