#--- disk
set text x
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 512 }
proc pread {h count offset} { return [string repeat $::text $count] }
#--- text of a parameter
proc config {key value} { set ::text $value }
#--- text of a parameter and its key
proc config {key value} { set ::text $key$value }
#--- failing
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 512 }
proc pread {h count offset} {
    set text x
    error "here it fails"
}
#--- dump_plugin
proc dump_plugin {} {
    puts "from_print=1"
    puts -nonewline "from_write=2\n"
    puts stdout "from_stdout=3"
}
#--- opened file
proc config {key value} {
    set ::file [open $value rb]
}
proc plugin_open {readonly} { return $::file }
proc get_size {h} { seek $h 0 end; return [tell $h] }
proc pread {h count offset} {
    seek $h $offset
    return [read $h $count]
}
#--- note of the close
proc plugin_close {h} {
    set file [open "@notes@" w]
    puts -nonewline $file closed
    close $file
}
