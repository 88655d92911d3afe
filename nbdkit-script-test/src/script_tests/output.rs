//! What the program prints. A reader that goes away is no failure.

use std::io::{Write, stderr, stdout};

/// Prints to standard output, at once.
pub(super) fn print(text: &str) {
    let mut out = stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Says in one line what cannot be done.
pub(super) fn complain(message: &str) {
    let _ = writeln!(stderr(), "nbdkit-script-test: {message}");
}
