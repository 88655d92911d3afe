#--- disk
proc bad {h count offset} {
    @body@
}
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 65536 }
proc pread {h count offset} {
    if {$offset == 0} { return [bad $h $count $offset] }
    return [string repeat x $count]
}
#--- once
if {[incr ::asked] == 1} { @body@ }; return @answer@
#--- long error
error [string repeat "long " 200000]
#--- no bytes
a character past bytes: return [string repeat \u0100 512]
a euro among bytes: return [string repeat y 511]\u20ac
one at the end: return [string repeat \u00ff 600]\u0100
nothing: return
#--- errors
text: error "text" => HERE: text
nothing: error "" => HERE
a number: error 42 => HERE: 42
percent: error "50% of 100%s %n" => HERE: 50% of 100%s %n
a list: error {a {b c}} => HERE: a {b c}
NUL: error "a\0b" => HERE: a\0b
lines: error "two\n  lines\n" => HERE: two lines
control: error "\x1b\[31mred\r" => HERE: \x1b[31mred
accents: error "caf\u00e9 \u20ac" => HERE: café €
throw: throw {MY CODE} why => HERE: why
arity: error "" => HERE
wrong arguments: bad => HERE: wrong # args: should be "bad h count offset"
command: undefined_command => HERE: invalid command name "undefined_command"
variable: return $undefined => HERE: can't read "undefined": no such variable
expression: expr {1 + "x"} => use non-numeric string
division: expr {1 / 0} => HERE: divide by zero
recursion: bad $h $count $offset => too many nested evaluations
list: lindex "\{" 0 0 => HERE: unmatched open brace in list
dictionary: dict get {a b} c => HERE: key "c" not known in dictionary
array: set a(1) 2; return $a => HERE: can't read "a": variable is array
coroutine: coroutine c apply {{} { yield; error inside }}; c => inside
yield: yield 1 => HERE: yield can only be called in a coroutine
exec: exec false => HERE: child process exited abnormally
uplevel: uplevel #0 { error inside } => inside
namespace: namespace eval n { error inside } => inside
#--- sizes
empty: "" => returned "", expected a whole number of bytes
word: hello => returned "hello", expected a whole number
list: {1 2} => returned "1 2", expected a whole number
true: true => returned "true", expected a whole number
negative: -1 => returned -1
fraction: 0.5 => returned "0.5", expected a whole number
float: 65536.0 => returned "65536.0", expected a whole number
1e300: 1e300 => returned "1e300", expected a whole number
2 ** 63: [expr {2 ** 63}] => returned "9223372036854775808"
2 ** 64: [expr {2 ** 64}] => returned "18446744073709551616"
-2 ** 63 - 1: [expr {-(2 ** 63) - 1}] => returned "-9223372036854775809"
infinite: Inf => returned "Inf", expected
0x: 0x => returned "0x", expected
#--- answers
nothing: return => returned "", expected true or false
word: return maybe => returned "maybe", expected true or false
list: return {1 0} => returned "1 0", expected true or false
error: error "cannot say" => cannot say
