#--- load
# Each kind of request does something for which Tcl has state of its own, in the thread or in the
# process, and compares the result.
proc thread_model {} { return parallel }
proc config {key value} { set ::$key $value }
proc config_complete {} {
    set file [open $::file rb]
    set ::content [read $file 512]
    close $file
}
proc plugin_open {readonly} {
    set channel [open $::file rb]
    return [dict create channel $channel name $channel-of-[pid]]
}
proc plugin_close {h} { close [dict get $h channel] }
proc get_size {h} { return 65536 }
proc same {one other} {
    if {$one ne $other} { error "found $one, expected $other" }
}
array set work {
@work@
}
proc pread {h count offset} {
    # Values set by another interpreter, or by two requests at once, must not show here.
    set ::mine $offset
    lappend ::list $offset
    eval $::work([expr {$offset / 512}])
    same $::mine $offset
    same [lindex $::list end] $offset
    set ::list [lrange $::list end-9 end]
    return [string repeat x $count]
}
#--- work
sleep: after 1
timer: after 1 {set ::done now}; vwait ::done; same $::done now; unset ::done
idle: after idle {set ::done idle}; vwait ::done; same $::done idle; unset ::done
regular expressions: same [regexp -inline {^(\d+)-(\w+)-[a-f]{2,}$} "12-$offset-ff"] [list 12-$offset-ff 12 $offset]
substitution: same [regsub -all {[aeiou]} "banana$offset" {<&>}] "b<a>n<a>n<a>$offset"
command: same [exec echo $offset] $offset
pipeline: same [exec echo $offset | cat | cat] $offset
command that fails: same [catch {exec sh -c "exit 3"} message how] 1; same [lindex [dict get $how -errorcode] 2] 3
pipe: set f [open |cat r+]; puts $f $offset; flush $f; same [gets $f] $offset; close $f
event of a pipe: set f [open |[list echo $offset]]; fileevent $f readable [list set ::ready $f]; vwait ::ready; same [gets $f] $offset; close $f
paths: same [file tail [file normalize ../x/./y/../$offset]] $offset; same [file exists $::file] 1
reading: set f [open $::file rb]; fconfigure $f -buffersize 100; same [read $f 512] $::content; close $f
handle: set f [dict get $h channel]; seek $f 0; same [read $f 512] $::content
temporary file: set f [file tempfile name]; puts $f $offset; close $f; set f [open $name]; same [gets $f] $offset; close $f; file delete $name
directory: same [lsearch -exact [glob -directory [file dirname $::file] *] $::file] [lsearch -exact [glob -directory [file dirname $::file] *] $::file]
clock: same [clock scan [clock format 86400 -gmt 1 -format %Y-%m-%d] -gmt 1 -format %Y-%m-%d] 86400
time zone: same [clock format 0 -timezone :Europe/Berlin -format %H] 01
binary: binary scan [binary format iu2Wd {1 2} $offset 1.5] iu2Wd a b c; same $a/$b/$c "1 2/$offset/1.5"
encodings: same [encoding convertfrom shiftjis [encoding convertto shiftjis \u3042]] \u3042; same [encoding convertfrom utf-8 [encoding convertto utf-8 \u20ac$offset]] \u20ac$offset
large numbers: same [expr {(2 ** 200 + $offset) % 2 ** 100}] $offset
random numbers: same [expr {srand($offset + 1)}] [expr {srand($offset + 1)}]; expr {rand()}
environment: set v TCL_TEST_[nbdkit::shared incr variables 1 0]; set ::env($v) $offset; same $::env($v) $offset; same [exec sh -c "echo \$$v"] $offset; unset ::env($v); same [info exists ::env($v)] 0
coroutine: coroutine next apply {{n} {yield; return $n}} $offset; same [next] $offset
object: oo::class create C {variable v; constructor n {set v $n}; method get {} {return $v}}; set o [C new $offset]; same [$o get] $offset; C destroy
namespace: namespace eval n {proc p x {return $x}}; same [n::p $offset] $offset; namespace delete n
child interpreter: set i [interp create]; $i eval {proc f x {return $x}}; same [$i eval [list f $offset]] $offset; interp delete $i
safe interpreter: set i [interp create -safe]; same [catch {$i eval {open /dev/null}}] 1; interp delete $i
compression: same [zlib decompress [zlib compress $::content]] $::content
dictionary: set d {}; for {set i 0} {$i < 100} {incr i} {dict set d $i $offset}; same [dict size $d] 100
buffer: set b [nbdkit::buffer 512]; $b writestring 0 $::content; same [$b tostring] $::content; rename $b {}
shared: nbdkit::shared incr requests 1 0; nbdkit::shared set key$offset $offset; same [nbdkit::shared get key$offset] $offset
package: package require nbdkit; package require msgcat; same [msgcat::mc hello] hello
error: same [catch {error $offset info {A B}} message how] 1; same [dict get $how -errorcode] {A B}
