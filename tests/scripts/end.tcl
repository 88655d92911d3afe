#--- buffered
puts -nonewline [open "@output@" w] "buffered"
proc note {text} {
    set file [open "@notes@" a]
    puts $file $text
    close $file
}
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 512 }
proc pread {h count offset} { return [string repeat x $count] }
proc plugin_close {h} { note close }
proc cleanup {} { note cleanup }
