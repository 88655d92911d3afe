//! nbdkit's log.

use std::ffi::{CString, c_char};

use super::functions::{nbdkit_debug, nbdkit_error, nbdkit_set_error};
use crate::error::one_line;

/// Writes one line into nbdkit's log as an error. For what a callback returns as an
/// [`Error`](crate::Error) the framework does this; here is what a plugin has to say otherwise.
///
/// May be called from any thread. Outside nbdkit it writes to standard error.
pub fn error(message: &str) {
    log(nbdkit_error.get(), message);
}

/// Writes one line into nbdkit's debug log, which `nbdkit -v` shows.
///
/// May be called from any thread. Outside nbdkit it writes to standard error.
pub fn debug(message: &str) {
    log(nbdkit_debug.get(), message);
}

/// Tells whoever starts nbdkit of something that may not be meant so. nbdkit knows no warnings, so
/// this goes to standard error, and is only for the time before nbdkit serves.
pub fn warn(message: &str) {
    eprintln!("nbdkit: warning: {}", one_line(message));
}

fn log(function: Option<unsafe extern "C" fn(*const c_char, ...)>, message: &str) {
    let line = one_line(message);
    match (function, CString::new(line)) {
        (Some(function), Ok(line)) => {
            // SAFETY: nbdkit's printf-like functions may be called from any thread; the format
            // takes one C string and is given one.
            unsafe { function(c"%s".as_ptr(), line.as_ptr()) }
        }
        _ => eprintln!("{}", one_line(message)),
    }
}

/// The errno of the request that this thread is about to fail.
pub(crate) fn set_error(errno: i32) {
    if let Some(function) = nbdkit_set_error.get() {
        // SAFETY: takes any number, on any thread.
        unsafe { function(errno) }
    }
}
