#--- asking
proc word {boolean} { return [expr {$boolean ? "true" : "false"}] }
proc plugin_open {readonly} {
    set answer {}
    foreach name {@questions@} {
        if {[catch { nbdkit::$name } found]} {
            set found error
        } elseif {$name eq "is_tls"} {
            set found [word $found]
        }
        lappend answer $found
    }
    return [join $answer \n]\n\n
}
proc get_size {h} { return 65536 }
proc pread {h count offset} {
    return [encoding convertto [encoding system] $h][string repeat x $count]
}
#--- whether it is TLS
proc list_exports {readonly is_tls} { return [list [list "tls is [word $is_tls]"]] }
proc default_export {readonly is_tls} { return "tls is [word $is_tls]" }
#--- noting
proc note {name} {
    puts $::log "$name [nbdkit::peer_name] [nbdkit::export_name]"
    flush $::log
}
proc config {key value} { set ::log [open $value w] }
proc plugin_open {readonly} { note open; return {} }
proc get_size {h} { note get_size; return 65536 }
proc pread {h count offset} { note pread; return [string repeat x $count] }
proc pwrite {h buf offset} { note pwrite }
proc plugin_close {h} { note close }
#--- noting all
# Each open and close writes a line at once: the result of each function, or its message.
proc note {where export} {
    set answers [list $where $export]
    foreach name {@questions@} {
        if {[catch { nbdkit::$name } found]} {
            set found "failed: $found"
        } elseif {$name eq "is_tls"} {
            set found [expr {$found ? "true" : "false"}]
        }
        lappend answers $name=$found
    }
    set log [open $::file a]
    puts $log [join $answers |]
    close $log
}
proc config {key value} { set ::[expr {$key eq "log" ? "file" : "model"}] $value }
proc thread_model {} { return $::model }
proc plugin_open {readonly} {
    note open [nbdkit::export_name]
    return [nbdkit::export_name]
}
proc plugin_close {h} { note close $h }
proc get_size {h} { return 65536 }
proc pread {h count offset} {
    @pread@
    return [string repeat x $count]
}
#--- fails once
if {$offset == 512 && ![info exists ::failed]} {
    set ::failed 1
    error "the first time"
}
#--- meets another
if {$offset == 512} {
    nbdkit::shared incr here 1 0
    while {[nbdkit::shared get here] < 2} { nbdkit::nanosleep 0.001 }
}
#--- asks everywhere
proc ask {} {
    foreach name {@questions@} {
        set failed [catch { nbdkit::$name } found]
        nbdkit::debug "$name [expr {$failed ? $found : "answered"}]"
    }
}
ask
proc config_complete {} { ask }
proc get_ready {} { ask }
proc after_fork {} { ask }
proc cleanup {} { ask }
proc preconnect {readonly} { ask }
proc list_exports {readonly is_tls} { ask; return a }
proc default_export {readonly is_tls} { ask; return a }
proc plugin_open {readonly} { ask }
proc get_size {h} { ask; return 65536 }
proc pread {h count offset} { ask; return [string repeat x $count] }
proc plugin_close {h} { ask }
#--- ahead
# What `cache` and the opens for it see of the client, in a thread of the filter.
set API_VERSION 2
proc thread_model {} { return parallel }
proc plugin_open {readonly} { nbdkit::export_name }
proc get_size {h} { return 16777216 }
proc can_cache {h} { return native }
proc cache {h count offset flags} {
    set tls [expr {[nbdkit::is_tls] ? "true" : "false"}]
    nbdkit::shared add seen "$h [nbdkit::export_name] [nbdkit::peer_name] $tls"
}
proc pread {h buf offset flags} {
    nbdkit::nanosleep 0.002
    $buf fill 0 0
    if {![catch { nbdkit::shared get seen } seen]} { $buf writestring 0 $seen }
}
