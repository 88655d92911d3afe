--- errno of
if {![catch { @code@ }]} { error "no error" }
# Without a code, the errno is EIO.
set name [lindex $::errorCode 1]
expr {[lindex $::errorCode 0] eq "POSIX" ? $nbdkit::errno($name) : $nbdkit::errno(EIO)}
--- too many
for {set i 0} {$i < 100} {incr i} { lappend ::kept [nbdkit::file @path@ r] }
--- let go of
for {set i 0} {$i < 1000} {incr i} { rename [nbdkit::file @path@ r] "" }
set answer "all opened"
--- end with
set ::f [nbdkit::file @path@ rw]
$::f lock
--- failing
set API_VERSION 2
proc config {key value} { set ::f [nbdkit::file $value rw] }
proc plugin_open {readonly} { return $::f }
proc get_size {h} { return 65536 }
proc pread {h buf offset flags} { $h pread -buffer $buf $offset }
proc pwrite {h buf offset flags} { $h pwrite -buffer $buf $offset $flags }
proc plugin_flush {h flags} { $h flush }
--- version 1
proc config {key value} { set ::name [nbdkit::absolute_path $value] }
proc plugin_open {readonly} { nbdkit::file $::name [expr {$readonly ? "r" : "rw"}] }
proc get_size {h} { $h size }
proc pread {h count offset} { $h pread $count $offset }
proc pwrite {h buf offset} { $h pwrite $buf $offset }
--- wrong calls
no arguments: nbdkit::file
no mode: nbdkit::file @path@
another mode: nbdkit::file @path@ w
create without a size: nbdkit::file @path@ create
a size to read: nbdkit::file @path@ r 5
half a byte: nbdkit::file @path@ create 0.5
less than nothing: nbdkit::file @path@ create -1
too many arguments: nbdkit::file @path@ create 5 6
no method: $::f
another method: $::f readu8 0
size: $::f size 1
flush: $::f flush 1
lock: $::f lock 1
close: $::f close 1 2
pread: $::f pread 1
pread of what is no buffer: $::f pread -buffer {} 0
pread of a disk: $::f pread -buffer [nbdkit::disk d 5] 0
pread of half a byte: $::f pread 0.5 0
pread before the beginning: $::f pread 1 -1
pread with more: $::f pread 1 0 0
pwrite: $::f pwrite
pwrite of no bytes: $::f pwrite \u1234 0; # expected bytes
pwrite at nothing: $::f pwrite x
pwrite with words as flags: $::f pwrite x 0 fua
pwrite with half a flag: $::f pwrite x 0 0.5
pwrite with a negative flag: $::f pwrite x 0 -1
zero: $::f zero 5
trim: $::f trim x 0
extents: $::f extents 5 0 {}
cache: $::f cache 5 0 0 0
truncate: $::f truncate -1
