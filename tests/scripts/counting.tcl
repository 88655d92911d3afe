# Counts what happens in which interpreter, and how many are busy at once. A read below FACTS joins
# a meeting: nobody leaves before as many have come as the offset says. A read at or after FACTS
# returns all counts, as does the file named by facts= when the server has ended.

set FACTS [expr {1 << 20}]
# Every this many bytes there is another meeting.
set MEETING 4096

set number [nbdkit::shared incr interpreters 1 0]
set working false
set connections [dict create]
set handles 0
set model serialize_all_requests
set path ""

# It may be cut short because the client has gone.
proc sleep {} { catch { nbdkit::nanosleep 0.001 } }

proc config {key value} {
    if {$key eq "model"} {
        # The number of a thread model, or its name.
        set ::model $value
    } elseif {$key eq "facts"} {
        set ::path $value
    } else {
        error $key
    }
}

proc thread_model {} { return $::model }

proc known {} {
    set lines ""
    foreach key [nbdkit::shared get_keys 0] {
        append lines $key = [nbdkit::shared get $key] \n
    }
    return $lines
}

proc cleanup {} {
    nbdkit::shared incr "cleanup $::number" 1 0
    if {$::path ne ""} {
        set file [open $::path w]
        puts -nonewline $file [known]
        close $file
    }
}

proc plugin_open {readonly} {
    incr ::handles
    set h [dict create number $::number connection [nbdkit::export_name] handle $::handles]
    nbdkit::shared incr "open $::number" 1 0
    nbdkit::shared incr opened 1 0
    dict set ::connections $h true
    return $h
}

# A handle belongs to one interpreter, and to one connection there.
proc check {h} {
    if {[dict get $h number] != $::number || ![dict exists $::connections $h]
            || [dict get $h connection] ne [nbdkit::export_name]} {
        nbdkit::shared incr "wrong handles" 1 0
    }
}

proc plugin_close {h} {
    check $h
    dict unset ::connections $h
    nbdkit::shared incr "close $::number" 1 0
    nbdkit::shared incr closed 1 0
}

proc get_size {h} { check $h; return [expr {1 << 21}] }
proc can_multi_conn {h} { check $h; return true }

proc begin {h} {
    check $h
    if {$::working} {
        nbdkit::shared incr "two in one interpreter" 1 0
    }
    set ::working true
    nbdkit::shared set "at once [nbdkit::shared incr {at work} 1 0]" true
    nbdkit::shared incr "reads $::number" 1 0
}

proc finish {} {
    nbdkit::shared incr "at work" -1
    set ::working false
}

proc pread {h count offset} {
    if {$offset >= $::FACTS} {
        check $h
        set text [known]
        return $text[string repeat "\0" [expr {$count - [string length $text]}]]
    }
    begin $h
    set meeting "at meeting [expr {$offset / $::MEETING}]"
    set wanted [expr {$offset % $::MEETING}]
    nbdkit::shared incr $meeting 1 0
    for {set i 0} {$i < 20000} {incr i} {
        if {[together $meeting $wanted]} {
            # Long enough for another request to come in between, if one could.
            sleep
            finish
            return [string repeat x $count]
        }
        sleep
    }
    finish
    error "waited in vain for $wanted requests at once"
}

proc together {meeting wanted} {
    return [expr {[nbdkit::shared get $meeting] >= $wanted}]
}
