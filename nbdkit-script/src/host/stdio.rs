//! Standard input and output, which nbdkit, the C library and an interpreter share.

use std::ffi::{CString, c_int};

use super::functions::nbdkit_stdio_safe;
use crate::error::one_line;

/// Whether the plugin may use standard input and output. It may not if nbdkit serves a client on
/// them (`nbdkit -s`), or once nbdkit serves at all.
///
/// May be called from any thread.
///
/// ```
/// use nbdkit_script::host;
///
/// // While it loads.
/// let script = if host::stdio_safe() { std::io::read_to_string(std::io::stdin())? } else {
///     return Err("the script cannot be read from standard input: nbdkit serves there".into());
/// };
/// # Ok::<(), nbdkit_script::Error>(())
/// ```
pub fn stdio_safe() -> bool {
    match nbdkit_stdio_safe.get() {
        // SAFETY: takes nothing and only reads nbdkit's configuration.
        Some(function) => unsafe { function() != 0 },
        None => true,
    }
}

/// Prints a line to standard output, through the C library's buffer: nbdkit and interpreters in C
/// print there as well, and the lines have to stay in order. A language written in Rust must print
/// with this function. Output in Rust's own buffer would get past the framework, which keeps a
/// script's output out of the client's data.
///
/// May be called from any thread. Line breaks in the text become spaces.
///
/// ```
/// // In `dump_plugin`.
/// nbdkit_script::host::print_line("disk_format=3");
/// ```
pub fn print_line(line: &str) {
    if let Ok(line) = CString::new(one_line(line)) {
        // SAFETY: `line` is a C string.
        unsafe { libc::puts(line.as_ptr()) };
    }
}

/// Flushes what nbdkit and [`print_line`] have printed, before an interpreter prints without the C
/// library.
pub(crate) fn flush_lines() {
    // SAFETY: null flushes all streams.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

/// While this exists, and if nbdkit will serve a client on standard input and output, everyone else
/// sees `/dev/null` and standard error there: the script, its modules and its child processes.
///
/// nbdkit does this itself, but only after `get_ready`; anything printed earlier would reach the
/// client.
#[derive(Debug)]
pub(crate) struct StdioGuard {
    saved: Option<(c_int, c_int)>,
}

impl StdioGuard {
    /// Call this only during setup, while there is one thread.
    pub(crate) fn engage() -> StdioGuard {
        if stdio_safe() {
            return StdioGuard { saved: None };
        }
        // SAFETY: these calls change the process's descriptors 0 to 2, and no other thread could be
        // using them. A call that fails leaves its descriptor unchanged.
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
        // SAFETY: as in `engage`. Flushing first keeps printed text out of the client's data.
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
