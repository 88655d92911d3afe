#--- required
set disk [string repeat "\0" 65536]
set calls ""
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return [string length $::disk] }
# The end of the disk reads as the calls so far.
proc pread {h count offset} {
    if {$offset == 65024} { return $::calls[string repeat . $count] }
    return [string range $::disk $offset [expr {$offset + $count - 1}]]
}
proc replace {offset bytes} {
    set last [expr {$offset + [string length $bytes] - 1}]
    set ::disk [string replace $::disk $offset $last $bytes]
}
#--- pwrite
proc pwrite {h buf offset} {
    append ::calls "pwrite "
    replace $offset $buf
}
#--- flush
proc plugin_flush {h} { append ::calls "flush " }
#--- trim
proc trim {h count offset} { append ::calls "trim " }
#--- zero
proc zero {h count offset may_trim} {
    append ::calls "zero "
    replace $offset [string repeat "\0" $count]
}
