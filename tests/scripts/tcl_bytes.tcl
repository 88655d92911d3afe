#--- disk
set API_VERSION @version@
set disk [nbdkit::disk bytes 65536]
proc plugin_open {readonly} { return handle }
proc get_size {h} { return 65536 }
@callbacks@
#--- 1
proc pread {h count offset} { return [$::disk pread $count $offset] }
proc pwrite {h buf offset} { $::disk pwrite $buf $offset }
#--- 2
proc pread {h buf offset flags} { $buf writestring 0 [$::disk pread [$buf len] $offset] }
proc pwrite {h buf offset flags} { $::disk pwrite [$buf tostring] $offset }
#--- 1 in a variable
set bytes [string repeat \0 65536]
proc pread {h count offset} { string range $::bytes $offset [expr {$offset + $count - 1}] }
proc pwrite {h buf offset} {
    binary scan $::bytes a${offset}x[string length $buf]a* before after
    set ::bytes $before$buf$after
}
#--- 1 as numbers
array set bytes {}
proc pread {h count offset} {
    set numbers {}
    for {set i $offset} {$i < $offset + $count} {incr i} { lappend numbers $::bytes($i) }
    binary format c* $numbers
}
proc pwrite {h buf offset} {
    binary scan $buf cu* numbers
    foreach number $numbers { set ::bytes($offset) $number; incr offset }
}
#--- 1 as characters
array set bytes {}
proc pread {h count offset} {
    set result ""
    for {set i $offset} {$i < $offset + $count} {incr i} { append result $::bytes($i) }
    return $result
}
proc pwrite {h buf offset} {
    foreach letter [split $buf ""] { set ::bytes($offset) $letter; incr offset }
}
#--- 1 in a file
proc config {key value} { set ::file [open $value w+b] }
proc pread {h count offset} { seek $::file $offset; read $::file $count }
proc pwrite {h buf offset} { seek $::file $offset; puts -nonewline $::file $buf }
