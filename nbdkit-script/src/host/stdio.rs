//! Standard input and output, which nbdkit, the C library and an interpreter share.

use std::ffi::{CString, c_int};

use super::functions::nbdkit_stdio_safe;
use crate::error::one_line;

/// Whether standard input and output are the plugin's to use. They are not where nbdkit serves a
/// client on them (`nbdkit -s`), nor once it serves at all.
///
/// May be called from any thread.
pub fn stdio_safe() -> bool {
    match nbdkit_stdio_safe.get() {
        // SAFETY: takes nothing and only reads nbdkit's configuration.
        Some(function) => unsafe { function() != 0 },
        None => true,
    }
}

/// Prints a line to standard output, through the C library's buffer: nbdkit and interpreters in C
/// print there as well, and the order of the lines is to hold. A language of Rust's prints with
/// this, for what is left in Rust's own buffer would get past the framework, which keeps the
/// output of a script out of a client's data.
///
/// May be called from any thread. Line breaks in the text become spaces.
pub fn print_line(line: &str) {
    if let Ok(line) = CString::new(one_line(line)) {
        // SAFETY: `line` is a C string.
        unsafe { libc::puts(line.as_ptr()) };
    }
}

/// Writes out what nbdkit and [`print_line`] have printed, before an interpreter prints that does
/// not go through the C library.
pub(crate) fn flush_lines() {
    // SAFETY: flushes what was printed to any stream.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

/// While it lives, and if a client is to be served on standard input and output, these are
/// `/dev/null` and standard error for whoever uses them: the script, its modules, its children.
///
/// nbdkit does this itself, but only after `get_ready`; a `print` before would go to the client.
#[derive(Debug)]
pub(crate) struct StdioGuard {
    saved: Option<(c_int, c_int)>,
}

impl StdioGuard {
    /// To be called only during setup, while there is one thread.
    pub(crate) fn engage() -> StdioGuard {
        if stdio_safe() {
            return StdioGuard { saved: None };
        }
        // SAFETY: these work on the process's own descriptors 0 to 2, and there is no other
        // thread that could be using them. A call that fails leaves a descriptor as it was.
        unsafe {
            libc::fflush(std::ptr::null_mut());
            let stdin = libc::fcntl(libc::STDIN_FILENO, libc::F_DUPFD_CLOEXEC, 3);
            let stdout = libc::fcntl(libc::STDOUT_FILENO, libc::F_DUPFD_CLOEXEC, 3);
            let null = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
            if null >= 0 {
                libc::dup2(null, libc::STDIN_FILENO);
                libc::close(null);
            }
            libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO);
            StdioGuard { saved: Some((stdin, stdout)) }
        }
    }
}

impl Drop for StdioGuard {
    fn drop(&mut self) {
        let Some((stdin, stdout)) = self.saved else {
            return;
        };
        // SAFETY: as in `engage`; what was printed leaves the C library's buffers first.
        unsafe {
            libc::fflush(std::ptr::null_mut());
            for (saved, original) in [(stdin, libc::STDIN_FILENO), (stdout, libc::STDOUT_FILENO)] {
                if saved >= 0 {
                    libc::dup2(saved, original);
                    libc::close(saved);
                }
            }
        }
    }
}
