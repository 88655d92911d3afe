#--- disk
proc plugin_open {readonly} { return handle }
proc get_size {h} { return 65536 }
proc can_flush {h} { return true }
proc pwrite {h buf offset} {}
proc plugin_flush {h} {}
proc pread {h count offset} { return [string repeat x $count] }
