set API_VERSION 2
set disk [nbdkit::disk disk @size@]
proc thread_model {} { return @model@ }
proc plugin_open {readonly} { list [nbdkit::shared incr opens 1 0] }
proc plugin_close {h} { nbdkit::shared incr closes 1 0 }
proc get_size {h} { $::disk size }
proc pread {h buf offset flags} {
    while {$offset == @forever@} {}
    $::disk pread -buffer $buf $offset
    nbdkit::shared rpush list $offset
    nbdkit::shared lpop list none
}
proc pwrite {h buf offset flags} {
    $::disk pwrite -buffer $buf $offset
    nbdkit::shared set last $offset 1
}
proc trim {h count offset flags} { $::disk trim $count $offset }
proc zero {h count offset flags} { $::disk zero $count $offset }
proc plugin_flush {h flags} {
    if {[nbdkit::shared incr flushes 1 0] % 3 == 0} { nbdkit::error ENOSPC full }
}
proc extents {h count offset flags} { $::disk extents $count $offset }
proc cleanup {} { nbdkit::shared flush_all }
