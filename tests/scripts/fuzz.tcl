#--- disk
# A disk with a good part, which must be right, followed by cells that do odd things. Its pieces are
# below; fuzz/case.py chooses among them.
set API_VERSION @version@
set GOOD @good@
set CELL 4096
set state @seed@
proc random {n} {
    set ::state [expr {$::state * 16807 % 2147483647}]
    expr {$::state % $n}
}
set kept {}
set scratch [nbdkit::buffer 256]
@storage@
nbdkit::disk other 100000
set ODD [list 0 1 -1 3 255 256 1048576 1099511627776 9007199254740992 -9223372036854775808 \
    9223372036854775808 1e300 0.5 NaN Inf -Inf true no {} x "\0\xff" \u0100 "caf\u00e9 \u20ac" 12 0x10 \
    [string repeat long 100] {1 2} "\{" $scratch nbdkit::shared key list number -buffer EPERM [list a b c]]
proc odd {} { lindex $::ODD [random [llength $::ODD]] }
set METHODS {
    len tostring readstring writestring copy fill nothing readi8 readu8 writei8 readf32 writef64be
    readi64 writei64be readu32be writeu16 readf64be {} l
}
set SHARED {get set add replace incr lpush rpush lpop rpop llen ttl expire get_keys delete {} nothing}
set FUNCTIONS {
    debug error set_error parse_size parse_bool parse_int parse_probability parse_delay absolute_path
    realpath export_name is_tls peer_name peer_pid peer_uid peer_gid peer_security_context peer_tls_dn
    stdio_safe name debug_hexdump debug_hexdiff
    timestamp
}
set KEYS [list key list number {} "\0" \u20ac]
proc has_buffer {buf} { expr {$::API_VERSION == 2 && [string match ::nbdkit::buffer* $buf]} }
oo::class create counter { variable n; method step {} { incr n }; method serve {f} { my step; apply $f } }
set counter [counter new]
proc later {result} { set ::later $result }

# What happens before a request to the good part is served.
set before {
@before@
}
# How it is served.
set ways {
@ways@
}
# What requests to the cells do.
set cells {
@cells@
}

proc thread_model {} { return @model@ }
proc get_size {h} { expr {$::GOOD + $::CELL * [llength $::cells]} }
proc can_multi_conn {h} { return yes }
@callbacks@

proc serve {what buf count offset code} {
    if {$offset >= $::GOOD} {
        set cell [lindex $::cells [expr {($offset - $::GOOD) / $::CELL}]]
        return [apply [list {what buf count offset} $cell ::] $what $buf $count $offset]
    }
    set sector [expr {$offset / 512}]
    set first [lindex $::before [expr {$sector % [llength $::before]}]]
    apply [list {what buf count offset} $first ::] $what $buf $count $offset
    set way [lindex $::ways [expr {$sector / 3 % [llength $::ways]}]]
    apply [list f $way ::] [list {} $code ::]
}

if {$API_VERSION == 1} {
    proc length {data} { string length $data }
    proc pread {h count offset} { serve pread {} $count $offset [list fetch $count $offset] }
} else {
    proc length {buf} { $buf len }
    proc pread {h buf offset flags} {
        serve pread $buf [$buf len] $offset [list fill $buf $offset]
        return
    }
}
proc pwrite {h buf offset args} { serve pwrite $buf [length $buf] $offset [list store $buf $offset] }
if {@wipes@} {
    proc trim {h count offset args} { serve trim {} $count $offset [list wipe $count $offset] }
    proc zero {h count offset args} { serve zero {} $count $offset [list wipe $count $offset] }
}
if {@tells@} {
    proc extents {h count offset flags} {
        serve extents {} $count $offset [list allocated $count $offset]
    }
}
#--- storage disk
set disk [nbdkit::disk disk $GOOD]
proc fetch {count offset} { $::disk pread $count $offset }
proc fill {buf offset} { $::disk pread -buffer $buf $offset }
proc store {data offset} {
    if {$::API_VERSION == 1} { $::disk pwrite $data $offset } else { $::disk pwrite -buffer $data $offset }
}
proc wipe {count offset} { $::disk zero $count $offset }
proc allocated {count offset} { $::disk extents $count $offset }
#--- storage file
set disk [nbdkit::file disk create $GOOD]
proc fetch {count offset} { $::disk pread $count $offset }
proc fill {buf offset} { $::disk pread -buffer $buf $offset }
proc store {data offset} {
    if {$::API_VERSION == 1} { $::disk pwrite $data $offset } else { $::disk pwrite -buffer $data $offset }
}
proc wipe {count offset} { $::disk zero $count $offset [expr {$nbdkit::FLAG_MAY_TRIM * [random 2]}] }
proc allocated {count offset} { $::disk extents $count $offset }
#--- storage buffer
set disk [nbdkit::buffer $GOOD]
proc fetch {count offset} { $::disk readstring $offset $count }
proc fill {buf offset} { $buf copy 0 $::disk $offset [$buf len] }
proc store {data offset} {
    if {$::API_VERSION == 1} { $::disk writestring $offset $data } else { $::disk copy $offset $data }
}
proc wipe {count offset} { $::disk fill $offset 0 $count }
proc allocated {count offset} { list [list $offset $count 0] }
#--- storage numbers
# Byte by byte, with the methods that read and write one number.
set disk [nbdkit::buffer $GOOD]
proc fetch {count offset} {
    set bytes {}
    for {set i $offset} {$i < $offset + $count} {incr i} { lappend bytes [$::disk readu8 $i] }
    binary format c* $bytes
}
proc fill {buf offset} {
    set length [$buf len]
    set whole [expr {$length - $length % 4}]
    for {set i 0} {$i < $whole} {incr i 4} { $buf writeu32 $i [$::disk readu32 [expr {$offset + $i}]] }
    for {} {$i < $length} {incr i} { $buf writei8 $i [$::disk readi8 [expr {$offset + $i}]] }
}
proc store {data offset} {
    if {$::API_VERSION == 1} {
        binary scan $data cu* bytes
        foreach byte $bytes { $::disk writeu8 $offset $byte; incr offset }
        return
    }
    set length [$data len]
    set whole [expr {$length - $length % 2}]
    for {set i 0} {$i < $whole} {incr i 2} {
        $::disk writeu16be [expr {$offset + $i}] [$data readu16be $i]
    }
    for {} {$i < $length} {incr i} { $::disk writeu8 [expr {$offset + $i}] [$data readu8 $i] }
}
proc wipe {count offset} {
    for {set i $offset} {$i < $offset + $count} {incr i} { $::disk writeu8 $i 0 }
}
proc allocated {count offset} { list [list $offset $count {}] }
#--- storage dictionary
set empty [string repeat \0 512]
proc fetch {count offset} {
    set found {}
    for {set at $offset} {$at < $offset + $count} {incr at 512} {
        append found [nbdkit::shared get "sector $at" $::empty]
    }
    return $found
}
proc fill {buf offset} { $buf writestring 0 [fetch [$buf len] $offset] }
proc store {data offset} {
    if {$::API_VERSION == 2} { set data [$data tostring] }
    for {set at 0} {$at < [string length $data]} {incr at 512} {
        nbdkit::shared set "sector [expr {$offset + $at}]" [string range $data $at [expr {$at + 511}]]
    }
}
proc wipe {count offset} {
    for {set at $offset} {$at < $offset + $count} {incr at 512} { nbdkit::shared delete "sector $at" }
}
proc allocated {count offset} { list [list 0 $::GOOD 0] }
#--- before
nothing: set x 0
garbage: for {set i 0} {$i < 200} {incr i} { set x [list [list $i] [string repeat $i 10]] }
caught: foreach e {text {} 0} { if {![catch {error $e}]} { error "not caught" } }
caught errno: catch {nbdkit::error EPERM caught} m o; if {[lindex [dict get $o -errorcode] 1] ne "EPERM"} { error $o }
try: try { nbdkit::error ENOSPC full } trap {POSIX ENOSPC} {m o} { set x $m } finally { set y 1 }
set_error: nbdkit::set_error ENOSPC
deep: proc f {n} { expr {$n > 0 ? 1 + [f [expr {$n - 1}]] : 0} }; f 150
overflow: proc f {} { expr {1 + [f]} }; if {[random 20] == 0 && ![catch f]} { error "no end" }
kept buffer: if {$::kept ne ""} { if {![catch {$::kept len}]} { error "not gone" } }; if {[has_buffer $buf]} { set ::kept $buf }
buffer twice: if {[has_buffer $buf]} { catch {$buf copy 0 $buf 0}; catch {$::scratch copy 0 $buf} }
buffer renamed: if {[has_buffer $buf]} { catch {rename $buf ::other; rename ::other $buf} }
buffer in a coroutine: if {[has_buffer $buf]} { coroutine ::coro apply [list buf { yield; $buf readu8 0 } ::] $buf; ::coro }
traced: catch {trace add command ::traced delete list}; proc ::traced {} {}; rename ::traced {}
dictionary: catch {nbdkit::shared incr number 1 0}; nbdkit::shared get key x; nbdkit::shared set key $count
list: catch {nbdkit::shared rpush list $offset; nbdkit::shared rpush list x; nbdkit::shared lpop list; nbdkit::shared rpop list}
times: nbdkit::shared set key short 0.001; catch {nbdkit::shared ttl key}; nbdkit::shared get_keys 5
sleep: nbdkit::nanosleep 0 [expr {1000 * [random 500]}]
debug: nbdkit::debug "at $offset\n\0\x1b[string repeat x [random 5000]]"
client: if {[nbdkit::is_tls] || [nbdkit::peer_pid] <= 0} { error [nbdkit::export_name] }
wrong methods: for {set i 0} {$i < 20} {incr i} { catch {$::scratch [lindex $::METHODS [random [llength $::METHODS]]] [odd] [odd] [odd] [odd]} }
fewer words: for {set i 0} {$i < 20} {incr i} { catch {$::scratch [lindex $::METHODS [random [llength $::METHODS]]] {*}[lrange [list [odd] [odd]] 0 [random 3]-1]} }
wrong functions: for {set i 0} {$i < 10} {incr i} { catch {nbdkit::[lindex $::FUNCTIONS [random [llength $::FUNCTIONS]]] [odd] [odd] [odd]} }
wrong keys: for {set i 0} {$i < 10} {incr i} { catch {nbdkit::shared [lindex $::SHARED [random [llength $::SHARED]]] [lindex $::KEYS [random [llength $::KEYS]]] [odd] [odd]} }
wrong disks: set d [nbdkit::disk other 100000]; foreach m {pread pwrite zero trim extents size} { catch {$d $m [odd] [odd]}; catch {$d $m -buffer [odd] [odd]} }
huge disk: set d [nbdkit::disk huge [expr {1 << 52}]]; $d pwrite x [expr {(1 << 52) - 1 - [random 100000]}]; $d zero [expr {(1 << 52) - [random 1000000]}] 0; $d extents [expr {1 << 52}] 0
wrong files: set d [nbdkit::file other create 100000]; foreach m {pread trim extents cache size flush sync lock close size} { catch {$d pwrite [odd] [random 100000]}; catch {$d zero [random 100000] [odd]}; catch {$d $m [odd] [odd] [odd]}; catch {$d $m -buffer [odd] [odd]} }; catch {rename $d {}}
changing file: set d [nbdkit::file changing create 1]; $d truncate [random 200000]; catch {$d pwrite x [random 200000]}; catch {$d extents 200000 0}; $d close
closed file: set d [nbdkit::file other create 1]; $d close; if {![catch {$d size}]} { error "not closed" }
many disks: catch {nbdkit::disk "disk [random 20]" [expr {[random 3] * 1000}]}
own buffers: set b [nbdkit::buffer [random 5000]]; catch {$b fill 0 1}; rename $b {}
own buffer gone: set b [nbdkit::buffer 10]; rename $b {}; if {![catch {$b len}]} { error "not gone" }
defined anew: if {[info commands trim] ne ""} { rename trim trim2; rename trim2 trim }
child: set i [interp create]; $i eval {set x 1}; interp delete $i
event loop: after 0 {set ::done 1}; vwait ::done
set global: set ::extra([random 30]) $offset
package: if {![catch {package require no.such.package}]} { error "there is one" }
object: if {[$::counter step] < 1} { error "no step" }
regular expression: regexp {(a|b)*c} [string repeat ab 50]c; regsub -all x xxx y
encoding: if {[encoding convertfrom utf-8 [encoding convertto utf-8 "caf\u00e9"]] ne "caf\u00e9"} { error "encoding" }
clock: clock format 0 -gmt 1
channel: set c [file tempfile name]; puts $c $offset; seek $c 0; gets $c; close $c; file delete $name
shimmered: set x $offset; llength $x; incr x; string length $x
#--- ways
plain: return [apply $f]
eval: return [eval [list apply $f]]
uplevel: return [uplevel 1 [list apply $f]]
catch: if {[catch {apply $f} r]} { error $r }; return $r
try: try { set r [apply $f] } on error {m o} { return -options $o $m }; return $r
coroutine: set r [coroutine ::coro apply $f]; return $r
nested: return [coroutine ::coro apply [list f { coroutine ::coro2 apply $f } ::] $f]
yields: coroutine ::coro apply [list f { yield; apply $f } ::] $f; return [::coro]
never ended: set n ::coro[random 20]; catch {rename $n {}}; return [coroutine $n apply [list f { yield [apply $f]; error never } ::] $f]
thrown: catch {throw {MY CODE} [apply $f]} r; return $r
returned: return -code return [apply $f]
tailcall: tailcall apply $f
object: return [$::counter serve $f]
condition: if {[catch {if 1 { set r [apply $f] } else { error no }} m]} { error $m }; return $r
child: set i [interp create]; interp alias $i serve {} apply $f; set r [$i eval serve]; interp delete $i; return $r
event loop: after 0 [list apply [list f { later [apply $f] } ::] $f]; vwait ::later; return $::later
list: return [lindex [list 1 [apply $f]] 1]
dict: dict set d x [apply $f]; return [dict get $d x]
sort: set ::r {}; set ::f $f; lsort -command {apply {{a b} { if {$::f ne ""} { set ::r [apply $::f]; set ::f {} }; return 1 }}} {2 1}; return $::r
trace: set ::f $f; set ::t 0; trace add variable ::t write {apply {args { set ::r [apply $::f] }}}; set ::t 1; unset ::t; return $::r
subst: set ::f $f; return [subst -nobackslashes {[apply $::f]}]
foreach: foreach x 1 { set r [apply $f] }; return $r
namespace: return [namespace eval ::other [list apply $f]]
#--- fails
text: error plain
no text: error {}
code: error "with a code" {} {MY CODE}
posix: error "with a code" {} {POSIX ENOSPC {no space}}
odd posix: error "with a code" {} [list POSIX [odd] [odd]]
no list: error "with a code" {} "\{"
throw: throw {POSIX EPERM {not permitted}} thrown
module: nbdkit::error EPERM "from the module"
module number: nbdkit::error [expr {1 + [random 133]}] [string repeat long [random 3000]]
odd errno: nbdkit::error [odd] [odd]
unknown command: no_such_command
variable: set no_such_variable
arithmetic: expr {1 / 0}
recursion: proc f {} { expr {1 + [f]} }; f
long: error [string repeat "long " 100000]
bytes: error "a\0b\nc\x1b\[31m\xff"
in a coroutine: coroutine ::coro apply {{} { error "in a coroutine" }}
in nested ones: coroutine ::coro apply {{} { coroutine ::coro2 apply {{} { error deep }} }}
yield: yield 1
set_error: nbdkit::set_error EROFS; error "set before"
gone: if {$::kept eq ""} { error "nothing kept" }; $::kept len
again: catch {nbdkit::error EDQUOT caught} m o; return -options $o $m
module arguments: nbdkit::parse_size
past the end: $::scratch writeu32 254 1
wrong method: $::scratch nothing
half: if {[has_buffer $buf]} { catch {$buf fill 0 1 1} }; error "half way"
in a child: set i [interp create]; $i eval {error "in a child"}
background: after 0 {error "in the background"}; update; error "and out of it"
in a trace: unset -nocomplain ::tt; set ::tt 0; trace add variable ::tt write {error "in a trace"}; set ::tt 1
finally: try { error one } finally { error two }
#--- either
nothing: return
number: return 5
negative: return -1
boolean: return false
empty: return {}
short: return short
long: return [string repeat long $count]
bytes: return [string repeat "\0\xff" $count]
wide: return [string repeat \u20ac $count]
list: return {1 2 3}
no list: return "\{"
buffer: return $::scratch
odd: return [odd]
code: return -code [random 7] "a code"
levels: return -level 5 -code error "many levels"
break: return -code break
odd code: return -code 123456 x
no extents: return {}
extents of nothing: return {{} {}}
extents of odd: return [list [list [odd] [odd] [odd]] [list $offset $count 0]]
extents backwards: return [list [list $offset $count 0] [list 0 $offset 0]]
extents past all: return [list [list 0 9223372036854775807 hole]]
extents past that: return [list [list 0 99999999999999999999 hole]]
extents of length 0: return [list [list $offset 0 0] [list $offset $count 3]]
extents of many: set t {}; for {set i 0} {$i < min($count, 2000)} {incr i} { lappend t [list [expr {$offset + $i}] 1 [expr {$i % 4}]] }; return $t
not supported: nbdkit::error ENOTSUP "not here"
any errno: nbdkit::error [odd] odd
kept and written: if {[has_buffer $buf]} { set ::kept $buf; for {set i 0} {$i < 10} {incr i} { catch {$buf [lindex $::METHODS [random [llength $::METHODS]]] [odd] [odd] [odd]} } }
deleted buffer: if {[has_buffer $buf]} { rename $buf {} }
buffer with another name: if {[has_buffer $buf]} { rename $buf ::kept_command; catch {::kept_command fill 0 7} }
buffer replaced: if {[has_buffer $buf]} { rename $buf {}; proc $buf args { return 5 } }
#--- callbacks
open nothing: proc plugin_open {readonly} {}
open list: proc plugin_open {readonly} { return [list a {b c} "\{"] }
open odd: proc plugin_open {readonly} { odd }
open refuses: proc plugin_open {readonly} { if {[nbdkit::export_name] eq "refused"} { error "not you" } }
close: proc plugin_close {h} { nbdkit::debug closed }
close fails: proc plugin_close {h} { error "in close" }
flush: proc plugin_flush {h args} {}
flush waits: proc plugin_flush {h args} { after 1 }
cache: proc cache {h count offset flags} {}
can_cache: proc can_cache {h} { return emulate }
fua native: proc can_fua {h} { return native }; proc plugin_flush {h args} {}
fua emulate: proc can_fua {h} { return emulate }; proc plugin_flush {h args} {}
fast zero: proc can_fast_zero {h} { return yes }
no zero: proc can_zero {h} { return no }
no extents: proc can_extents {h} { return no }
block size: proc block_size {h} { return {1 4096 33554432} }
description: proc export_description {h} { return "a disk of odd things" }
exports: proc list_exports {readonly is_tls} { return {{} {other another}} }
odd exports: proc list_exports {readonly is_tls} { odd }
preconnect: proc preconnect {readonly} { nbdkit::peer_name }
