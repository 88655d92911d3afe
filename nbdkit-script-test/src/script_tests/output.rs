//! Prints the program's output. Ignores a reader that has gone away.

use std::io::{Write, stderr, stdout};

/// Prints to standard output, and flushes.
pub(super) fn print(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints an error in one line.
pub(super) fn complain(message: &str) {
    let _ = writeln!(stderr(), "nbdkit-script-test: {message}");
}
