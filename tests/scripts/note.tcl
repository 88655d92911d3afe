# Records every call of each callback of the official plugin, with the kinds and values of its
# arguments, in the file that note= names. The disk is a string of bytes.

set disk [string repeat "\0" 65536]
set notes ""
set connections 0

# Values have no types in Tcl, so each is shown as the expected type if possible.
proc show {kind value} {
    switch $kind {
        integer {
            if {[string is entier -strict $value]} { return integer:$value }
        }
        boolean {
            if {[string is boolean -strict $value]} {
                return boolean:[expr {$value ? "true" : "false"}]
            }
        }
        handle {
            return handle:[dict get $value name]
        }
        string {
            regsub -all {[^[:alnum:]]} [string range $value 0 7] . beginning
            # A character past ASCII does not count as a letter here, as in Lua.
            regsub -all {[^\u0001-\u007f]} $beginning . beginning
            return string:[string length $value]:$beginning
        }
    }
    return "no $kind:$value"
}

proc note {name args} {
    set words $name
    foreach {kind value} $args {
        append words " " [show $kind $value]
    }
    if {$::notes ne ""} {
        puts $::notes $words
        flush $::notes
    }
}

proc replace {offset bytes} {
    set last [expr {$offset + [string length $bytes] - 1}]
    set ::disk [string replace $::disk $offset $last $bytes]
}

proc dump_plugin {args} {
    puts "noted=[llength $args]"
}

proc config {key value} {
    if {$key eq "note"} {
        set ::notes [open $value w]
    }
    # As the bytes that it would have as a file name.
    note config string $key string [encoding convertto [encoding system] $value]
}

proc config_complete {} { note config_complete }

proc plugin_open {readonly} {
    note open boolean $readonly
    incr ::connections
    return [dict create name handle$::connections]
}

proc plugin_close {h} { note close handle $h }

proc get_size {h} {
    note get_size handle $h
    return [string length $::disk]
}

proc can_write {h} { note can_write handle $h; return true }
proc can_flush {h} { note can_flush handle $h; return true }
proc can_trim {h} { note can_trim handle $h; return true }
proc is_rotational {h} { note is_rotational handle $h; return true }

proc pread {h count offset} {
    note pread handle $h integer $count integer $offset
    return [string range $::disk $offset [expr {$offset + $count - 1}]]
}

proc pwrite {h buf offset} {
    note pwrite handle $h string $buf integer $offset
    replace $offset $buf
}

proc plugin_flush {h} { note flush handle $h }

proc trim {h count offset} {
    note trim handle $h integer $count integer $offset
    replace $offset [string repeat "\0" $count]
}

proc zero {h count offset may_trim} {
    note zero handle $h integer $count integer $offset boolean $may_trim
    replace $offset [string repeat "\0" $count]
}
