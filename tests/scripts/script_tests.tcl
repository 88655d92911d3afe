#--- disk
set size 4096
proc config {key value} {
    if {$key ne "size"} { error "unknown parameter $key" }
    set ::size [nbdkit::parse_size $value]
}
proc get_ready {} { set ::bytes [string repeat "\0" $::size] }
proc list_exports {readonly is_tls} { return {a b} }
proc plugin_open {readonly} { nbdkit::export_name }
proc get_size {h} { return $::size }
proc export_description {h} { if {$h eq "b"} { return "the second" } }
proc pread {h count offset} {
    if {$offset == 1536} { nbdkit::error ENODATA "sector 3 is bad" }
    string range $::bytes $offset [expr {$offset + $count - 1}]
}
proc pwrite {h data offset} {
    set last [expr {$offset + [string length $data] - 1}]
    set ::bytes [string replace $::bytes $offset $last $data]
}
proc plugin_flush {h} { nbdkit::shared incr flushes 1 0 }
proc trim {h count offset} { pwrite $h [string repeat t $count] $offset }
proc zero {h count offset may_trim} {
    pwrite $h [string repeat "\0" $count] $offset
    nbdkit::shared set may_trim $may_trim
}
proc extents {h count offset flags} {
    list {0 512 0} [list 512 [expr {$::size - 512}] hole,zero]
}
proc cache {h count offset flags} { nbdkit::shared set cached $offset }
#--- passing
proc test_written_data_is_read {client} {
    $client pwrite abc 510 $nbdkit::FLAG_FUA
    $client expect_equal [$client pread 5 509] "\0abc\0"
    $client flush
    $client expect_equal [nbdkit::shared get flushes] 2
    $client trim 1 511
    $client expect_equal [$client pread 3 510] atc
    $client zero 1 510
    $client expect_equal [nbdkit::shared get may_trim] 1
    $client zero 1 512 0
    $client expect_equal [nbdkit::shared get may_trim] 0
    $client expect_equal [$client pread 3 510] "\0t\0"
    $client cache 512 1024
    $client expect_equal [nbdkit::shared get cached] 1024
}
proc test_each_has_a_disk_of_its_own {client} {
    $client expect_equal [$client pread 512 512] [string repeat "\0" 512]
    $client expect_equal [nbdkit::shared get flushes none] none
}
proc test_what_the_client_is_told {client} {
    $client expect_equal [$client get_size] 8192
    foreach name {write flush trim zero extents} {
        $client expect_equal [$client can_$name] 1
    }
    $client expect_equal [$client can_multi_conn] 0
    $client expect_equal [$client can_fast_zero] 1
    $client expect_equal [$client is_rotational] 0
    $client expect_equal [$client can_fua] $nbdkit::FUA_EMULATE
    $client expect_equal [$client can_cache] $nbdkit::CACHE_NATIVE
}
proc test_extents {client} {
    $client expect_equal [$client extents 4096 0] {{0 512 0} {512 7680 3}}
    $client expect_equal [llength [$client extents 4096 0 $nbdkit::FLAG_REQ_ONE]] 1
}
proc test_exports {client} {
    $client expect_equal [$client list_exports] {a b}
    $client expect_equal [$client export_name] ""
    $client expect_equal [$client export_description] ""
    $client connect b
    $client expect_equal [$client export_name] b
    $client expect_equal [$client export_description] "the second"
    $client list_exports
    $client expect_equal [$client export_name] b
    $client disconnect
    $client expect_equal [$client export_name] ""
}
proc test_what_fails {client} {
    set message [$client expect_error ENODATA pread 4 1536]
    if {![string match "*sector 3 is bad*" $message]} { error $message }
    $client expect_error EINVAL pread 4 1536
    $client expect_error EINVAL pread 4 8192
    $client expect_error $nbdkit::errno(ENOSPC) pwrite x 8192
    $client expect_error ENOTSUP zero 1 0 $nbdkit::FLAG_FAST_ZERO
    $client expect_equal [catch {$client pread 4 1536} message options] 1
    $client expect_equal [lindex [dict get $options -errorcode] 1] EINVAL
}
#--- failing
equal: $client expect_equal [$client pread 1 0] "a"
long: $client expect_equal [$client pread 100 0] "[$client pread 99 0]a"
numbers: $client expect_equal [$client get_size] 5
own: error no
request: $client pread 4 1536
succeeded: $client expect_error EIO flush
other: $client expect_error EIO pread 4 1536
misused: $client expect_error EINVAL pread 4
unknown: $client expect_error EINVAL read 4
surplus: $client flush 1
negative: $client pread -1 0
#--- ending
exits: exit 3
leaves: exit 0
is killed: exec sh -c "kill -KILL [pid]"
#--- endless disk
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 512 }
proc pread {h count offset} { while 1 {} }
proc test_read {client} { $client pread 1 0 }
proc test_loop {client} { while 1 {} }
proc test_size {client} { $client get_size }
#--- stuck disk
proc plugin_open {readonly} { return 1 }
proc get_size {h} { return 512 }
proc pread {h count offset} { exec sleep 60 }
proc test_read {client} { $client pread 1 0 }
proc test_size {client} { $client get_size }
#--- printing
proc test_prints {client} {
    puts printed
    flush stdout
    nbdkit::debug said
    $client expect_error ENODATA pread 4 1536
    @end@
}
#--- readonly
write: $client pwrite x 0
#--- top level
endless: while 1 {}
