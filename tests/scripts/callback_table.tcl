#--- required
proc plugin_open {readonly} { return {} }
proc get_size {h} { return 65536 }
proc pread {h count offset} { return [string repeat x $count] }
#--- life
proc note {args} {
    puts $::log [join $args " "]
    flush $::log
}
proc word {boolean} { return [expr {$boolean ? "true" : "false"}] }
proc config {key value} {
    if {$key eq "log"} { set ::log [open $value w] }
    note config $key
}
foreach name {config_complete get_ready after_fork cleanup} {
    proc $name {args} "note $name \[llength \$args\]; return $name"
}
proc preconnect {args} { note preconnect [llength $args] [word [lindex $args 0]] }
proc plugin_open {args} { note open [llength $args] [word [lindex $args 0]]; return open }
proc plugin_close {args} { note close [llength $args] [lindex $args 0] }
proc thread_model {args} { note thread_model {*}$args; return serialize_connections }
proc get_size {h} { note get_size $h; return 65536 }
proc pread {h count offset} { note pread $h; return [string repeat x $count] }
#--- life, version 2
proc pread {h buf offset flags} { note pread $h }
#--- once
if {[incr ::asked] == 1} { @body@ }; return @answer@
#--- preconnect that logs
proc preconnect {readonly} { close [open $::log w]; error "no" }
proc config {key value} { set ::log $value }
#--- config
set text ""
proc config {key value} { append ::text $key = $value ";" }
proc pread {h count offset} { return $::text[string repeat " " $count] }
#--- another magic key each time
proc magic_config_key {args} { return key[incr ::calls]of[llength $args] }
#--- data
proc pwrite {h buf offset} {}
proc extents {h count offset flags} { return {{0 65536 0}} }
