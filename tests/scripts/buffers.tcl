#--- one after the other
for {set i 1} {$i <= 200} {incr i} {
    set buf [nbdkit::buffer 1000]
    if {[$buf tostring] ne [string repeat "\0" 1000]} { return "not zero" }
    $buf fill 0 0x55
    if {$i % 10 != 0} { rename $buf "" }
}
set answer "always zero"
#--- copying: own
set API_VERSION 2
set from [nbdkit::buffer 6]
$from writestring 0 abcdef
set to [nbdkit::buffer 10]
proc plugin_open {readonly} { return {} }
proc get_size {h} { return 65536 }
proc pread {h buf offset flags} {
    $::to fill 0 0x2e
    @code@
    $buf copy 0 $::to
}
#--- copying: lent
set API_VERSION 2
set from [nbdkit::buffer 6]
$from writestring 0 abcdef
proc plugin_open {readonly} { return {} }
proc get_size {h} { return 65536 }
proc pread {h buf offset flags} {
    set ::to $buf
    $::to fill 0 0x2e
    @code@
}
#--- writing
set API_VERSION 2
proc plugin_open {readonly} { return {} }
proc get_size {h} { return 65536 }
proc pread {h buf offset flags} {
    set ::to $buf
    @code@
}
