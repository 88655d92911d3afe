#--- disk
proc plugin_open {readonly} { return {} }
proc get_size {h} { return 65536 }
proc pread {h count offset} { return [string repeat x $count] }
proc put {name text} {
    set file [open $name w]
    puts -nonewline $file $text
    close $file
}
#--- paths
proc config {key value} {}
proc get_ready {} {
    put answers [join [list \
        [nbdkit::absolute_path no/such] [nbdkit::absolute_path /as/it/is] \
        [nbdkit::realpath link] [nbdkit::realpath below/../file] [nbdkit::realpath .] \
    ] \n]
}
#--- password
proc config {key value} { put answer <[nbdkit::read_password $value]> }
#--- stdio_safe
proc word {boolean} { return [expr {$boolean ? "true" : "false"}] }
put loading [word [nbdkit::stdio_safe]]
proc config {key value} { put config [word [nbdkit::stdio_safe]] }
#--- asking
set failed 0
proc ask {} { incr ::failed [catch { @question@ }] }
ask
proc config_complete {} { ask }
proc get_ready {} { ask }
proc after_fork {} { ask }
proc pread {h count offset} { return $::failed[string repeat x $count] }
proc cleanup {} { ask }
