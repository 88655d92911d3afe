#--- disk
proc plugin_open {readonly} { return [nbdkit::export_name] }
proc get_size {h} {
    # As many bytes as the name has outside Tcl.
    return [expr {[string length [encoding convertto [encoding system] $h]] + 1024}]
}
proc pread {h count offset} { return [string repeat x $count] }
#--- numbered
set t {}; for {set i 1} {$i <= @count@} {incr i} { lappend t [list e$i d$i] }; return $t
#--- fine the second time
if {[info exists ::ok]} { return fine }; set ::ok true; @body@
#--- two
proc list_exports {readonly is_tls} { return {{one "the first"} {three "the last"}} }
proc export_description {h} { return "about $h" }
