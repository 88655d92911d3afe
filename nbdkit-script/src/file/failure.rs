//! Error messages about files: what failed, on which file, and why.

use std::fmt::Display;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::{Error, Result, shown};

/// An attempted operation, for a message.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attempt {
    /// On the file as a whole: "open".
    Whole(&'static str),
    /// On a range of it: "read", the count and the offset.
    Range(&'static str, u64, u64),
    /// Setting its size in bytes.
    Resize(u64),
}

/// An error for a failure that the system reported.
#[cold]
pub(super) fn failed(attempt: Attempt, path: &Path, error: impl Into<io::Error>) -> Error {
    let error = error.into();
    // Rust itself refuses a path with a NUL byte in it.
    let error = match (error.raw_os_error(), error.kind()) {
        (None, io::ErrorKind::InvalidInput) => Error::invalid(error.to_string()),
        _ => Error::from(error),
    };
    error.context(could_not(attempt, path))
}

/// An error for something that we refuse.
#[cold]
pub(super) fn refused(attempt: Attempt, path: &Path, errno: i32, why: impl Display) -> Error {
    Error::new(errno, format!("{}: {why}", could_not(attempt, path)))
}

/// The error for a closed file.
#[cold]
pub(super) fn could_not_use(path: &Path) -> Error {
    refused(Attempt::Whole("use"), path, libc::EBADF, "it is closed")
}

/// Checks that a range ends within 2^63 - 1: the system's offsets are signed, so larger ones would
/// be negative.
#[inline]
pub(super) fn check_end(attempt: Attempt, path: &Path, offset: u64, count: u64) -> Result<()> {
    if offset.checked_add(count).is_some_and(|end| end <= i64::MAX as u64) {
        return Ok(());
    }
    Err(refused(attempt, path, libc::EINVAL, "this is past 2^63 - 1"))
}

fn could_not(attempt: Attempt, path: &Path) -> String {
    let path = shown(path.as_os_str().as_bytes());
    match attempt {
        Attempt::Whole(what) => format!("could not {what} {path}"),
        Attempt::Range(what, count, offset) => {
            format!("could not {what} {count} bytes at offset {offset} of {path}")
        }
        Attempt::Resize(size) => format!("could not make {path} {size} bytes long"),
    }
}
