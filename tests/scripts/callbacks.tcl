#--- one write
set disk ""
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return [expr {64 * 1024 * 1024}] }
proc pread {h count offset} { return [string range $::disk $offset [expr {$offset + $count - 1}]] }
proc pwrite {h buf offset} { set ::disk $buf; return }
