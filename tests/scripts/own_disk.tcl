#--- disk
set API_VERSION @version@
set own [nbdkit::buffer 65536]
set all [nbdkit::disk disk 65536]
proc thread_model {} { return @model@ }
proc plugin_open {readonly} { return {} }
proc get_size {h} { return 65536 }
proc pread {h what offset args} {
    if {$::API_VERSION == 1} { return [string repeat \0 $what] }
}
proc pwrite {h buf offset args} {
    global own all page
    @body@
}
#--- mistakes, version 2
copy: $own copy $offset $buf
a string: $own writestring $offset [$buf tostring]
fill: $own fill $offset [$buf readu8 0] [$buf len]
a number: $own writeu8 $offset 1
from the disk: $all pread -buffer $own 0
pages: if {![info exists page]} { set page [nbdkit::buffer 65536] }; $page copy $offset $buf
#--- mistakes, version 1
a string: $own writestring $offset $buf
pages: if {![info exists page]} { set page [nbdkit::buffer 65536] }; $page writestring $offset $buf
#--- right
nothing: set length [$buf len]
read: set byte [$own readu8 0]
the disk: $all pwrite -buffer $buf $offset
made for it: set new [nbdkit::buffer 512]; $new copy 0 $buf 0 512
scratch: $own copy 0 $buf; $all pwrite -buffer $own 0
a cache: $own copy $offset $buf; nbdkit::shared incr writes 1 0
zeroes: $own fill 0 0; $all zero 512 $offset
