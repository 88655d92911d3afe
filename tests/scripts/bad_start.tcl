#--- required
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 512 }
proc pread {h count offset} { return [string repeat x $count] }
#--- missing
pread: rename pread ""
two: rename plugin_open ""; rename get_size ""
variable: rename pread ""; set pread {}
other namespace: namespace eval disk {}; rename pread disk::pread
#--- unknown parameter
proc config {k v} { error "unknown $k=$v" }
