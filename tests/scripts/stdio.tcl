#--- buffering: no
fconfigure stdout -buffering none
#--- buffering: line
fconfigure stdout -buffering line
#--- buffering: full
fconfigure stdout -buffering full
#--- chatter
proc chatter {where} {
    puts "print $where"
    puts -nonewline "write $where\n"
    puts stdout "stdout $where"
    flush stdout
    exec echo execute $where >@stdout
}
chatter top
proc config {key value} { chatter config }
proc config_complete {} { chatter config_complete }
proc plugin_open {readonly} { chatter open; return 1 }
proc get_size {h} { chatter get_size; return 65536 }
proc can_write {h} { chatter can_write; return true }
proc pread {h count offset} { chatter pread; return [string repeat x $count] }
proc pwrite {h buf offset} { chatter pwrite }
proc plugin_close {h} { chatter close }
#--- reads
proc word {} { return [expr {[gets stdin line] < 0 ? "nothing" : $line}] }
set top [word]
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 512 }
proc pread {h count offset} { return "$::top [word][string repeat { } $count]" }
