#--- disk
set disk [string repeat d 16384][string repeat "\0" 49152]
proc plugin_open {readonly} { return {} }
proc get_size {h} { return [string length $::disk] }
proc pread {h count offset} { return [string range $::disk $offset [expr {$offset + $count - 1}]] }
proc extents {h count offset flags} {
    if {$offset != 4096} { return [list [list 0 [string length $::disk] 0]] }
    @body@
}
#--- a million
proc plugin_open {readonly} { return {} }
proc get_size {h} { return [expr {2 ** 30}] }
proc pread {h count offset} { return [string repeat x $count] }
proc extents {h count offset flags} {
    set list {}
    for {set i 1} {$i <= 1048576} {incr i} {
        lappend list [list [expr {$offset + ($i - 1) * 512}] 512 [expr {$i % 2}]]
    }
    return $list
}
#--- as many as are asked for
if {$flags == $nbdkit::FLAG_REQ_ONE} { return [list [list $offset 512 3]] }
return [list [list $offset 512 3] [list [expr {$offset + 512}] [expr {$count - 512}] 0]]
#--- mapped
set MIB [expr {1 << 20}]
set kinds {"" hole,zero "" zero}
proc plugin_open {readonly} { return {} }
proc get_size {h} { return [expr {4 * $::MIB}] }
proc pread {h count offset} {
    if {[lindex $::kinds [expr {$offset / $::MIB}]] ne ""} { error "this need not be read" }
    return [string repeat d $count]
}
proc extents {h count offset flags} {
    set list {}
    for {set i [expr {$offset / $::MIB}]} {$i < 4} {incr i} {
        lappend list [list [expr {$i * $::MIB}] $::MIB [lindex $::kinds $i]]
    }
    return $list
}
#--- one that is longer than any request
proc plugin_open {readonly} { return {} }
proc get_size {h} { expr {1 << 33} }
proc pread {h count offset} { string repeat "\0" $count }
proc extents {h count offset flags} { list [list 0 [expr {1 << 33}] 3] }
