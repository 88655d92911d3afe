#--- disk
proc note {text} {
    set file [open "@notes@" a]
    puts $file $text
    close $file
}
proc thread_model {} { return @model@ }
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 4096 }
proc plugin_close {h} { note close }
proc cleanup {} { note cleanup }
proc pread {h count offset} {
    if {$offset >= 512} {
        note begins
        @body@
    }
    string repeat x $count
}
#--- loops
a loop: while 1 {}
one that catches errors: while 1 { catch { while 1 {} } }
one in a coroutine: coroutine inner apply {{} { while 1 {} }}
one that waits: while 1 { after 100000 }
#--- others
shuts down: nbdkit::shutdown
takes long: set ends [expr {[clock milliseconds] + 3000}]
    while {[clock milliseconds] < $ends} {}
closes slowly: note begins
    set ends [expr {[clock seconds] + 7}]
    while {[clock seconds] < $ends} {}
    note ends
