//! Calls into the C library.
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;

/// Ends this process when its parent has ended.
pub(crate) fn end_with_parent() {
    // SAFETY: it takes numbers, and changes nothing of the program's own.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

/// Puts the null device in the place of standard input.
pub(crate) fn close_stdin() {
    if let Ok(null) = File::open("/dev/null") {
        // SAFETY: an open descriptor, and one that nobody else owns.
        unsafe { libc::dup2(null.as_raw_fd(), libc::STDIN_FILENO) };
    }
}

/// The user and the group of this process.
pub(crate) fn user() -> (i64, i64) {
    // SAFETY: these functions take no arguments and cannot fail.
    unsafe { (libc::geteuid().into(), libc::getegid().into()) }
}
