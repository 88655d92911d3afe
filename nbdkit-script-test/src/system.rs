//! What the C library is asked for.
#![allow(unsafe_code)]

/// The user and the group of this process.
pub(crate) fn user() -> (i64, i64) {
    // SAFETY: they take nothing and cannot fail.
    unsafe { (libc::geteuid().into(), libc::getegid().into()) }
}
