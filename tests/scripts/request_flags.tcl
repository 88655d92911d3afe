#--- disk
# Every request is a line in `calls`, which is what the disk reads as.
set API_VERSION 2
set calls ""
proc note {name flags} { append ::calls $name : [expr {$flags}] " " }
proc plugin_open {readonly} { return {} }
proc get_size {h} { return 65536 }
proc pread {h buf offset flags} {
    set length [string length $::calls]
    $buf writestring 0 $::calls [expr {min($length, [$buf len])}]
    if {[$buf len] == 4096} { set ::calls "" } else { note pread $flags }
}
proc pwrite {h buf offset flags} { note pwrite $flags }
proc plugin_flush {h flags} { note flush $flags }
proc trim {h count offset flags} { note trim $flags }
proc zero {h count offset flags} { note zero $flags }
proc cache {h count offset flags} { note cache $flags }
#--- not supported
error by name: nbdkit::error EOPNOTSUPP {not here}
error by number: nbdkit::error $nbdkit::errno(ENOTSUP) {not here}
set_error: nbdkit::set_error ENOTSUP; error {not here}
errorcode: error {not here} {} {POSIX EOPNOTSUPP {operation not supported}}
thrown: throw {POSIX ENOTSUP {operation not supported}} {not here}
#--- failing zero
proc zero {h count offset flags} {
    append ::calls "zero "
    @body@
}
#--- version 1
set calls ""
proc plugin_open {readonly} { return {} }
proc get_size {h} { return 65536 }
proc pread {h count offset} {
    set found $::calls[string repeat "\0" $count]
    set ::calls ""
    return $found
}
proc pwrite {h buf offset} {
    if {[string trim $buf "\0"] ne ""} { error "not zeroes" }
    append ::calls "pwrite:0 "
}
#--- version 2
set API_VERSION 2
set calls ""
proc plugin_open {readonly} { return {} }
proc get_size {h} { return 65536 }
proc pread {h buf offset flags} {
    $buf writestring 0 $::calls
    set ::calls ""
}
proc pwrite {h buf offset flags} {
    if {[string trim [$buf tostring] "\0"] ne ""} { error "not zeroes" }
    append ::calls "pwrite:0 "
}
#--- large
set API_VERSION 2
set disk [nbdkit::disk large @size@]
proc plugin_open {readonly} { return {} }
proc get_size {h} { $::disk size }
proc pread {h buf offset flags} { $::disk pread -buffer $buf $offset }
proc pwrite {h buf offset flags} { $::disk pwrite -buffer $buf $offset }
proc zero {h count offset flags} { nbdkit::error ENOTSUP "written instead" }
