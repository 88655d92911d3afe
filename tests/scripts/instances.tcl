#--- noting
set number [nbdkit::shared incr interpreters 1 0]
proc note {args} {
    set file [open "@notes@/$::number" a]
    puts $file [join $args " "]
    close $file
}
note top
proc config {key value} { note config $key $value }
proc config_complete {} { note config_complete }
proc thread_model {} { return @model@ }
proc get_ready {} { note get_ready }
proc after_fork {} { note after_fork }
proc cleanup {} { note cleanup }
proc plugin_open {readonly} { note open [expr {$readonly ? "true" : "false"}]; return $::number }
proc plugin_close {h} { note close $h }
proc get_size {h} { return 512 }
proc pread {h count offset} { return [string repeat x $count] }
#--- disk
set number [nbdkit::shared incr interpreters 1 0]
set text x
proc fail_in_three {} {
    if {$::number == 3} { error "three" }
}
proc thread_model {} { return parallel }
proc config {key value} {}
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 512 }
proc pread {h count offset} { return [string repeat $::text $count] }
#--- reads as its configuration
proc config {key value} { set ::text "$key=$value;$::number;" }
#--- no pread in three
if {$number == 3} { rename pread "" }
#--- cleanup that fails in two
proc cleanup {} { note cleanup; if {$::number == 2} { error "two" } }
#--- magic key
proc magic_config_key {} { note magic; return file }
#--- breaks its own file
proc config {key value} { set ::text $value }
if {$number == 1} {
    set file [open disk.tcl w]
    puts -nonewline $file "= broken"
    close $file
}
#--- hello
puts stderr "hello from $number"
#--- another file
incr loaded
set word m
#--- with other files
source word.tcl
if {$loaded != 1} { error "loaded $loaded times" }
proc content {name} {
    set file [open $name]
    set content [read $file]
    close $file
    return $content
}
set data [content data]
proc config {key value} { append ::data [content $value] }
proc thread_model {} { return serialize_requests }
proc get_ready {} { set ::text $::word$::data[content data] }
proc pread {h count offset} {
    return [string range [string repeat $::text $count] 0 [expr {$count - 1}]]
}
