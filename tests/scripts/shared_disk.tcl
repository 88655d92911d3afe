# A disk in memory that all interpreters share: size= bytes, under the thread model of model=.

set API_VERSION 2

set size [expr {1 << 20}]
set model parallel

proc config {key value} {
    if {$key eq "size"} {
        set ::size $value
    } elseif {$key eq "model"} {
        set ::model $value
    } else {
        error $key
    }
}

proc thread_model {} { return $::model }
proc get_ready {} { set ::disk [nbdkit::disk disk $::size] }

proc plugin_open {readonly} { return [dict create] }
proc get_size {h} { return [$::disk size] }
proc can_multi_conn {h} { return true }

proc pread {h buf offset flags} { $::disk pread -buffer $buf $offset }
proc pwrite {h buf offset flags} { $::disk pwrite -buffer $buf $offset }
proc zero {h count offset flags} { $::disk zero $count $offset }
proc trim {h count offset flags} { $::disk trim $count $offset }
proc extents {h count offset flags} { return [$::disk extents $count $offset] }
proc plugin_flush {h flags} {}
