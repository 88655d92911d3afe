#--- constants
set list {}
foreach name [info vars ::nbdkit::*] {
    if {![array exists $name]} { lappend list [namespace tail $name]=[set $name] }
}
join $list " "
#--- errors
set list {}
foreach {name value} [array get nbdkit::errno] { lappend list $name=$value }
join $list " "
#--- surplus argument, then an error
catch { nbdkit::set_error ENOSPC surplus }; error x
