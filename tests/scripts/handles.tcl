#--- kinds of values
empty: ""
false: false
number: 42
large number: [expr {2 ** 70}]
fraction: 0.5
bytes: "a\0b\xff"
text: "caf\u00e9 \u20ac"
list: {a {b c} {}}
dictionary: [dict create a 1 b {c 2}]
no list: "\{ not a list \""
command: [namespace current]::handle
lambda: {{} {return 7}}
channel: [file tempfile]
array: seven
#--- whether it is the same
empty: $h eq ""
false: $h eq "false" && !$h
number: $h == 42
large number: $h == 2 ** 70
fraction: $h == 0.5
bytes: $h eq "a\0b\xff" && [string length $h] == 4
text: $h eq "caf\u00e9 \u20ac"
list: [llength $h] == 3 && [lindex $h 1 1] eq "c"
dictionary: [dict get $h b c] == 2
no list: $h eq "\{ not a list \""
command: [$h] == 7
lambda: [apply $h] == 7
channel: $h eq $::made && [eof $h] == 0
array: [set ::${h}(value)] == 7
#--- checked
proc handle {} { return 7 }
array set seven {value 7}
set calls ""
set path ""
proc same {h name} {
    if {!(@same@)} { error $name }
    append ::calls $name " "
}
proc plugin_open {readonly} {
    set ::made @value@
    return $::made
}
proc get_size {h} { same $h get_size; return 4096 }
proc can_write {h} { same $h can_write; return true }
proc can_flush {h} { same $h can_flush; return true }
proc can_trim {h} { same $h can_trim; return true }
proc is_rotational {h} { same $h is_rotational; return true }
proc pread {h count offset} { same $h pread; return $::calls[string repeat . $count] }
proc pwrite {h buf offset} { same $h pwrite }
proc plugin_flush {h} { same $h flush }
proc trim {h count offset} { same $h trim }
proc zero {h count offset may_trim} { same $h zero }
proc config {key value} { set ::path $value }
proc plugin_close {h} {
    same $h close
    set file [open $::path w]
    puts $file $::calls
    close $file
}
#--- values that are equal
empty: ""
false: false
7: 7
text: "text"
shared: $::shared
#--- equal
set shared [list a b]
proc plugin_open {readonly} { return @value@ }
proc get_size {h} { return 512 }
proc pread {h count offset} {
    if {$h ne @value@} { error $h }
    return [string repeat x $count]
}
proc plugin_close {h} { if {$h ne @value@} { error $h } }
