#--- echo
set written ""
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return @size@ }
proc can_write {h} { return true }
# Offsets must be usable as numbers.
proc at {what offset} { return $what@[expr {$offset + 1 - 1}] }
proc pwrite {h buf offset} { set ::written [at $buf $offset] }
proc trim {h count offset} { set ::written [at trim $offset] }
proc zero {h count offset may_trim} { set ::written [at zero $offset] }
proc pread {h count offset} {
    set text [at $count $offset]
    if {$::written ne ""} {
        set text $::written
        set ::written ""
    }
    return $text[string repeat " " $count]
}
