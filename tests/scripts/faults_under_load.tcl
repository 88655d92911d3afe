#--- counting
set opened 0
set closed 0
proc plugin_open {readonly} { incr ::opened; return {} }
proc plugin_close {h} { incr ::closed }
proc cleanup {} {
    set file [open "@notes@" a]
    puts $file "$::opened $::closed"
    close $file
}
#--- sleeping
proc pread {h buf offset flags} {
    nbdkit::shared incr asleep 1 0
    nbdkit::nanosleep 600
}
proc pwrite {h buf offset flags} {
    if {[nbdkit::shared get asleep 0] != 7} { error "not all asleep" }
}
#--- storm
rename pwrite write
proc pwrite {h buf offset flags} {
    if {$offset % 3 == 0} { error "storm" }
    if {$offset % 3 == 1} { throw {POSIX ENOSPC {}} "" }
    write $h $buf $offset $flags
}
