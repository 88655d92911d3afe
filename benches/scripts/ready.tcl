# The least that a disk can do: what is measured is the way into Tcl and back.
#
# Runs under nbdkit's own Tcl plugin as well.

set ready [string repeat x 512]

proc plugin_open {readonly} {
    return h
}

proc get_size {h} {
    return 1048576
}

proc pread {h count offset} {
    global ready
    return $ready
}
