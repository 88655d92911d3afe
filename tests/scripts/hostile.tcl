#--- disk
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 65536 }
proc pread {h count offset} {
    if {$offset == 0} { @body@ }
    return [string repeat x $count]
}
#--- replaces pread
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 65536 }
proc pread {h count offset} { return [string repeat x $count] }
proc pwrite {h buf offset} {
    set byte [string index $buf 0]
    proc pread {h count offset} "return \[string repeat $byte \$count\]"
}
#--- until told to go
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 65536 }
proc pread {h count offset} {
    if {$offset == 0} {
        close [open "@inside@" w]
        while {![file exists "@go@"]} { after 10 }
    }
    return [string repeat x $count]
}
proc plugin_close {h} {
    set file [open "@closed@" a]
    puts $file closed
    close $file
}
