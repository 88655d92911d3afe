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
    # At the end nbdkit has closed the socket already, and cannot tell whose it was.
    set peer [expr {$name eq "close" ? "gone" : [nbdkit::peer_name]}]
    puts $::log "$name $peer [nbdkit::export_name]"
    flush $::log
}
proc config {key value} { set ::log [open $value w] }
proc plugin_open {readonly} { note open; return {} }
proc get_size {h} { note get_size; return 65536 }
proc pread {h count offset} { note pread; return [string repeat x $count] }
proc pwrite {h buf offset} { note pwrite }
proc plugin_close {h} { note close }
