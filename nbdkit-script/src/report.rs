//! Where an error goes: its message to nbdkit's log, its traceback to the debug log.

use crate::error::Error;
use crate::host;
use crate::memory;

/// Logs an error.
pub(crate) fn log(error: &Error) {
    host::error(error.message());
    note(error);
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
