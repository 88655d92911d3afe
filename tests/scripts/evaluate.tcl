# Runs what is written to it as Tcl code, and reads as the code's result. Globals persist for the
# next piece of code, and `arguments` contains those of the callback.

set API_VERSION 2

set answer ""

proc plugin_open {readonly} { return [dict create] }
proc get_size {h} { return [expr {1 << 20}] }

# The bytes from 4 on are the result, and those before are its length.
proc pread {h buf offset flags} {
    $buf writeu32 0 [string length $::answer]
    $buf writestring 4 $::answer
}

proc pwrite {h buf offset flags} {
    set ::arguments [list $h $buf $offset $flags]
    # The result is bytes, each a character.
    set ::answer [uplevel #0 [encoding convertfrom utf-8 [$buf tostring]]]
    return
}
