#--- written through a handle
proc pwrite {h buf offset} {
    # A handle is a value, so mutable state is stored under it.
    append ::written($h) $buf
    nbdkit::shared incr inside 1 0
    while {[nbdkit::shared get inside] < 2} { nbdkit::nanosleep 0.001 }
    nbdkit::shared rpush written "$::written($h) in $::number"
}
proc plugin_flush {h} {
    set file [open "@notes@" w]
    puts -nonewline $file "[nbdkit::shared lpop written],[nbdkit::shared lpop written]"
    close $file
}
#--- fails the second time
rename plugin_open open_here
proc plugin_open {readonly} {
    if {[nbdkit::shared incr tried 1 0] == 2} {
        nbdkit::shared set failed true
        nbdkit::set_error ENOSPC
        error "no room for another"
    }
    return [open_here $readonly]
}
# Occupies an interpreter until another one has tried to open the connection.
proc pwrite {h buf offset} {
    while {![nbdkit::shared get failed false]} { nbdkit::nanosleep 0.001 }
}
#--- the last one fails
proc pwrite {h buf offset} {
    if {[nbdkit::shared incr came 1 0] == 8} {
        nbdkit::shared set failed true
        nbdkit::set_error ENOSPC
        error "the last one"
    }
    while {![nbdkit::shared get failed false]} { nbdkit::nanosleep 0.001 }
}
#--- until told to go
proc pwrite {h buf offset} {
    close [open "@folder@/inside$::number" w]
    while {![file exists "@folder@/go"]} { nbdkit::nanosleep 0.001 }
}
#--- who
# Only the first interpreter writes its notes; the others would have nothing more to write.
set NOTES "@notes@[nbdkit::shared incr count 1 0]"
proc thread_model {} { return parallel }
proc who {} { return "[nbdkit::export_name] [nbdkit::peer_name]" }
proc same {h} {
    if {[dict get $h who] ne [who]} {
        nbdkit::shared rpush wrong "[dict get $h who] is [who]"
    }
    return true
}
proc plugin_open {readonly} { return [dict create who [who] export [nbdkit::export_name]] }
proc get_size {h} { same $h; return 4096 }
proc pread {h count offset} {
    same $h
    nbdkit::nanosleep 0.0005
    same $h
    set text [who]
    return $text[string repeat "\0" [expr {$count - [string length $text]}]]
}
proc pwrite {h buf offset} { same $h }
proc zero {h count offset may_trim} { same $h }
proc trim {h count offset} { same $h }
proc plugin_flush {h} { same $h }
proc plugin_close {h} { nbdkit::shared incr closed 1 0 }
proc can_write {h} { return [same $h] }
proc can_flush {h} { return [same $h] }
proc can_trim {h} { return [same $h] }
proc is_rotational {h} { return [same $h] }
proc cleanup {} {
    set file [open $::NOTES w]
    while {[nbdkit::shared llen wrong] > 0} {
        puts $file [nbdkit::shared lpop wrong]
    }
    set closed [expr {[nbdkit::shared get closed 0] > 0}]
    puts $file "closed [expr {$closed ? {true} : {false}}]"
    close $file
}
#--- counts who is read-only
proc thread_model {} { return parallel }
proc plugin_open {readonly} {
    nbdkit::shared incr opened 1 0
    if {$readonly} { nbdkit::shared incr readonly 1 0 }
    return {}
}
proc get_size {h} { return 4096 }
proc pread {h count offset} {
    # Two requests that meet are in two interpreters.
    nbdkit::shared incr inside 1 0
    while {[nbdkit::shared get inside] < 2} { nbdkit::nanosleep 0.001 }
    set text "[nbdkit::shared get opened] [nbdkit::shared get readonly 0]"
    return $text[string repeat "\0" [expr {$count - [string length $text]}]]
}
