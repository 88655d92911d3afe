#--- disk
set disk [nbdkit::disk pages [expr {2 ** 40}]]
set kept {}
set n 0

proc plugin_open {readonly} { return handle }
proc get_size {h} { return 1048576 }

proc pread {h count offset} {
    if {$offset == 0} {
        @body@
    }
    return xxxx
}
#--- until it fails
while 1 { incr ::n; @way@ }
#--- delete
proc can_flush {h} { return true }
proc plugin_flush {h} {
    for {set i 1} {$i <= $::n} {incr i} { nbdkit::shared delete "large$i" }
    set ::n 0
    nbdkit::shared set key value
}
#--- ways
keys: nbdkit::shared set "key$::n" "value$::n"
a list: nbdkit::shared rpush list "value$::n"
large values: nbdkit::shared set "large$::n" [string repeat x 1048576]
pages: $::disk pwrite x [expr {$::n * 65536}]
buffers: lappend ::kept [nbdkit::buffer 1048576]
bytes: $::disk pread [expr {2 ** 30}] 0
a buffer: nbdkit::buffer [expr {2 ** 30}]
