#--- disk
# The name of the client's export defines the callbacks and their return values, and the offset of a
# request defines which callbacks fail and how: see sweep/__init__.py.
set API_VERSION @version@

array set BITS {pread 1 pwrite 2 flush 4 trim 8 zero 16 extents 32 cache 64}
set ODD {0 -1 -95 2147483647 2147483648 4294967391 9007199254740992}
set QUESTIONS {
    can_write can_flush can_trim can_zero can_fast_zero can_extents can_fua can_multi_conn can_cache
}

proc mask {name} { expr {(($::place >> 17) & $::BITS($name)) != 0} }

proc answer {name count offset {good 1}} {
    if {$offset ne ""} { set ::place $offset }
    if {[llength $::notes] < 400} { lappend ::notes "$name $::place $count" }
    set code [expr {($::place >> 9) & 255}]
    if {$code == 0 || ![mask $name]} { return $good }
    set way [expr {$code % 3}]
    if {$code > 133} { set code [lindex $::ODD [expr {$code - 134}]] }
    switch $way {
        0 { nbdkit::error $code "asked to" }
        1 { nbdkit::set_error $code; throw {MY CODE} "asked to" }
        2 { nbdkit::set_error $code; error "asked to" }
    }
}

array set requests {
    pwrite { {h buf offset args} { answer pwrite [length $buf] $offset } }
    plugin_flush { {h args} { answer flush 0 "" } }
    trim { {h count offset args} { answer trim $count $offset } }
    zero { {h count offset args} { answer zero $count $offset } }
    cache { {h count offset flags} { answer cache $count $offset } }
    extents { {h count offset flags} {
        set ::place $offset
        if {![mask pread] || $count == 1} {
            return [answer extents $count $offset [list [list 0 $::size hole,zero]]]
        }
        set half [expr {$count / 2}]
        set list [list [list $offset $half 0] [list [expr {$offset + $half}] [expr {$count - $half}] 3]]
        return [answer extents $count $offset $list]
    } }
}

proc plugin_open {readonly} {
    set ::size [expr {(1 << 40) + 512}]
    set ::place 0
    set ::notes {}
    set ::reads ""
    foreach name [concat [array names ::requests] $::QUESTIONS] {
        if {[info commands $name] ne ""} { rename $name "" }
    }
    foreach word [split [nbdkit::export_name] ,] {
        lassign [split $word =] name value
        switch $name {
            "" {}
            size { set ::size $value }
            reads { set ::reads $value }
            flush { proc plugin_flush {*}$::requests(plugin_flush) }
            default {
                if {$value eq ""} {
                    proc $name {*}$::requests($name)
                } elseif {$value eq "fails"} {
                    proc $name {h} { error "asked to" }
                } else {
                    proc $name {h} [list return $value]
                }
            }
        }
    }
    return 1
}

proc get_size {h} { return $::size }

proc content {count offset} {
    if {$count != 16384} {
        return [string repeat [format %c [expr {65 + ($offset >> 9) % 26}]] $count]
    }
    set noted [join $::notes \n]
    set ::notes {}
    return $noted[string repeat \0 [expr {$count - [string length $noted]}]]
}

if {$API_VERSION == 1} {
    proc length {data} { string length $data }
    proc pread {h count offset} { answer pread $count $offset [content $count $offset] }
} else {
    proc length {buf} { $buf len }
    proc pread {h buf offset flags} {
        if {$::reads eq "text"} {
            set ::place $offset
            return [content [$buf len] $offset]
        }
        answer pread [$buf len] $offset
        if {[$buf len] == 16384} {
            $buf writestring 0 [content 16384 $offset]
        } else {
            $buf fill 0 [expr {65 + ($offset >> 9) % 26}]
        }
        return
    }
}
