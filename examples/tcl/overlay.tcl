# A disk over another one: a base file that is never written, and a sparse file that takes all
# changes.
#
#   cargo build --release
#   nbdkit -f ./target/release/libnbdkit_tcl.so examples/tcl/overlay.tcl \
#     base=disk.img overlay=changes.img
#
# The overlay has a block of the base once something in it has changed. A byte behind the last
# block, in the map, says whether it has it: 1 if so.
set API_VERSION 2

set block_size [expr {64 * 1024}]

proc config {key value} {
    if {$key ni {base overlay}} {
        error "unknown parameter $key="
    }
    set ::name($key) [nbdkit::absolute_path $value]
}

proc config_complete {} {
    if {![info exists ::name(base)] || ![info exists ::name(overlay)]} {
        error "expected the parameters base= and overlay="
    }
    set ::base [nbdkit::file $::name(base) r]
    set ::size [$::base size]
    set blocks [expr {($::size + $::block_size - 1) / $::block_size}]
    set ::map [nbdkit::buffer $blocks]
    set ::map_at [expr {$blocks * $::block_size}]
    set ::overlay [nbdkit::file $::name(overlay) create [expr {$::map_at + $blocks}]]
    # No other server may have the same overlay.
    $::overlay lock
    $::overlay pread -buffer $::map $::map_at
}

# The parts of a range, one for each block: the block, and the part's length and offset.
proc parts {count offset} {
    set list {}
    while {$count > 0} {
        set length [expr {min($count, $::block_size - $offset % $::block_size)}]
        lappend list [expr {$offset / $::block_size}] $length $offset
        incr offset $length
        incr count -$length
    }
    return $list
}

proc file_of {block} {
    return [expr {[$::map readu8 $block] ? $::overlay : $::base}]
}

# Lets a script write to the overlay, once for each part; it sees the part's length and its offset,
# at. The overlay has all of each block afterwards.
proc write {count offset change} {
    upvar length length at at
    set new {}
    foreach {block length at} [parts $count $offset] {
        if {[file_of $block] eq $::base} {
            lappend new $block
            if {$length < $::block_size} {
                set first [expr {$block * $::block_size}]
                set whole [expr {min($::block_size, $::size - $first)}]
                $::overlay pwrite [$::base pread $whole $first] $first
            }
        }
        uplevel $change
    }
    if {$new ne {}} {
        # A block is durable before the map says that it is here.
        $::overlay flush
        foreach block $new {
            $::overlay pwrite \x01 [expr {$::map_at + $block}]
            $::map writeu8 $block 1
        }
    }
}

proc plugin_open {readonly} { return {} }
proc get_size {h} { return $::size }
proc can_multi_conn {h} { return true }

proc pread {h buf offset flags} {
    foreach {block length at} [parts [$buf len] $offset] {
        $buf writestring [expr {$at - $offset}] [[file_of $block] pread $length $at]
    }
}

proc pwrite {h buf offset flags} {
    write [$buf len] $offset {
        $::overlay pwrite [$buf readstring [expr {$at - $offset}] $length] $at
    }
}

proc zero {h count offset flags} {
    write $count $offset { $::overlay zero $length $at $flags }
}

proc trim {h count offset flags} {
    zero $h $count $offset $nbdkit::FLAG_MAY_TRIM
}

proc extents {h count offset flags} {
    set list {}
    foreach {block length at} [parts $count $offset] {
        lappend list {*}[[file_of $block] extents $length $at]
    }
    return $list
}

proc plugin_flush {h flags} { $::overlay flush }
