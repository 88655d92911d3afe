#--- disk
proc plugin_open {readonly} { return {} }
proc get_size {h} { return 65536 }
proc pread {h count offset} {
    if {$offset != 0} { return [string repeat x 512] }
    @body@
}
#--- ways
set_error by name: nbdkit::set_error @name@; error why
set_error by number: nbdkit::set_error $nbdkit::errno(@name@); error why
error by name: nbdkit::error @name@ why
error by number: nbdkit::error $nbdkit::errno(@name@) why
error with a code: error why "" {POSIX @name@ {what the system says}}
throw: throw {POSIX @name@ {what the system says}} why
return: return -code error -errorcode {POSIX @name@ {what the system says}} why
a code without a text: error why "" {POSIX @name@}
a code by number: error why "" [list POSIX $nbdkit::errno(@name@)]
#--- no errno
error: error why
no name: error why "" {POSIX ENOSPACE {no such error}}
lower case: error why "" {POSIX enospc {}}
no number: error why "" {POSIX -28 {}}
nothing: error why "" {POSIX}
another kind: error why "" {NBD ENOSPC}
a word: error why "" ENOSPC
no list: error why "" "POSIX \{"
NONE: error why "" NONE
handled: catch { nbdkit::error ENOSPC no }; error why
a code that was handled: catch { error no "" {POSIX ENOSPC {}} }; error why
a function that was handled: catch { nbdkit::parse_size x }; error why
try: try { nbdkit::error ENOSPC no } on error {} { error why }
#--- ENOSPC of several
error before set_error: nbdkit::set_error EPERM; nbdkit::error ENOSPC why
the last set_error: nbdkit::set_error EPERM; nbdkit::set_error ENOSPC; error why
a code before set_error: nbdkit::set_error EPERM; throw {POSIX ENOSPC {}} why
a code of another kind: nbdkit::set_error ENOSPC; throw {NBD ERROR} why
thrown again: catch { nbdkit::error ENOSPC why } message o; return -options $o $message
finally: try { nbdkit::error ENOSPC why } finally { set x 1 }
trap: try { nbdkit::error ENOSPC no } trap {POSIX ENOSPC} {m o} { return -options $o why }
in a coroutine: coroutine c apply {{} { nbdkit::error ENOSPC why }}
uplevel: uplevel #0 { nbdkit::error ENOSPC why }
#--- ENOSPC
nbdkit::error: nbdkit::error ENOSPC why
error: error why "" {POSIX ENOSPC {no space left on device}}
throw: throw {POSIX ENOSPC {no space left on device}} why
set_error: nbdkit::set_error ENOSPC; error why
#--- at the start
nbdkit::error: nbdkit::error ENOSPC why
throw: throw {POSIX ENOSPC {}} why
return: return -code error why
error: error why
#--- the first time
if {[incr ::asked] == 1} { @body@ }; return 65536
#--- full device
proc plugin_open {readonly} {
    set file [open /dev/full w]
    fconfigure $file -buffering none -translation binary
    return $file
}
proc plugin_close {h} { close $h }
proc get_size {h} { return 65536 }
proc pread {h count offset} { return [string repeat x $count] }
proc pwrite {h buf offset} { puts -nonewline $h $buf }
#--- set_error
proc plugin_open {readonly} { return {} }
proc get_size {h} { nbdkit::set_error EPERM; return 65536 }
proc pread {h count offset} {
    if {$offset == 512} { error why }
    if {$offset == 1024} { return short }
    nbdkit::set_error ENOSPC
    return [string repeat x $count]
}
proc plugin_flush {h} { error why "" {NBD why} }
#--- deeper
proc deeper {} {
        error "why"
    }
    deeper
#--- long messages
text: error [string repeat "long " [expr {2 ** 20 * 20}]]
code: throw {POSIX ENOSPC {}} [string repeat "long " [expr {2 ** 20 * 20}]]
nbdkit::error: nbdkit::error ENOSPC [string repeat "long " [expr {2 ** 20 * 20}]]
