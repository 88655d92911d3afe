#--- uses of a kept buffer
read: $::kept readu8 0
write: $::kept writeu8 0 1
readstring: $::kept readstring 0 0
writestring: $::kept writestring 0 ""
fill: $::kept fill 0 0
tostring: $::kept tostring
len: $::kept len
copy onto itself: $::kept copy 0 $::kept
copy to: $::kept copy 0 [nbdkit::buffer 1]
copy from: [nbdkit::buffer 1] copy 0 $::kept
#--- keep
set ::kept [lindex $::arguments 1]
#--- kept by a read
set API_VERSION 2
set kept ""
proc plugin_open {readonly} { return {} }
proc get_size {h} { return [expr {2 ** 30}] }
proc pread {h buf offset flags} {
    if {$offset == 512} { $::kept fill 0 0x55 }
    $buf fill 0 0x66
    if {$offset == 1024} { $::kept writeu8 0 1 }
    set ::kept $buf
}
#--- all memory
set API_VERSION 2
set kept {}
proc plugin_open {readonly} { return {} }
proc get_size {h} { return [expr {2 ** 30}] }
proc pread {h buf offset flags} {
    $buf fill 0 0x61
    if {$offset == 0} { return }
    catch { while {true} { lappend ::kept [nbdkit::buffer [expr {2 ** 24}]] } }
    $buf copy 0 $buf 1
}
