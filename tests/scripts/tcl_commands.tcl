#--- disk
proc plugin_open {readonly} { return handle }
proc get_size {h} { return 65536 }
proc can_write {h} { return true }
proc can_flush {h} { return true }
proc read_disk {h count offset} { return [string repeat x $count] }
proc write_disk {h buf offset} { set ::written $buf }
proc pread {h count offset} { read_disk $h $count $offset }
proc pwrite {h buf offset} { write_disk $h $buf $offset }
proc plugin_flush {h} { flushed }
#--- ways
alias: rename pread {}; interp alias {} pread {} read_disk
alias with an argument: proc other {extra h count offset} {string repeat $extra $count}; rename pread {}; interp alias {} pread {} other x
alias to a command of Tcl: rename pread {}; interp alias {} pread {} apply {{h count offset} {string repeat x $count}}
ensemble: rename pread {}; namespace ensemble create -command pread -map {handle read_handle}; proc read_handle {count offset} {string repeat x $count}
imported: rename pread {}; namespace eval disk {namespace export pread; proc pread {h count offset} {string repeat x $count}}; namespace import disk::pread
renamed: rename pread {}; rename read_disk pread
object: rename pread {}; oo::class create Disk {method handle {count offset} {string repeat x $count}}; Disk create pread
method by an alias: oo::class create Disk {method read {h count offset} {string repeat x $count}}; Disk create disk; rename pread {}; interp alias {} pread {} disk read
forward: rename pread {}; oo::class create Disk {forward handle string repeat x; export handle}; oo::object create helper; Disk create disk; interp alias {} pread {} apply {{h count offset} {disk handle $count}}
coroutine: rename pread {}; coroutine pread apply {{} {set r {}; while 1 {lassign [yieldto string cat $r] h count offset; set r [string repeat x $count]}}}
child interpreter: interp create child; child eval {proc pread {h count offset} {string repeat x $count}}; rename pread {}; interp alias {} pread child pread
tailcall: proc pread args {tailcall read_disk {*}$args}
args: proc pread args {read_disk {*}$args}
lambda in a namespace: rename pread {}; interp alias {} pread {} apply {{h count offset} {string repeat x $count} ::disk}; namespace eval disk {}
traced: trace add execution pread {enter leave} {apply {args {incr ::traced}}}
traced in each step: trace add execution read_disk {enterstep leavestep} {apply {args {incr ::traced}}}
uplevel: proc pread {h count offset} {uplevel #0 [list read_disk $h $count $offset]}
