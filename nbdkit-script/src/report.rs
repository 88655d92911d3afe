//! Where an error goes: its message to nbdkit's log, its traceback to the debug log.

use std::ffi::c_int;

use crate::error::Error;
use crate::host;
use crate::memory;

/// Logs an error.
pub(crate) fn log(error: &Error) {
    host::error(error.message());
    note(error);
}

/// Fails a callback that returns an `int`.
#[cold]
pub(crate) fn fail(error: &Error) -> c_int {
    log(error);
    host::set_error(error.errno_for_nbdkit());
    -1
}

/// Logs the traceback of an error whose message is logged elsewhere, and notes whether memory ran
/// out.
pub(crate) fn note(error: &Error) {
    for line in error.traceback().unwrap_or_default().lines() {
        // The debug log would show a tab as an escape sequence.
        host::debug(&line.replace('\t', "    "));
    }
    memory::failed(error.errno());
}
