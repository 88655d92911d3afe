#--- until it is gone
while {[nbdkit::shared get k ""] ne ""} { nbdkit::nanosleep 0.001 }
#--- many keys
for {set i 1} {$i <= 2000} {incr i} { nbdkit::shared set k$i $i }
#--- how many
llength @list@
#--- many
nbdkit::shared incr interpreters 1 0
proc thread_model {} { return parallel }
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 65536 }
proc pwrite {h buf offset} {
    for {set i 1} {$i <= 100} {incr i} {
        nbdkit::shared incr hits 1 0
        nbdkit::shared incr "up and down" [expr {$i % 2 == 0 ? 1 : -1}] 0
    }
    if {[nbdkit::shared add first $offset]} { nbdkit::shared incr firsts 1 0 }
    nbdkit::shared rpush in $offset
    set moved [nbdkit::shared lpop in]
    nbdkit::shared lpush out $moved
}
proc pread {h count offset} {
    set got {}
    foreach key {hits "up and down" firsts interpreters} { lappend got [nbdkit::shared get $key] }
    set sum 0
    set length [nbdkit::shared llen out]
    for {set i 0} {$i < $length} {incr i} { incr sum [nbdkit::shared lpop out] }
    lappend got [nbdkit::shared llen in] $sum
    set text [join $got " "]
    return $text[string repeat "\0" [expr {$count - [string length $text]}]]
}
