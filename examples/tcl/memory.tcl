#!/usr/bin/env -S nbdkit -f tcl
# A disk in memory.
#
# Run it from the top of the repository:
#
#   cargo build --release
#   nbdkit -f ./target/release/libnbdkit_tcl.so script=examples/tcl/memory.tcl size=16M
#
# and look at it from another terminal:
#
#   nbdinfo nbd://localhost
#   nbdcopy some-file nbd://localhost
#
# To change bytes in the middle of a value, Tcl copies all of it. So the disk is an array of pages.
# A page that was never written does not exist, and reads as zeroes.

set page_size 4096
set zeroes [binary format x$page_size]
array set pages {}

proc config {key value} {
    if {$key ne "size"} {
        error "unknown parameter $key="
    }
    if {![regexp {^(\d+)([KMG]?)$} $value -> number unit]} {
        error "size=$value is not a size such as 4096, 512K, 16M or 1G"
    }
    set ::disk_size [expr {$number << [dict get {{} 0 K 10 M 20 G 30} $unit]}]
}

proc config_complete {} {
    if {![info exists ::disk_size]} {
        error "the size= parameter is missing"
    }
}

# All clients see one disk, so there is nothing to remember about each.
proc plugin_open {readonly} {
    return {}
}

proc get_size {h} {
    return $::disk_size
}

proc page {number} {
    if {[info exists ::pages($number)]} {
        return $::pages($number)
    }
    return $::zeroes
}

# A list of {page first last} for all pages of a range: the page's number, and the first and the
# last byte in it.
proc pages_of {count offset} {
    set list {}
    while {$count > 0} {
        set first [expr {$offset % $::page_size}]
        set length [expr {min($::page_size - $first, $count)}]
        lappend list [expr {$offset / $::page_size}] $first [expr {$first + $length - 1}]
        incr offset $length
        incr count -$length
    }
    return $list
}

proc pread {h count offset} {
    set parts {}
    foreach {page first last} [pages_of $count $offset] {
        lappend parts [string range [page $page] $first $last]
    }
    # The concatenation of byte arrays is a byte array again.
    return [join_bytes $parts]
}

proc join_bytes {parts} {
    if {[llength $parts] == 1} {
        return [lindex $parts 0]
    }
    return [binary format [string repeat a* [llength $parts]] {*}$parts]
}

proc pwrite {h buf offset} {
    set done 0
    foreach {page first last} [pages_of [string length $buf] $offset] {
        set length [expr {$last - $first + 1}]
        set part [string range $buf $done [expr {$done + $length - 1}]]
        put $page $first $last $part
        incr done $length
    }
}

# Puts bytes into a page.
proc put {page first last part} {
    if {[string length $part] < $::page_size} {
        set old [page $page]
        set before [string range $old 0 [expr {$first - 1}]]
        set after [string range $old [expr {$last + 1}] end]
        set part [binary format a*a*a* $before $part $after]
    }
    set ::pages($page) $part
}

proc zero {h count offset may_trim} {
    foreach {page first last} [pages_of $count $offset] {
        if {$last - $first + 1 == $::page_size} {
            unset -nocomplain ::pages($page)
        } elseif {[info exists ::pages($page)]} {
            put $page $first $last [string range $::zeroes $first $last]
        }
    }
}

proc trim {h count offset} {
    zero $h $count $offset 1
}


# Data in memory is as durable as it gets.
proc plugin_flush {h} {
}
