//! The error of a request, and what nbdkit knows of the client. There is none here: the answers
//! are those for one that connected without a name, a process or TLS to tell of.

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::time::Duration;

thread_local! {
    static ERROR: Cell<c_int> = const { Cell::new(0) };
}

/// The errno that the plugin chose on this thread; 0 for none.
pub fn error() -> c_int {
    ERROR.get()
}

/// Forgets what an earlier request on this thread failed with.
pub fn clear_error() {
    ERROR.set(0);
}

/// Chooses the errno of the request that is about to fail.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_set_error(errno: c_int) {
    ERROR.set(errno);
}

/// The export that the client asked for: the default one.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_export_name() -> *const c_char {
    c"".as_ptr()
}

/// Whether the client came over TLS: no.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_is_tls() -> c_int {
    0
}

/// Whether standard input and output are free: yes.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_stdio_safe() -> c_int {
    1
}

/// The client's address: unknown.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_peer_name(_: *mut c_void, _: *mut c_void) -> c_int {
    -1
}

/// The client's process: unknown.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_peer_pid() -> i64 {
    -1
}

/// The client's user: unknown.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_peer_uid() -> i64 {
    -1
}

/// The client's group: unknown.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_peer_gid() -> i64 {
    -1
}

/// Asks the server to end. A measurement that ended early would be a wrong one, so it goes on.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_shutdown() {
    eprintln!("bench-host: the plugin asked to be shut down, and is not");
}

/// Sleeps. nbdkit's own would wake early when the client goes away.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_nanosleep(seconds: c_uint, nanoseconds: c_uint) -> c_int {
    std::thread::sleep(Duration::new(seconds.into(), 0) + Duration::from_nanos(nanoseconds.into()));
    0
}
