# NAME.tcl: a disk in memory, to begin with.
#
#   nbdkit -f script-tcl NAME.tcl size=16M
#   nbdinfo nbd://localhost                  # in another terminal
#
# Check it with: nbdkit --dump-plugin script-tcl NAME.tcl; ./test.py;
# nbdkit-script-test NAME.tcl 16M
set API_VERSION 2

# Parameters

proc dump_plugin {} { puts "NAME=a disk in memory" }
proc magic_config_key {} { return size }

proc config {key value} {
    if {$key ne "size"} {
        error "unknown parameter $key="
    }
    # Each interpreter runs this; all of them get the same disk.
    set ::disk [nbdkit::disk disk [nbdkit::parse_size $value]]
}

proc config_complete {} {
    if {![info exists ::disk]} {
        error "the size= parameter is missing"
    }
}

# The server

proc thread_model {} { return parallel }
proc get_ready {} {}
proc after_fork {} {}
proc cleanup {} {}

# Clients

proc preconnect {readonly} {}
proc list_exports {readonly is_tls} { return [list [list {} "a disk in memory"]] }
proc default_export {readonly is_tls} { return {} }

# What this returns is `h` in all other callbacks of the connection.
proc plugin_open {readonly} { return $readonly }
proc plugin_close {h} {}

proc export_description {h} { return "a disk in memory" }
proc get_size {h} { $::disk size }
proc block_size {h} { return {1 4096 -1} }
proc can_write {h} { expr {!$h} }
proc can_flush {h} { return true }
proc can_trim {h} { return true }
proc can_zero {h} { return true }
proc can_fast_zero {h} { return true }
proc can_extents {h} { return true }
proc can_fua {h} { return native }
proc can_cache {h} { return native }
proc can_multi_conn {h} { return true }
proc is_rotational {h} { return false }

# Requests

proc pread {h buf offset flags} { $::disk pread -buffer $buf $offset }
proc pwrite {h buf offset flags} { $::disk pwrite -buffer $buf $offset }
proc zero {h count offset flags} { $::disk zero $count $offset }
proc trim {h count offset flags} { $::disk trim $count $offset }
proc extents {h count offset flags} { $::disk extents $count $offset }
proc cache {h count offset flags} {}

# Memory is as durable as it gets. A disk elsewhere has to store here what was written.
proc plugin_flush {h flags} {}
