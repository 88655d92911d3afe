#--- disk
proc plugin_open {readonly} { return {} }
proc get_size {h} { return [expr {2 ** 20}] }
proc pread {h count offset} { return [string repeat x $count] }
set asked 0
proc block_size {h} {
    if {[incr ::asked] == 1} { @body@ } else { return {1 512 4294967295} }
}
#--- of the export
proc plugin_open {readonly} { return [nbdkit::export_name] }
proc get_size {h} { return [expr {2 ** 20}] }
proc pread {h count offset} { return [string repeat x $count] }
proc block_size {h} { return $h }
