#--- disk
set API_VERSION 2
proc plugin_open {readonly} { return handle }
proc get_size {h} { return 65536 }
proc inner {} {
    set x 1
    error inner
}
proc outer {} {
    inner
}
eval {
    proc evaluated {} {

        error evaluated
    }
}
eval [string map {NAME composed} {
    proc NAME {} {
        error NAME
    }
}]
proc calls_composed {} {

    composed
}
oo::class create Disk {
    constructor {} { }
    method bad {} {
        set x 1
        error method
    }
    method calls {} { my bad }
    destructor {
        error destructor
    }
}
oo::object create single
oo::objdefine single method bad {} {
    error single
}
namespace eval space {
    proc bad {} {
        error space
    }
    proc calls {} {
        bad
    }
    proc helper {} {
        error helper
    }
    proc calls_helper {} {
        helper
    }
}
# It has the same name as the one in the namespace.
proc helper {} {
    return
}
proc resumed {} {
    yield
    error coroutine
}
proc wrapping {} {
    try {
        inner
    } on error message {
        error "wrapped $message"
    }
}
proc passing {} {
    catch { inner } message how
    # It stays where it was.
    return -options $how $message
}
proc spread {} {
    set x [list a \
        b \
        [error spread]]
}
interp alias {} aliased {} inner
# The code of a request, on a separate line: the last one of the script.
proc pread {h buf offset flags} { uplevel #0 $::code }
proc pwrite {h buf offset flags} { set ::code [string trimright [$buf tostring] \0]; return }
