# Runs what is written to it as a piece of Tcl, and reads as what that returned. What it leaves in
# globals is there for the next piece, and `arguments` has those of the callback.

set API_VERSION 2

set answer ""

proc plugin_open {readonly} { return [dict create] }
proc get_size {h} { return [expr {1 << 20}] }

# The bytes at 4 and after are the answer, and those before are their number.
proc pread {h buf offset flags} {
    $buf writeu32 0 [string length $::answer]
    $buf writestring 4 $::answer
}

proc pwrite {h buf offset flags} {
    set ::arguments [list $h $buf $offset $flags]
    # The answer is bytes, each a character.
    set ::answer [uplevel #0 [encoding convertfrom utf-8 [$buf tostring]]]
    return
}
