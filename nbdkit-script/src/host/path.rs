//! Paths, and passwords that may be in files.

use std::ffi::{CStr, OsStr, OsString, c_char};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::functions::{
    c_string, logged, nbdkit_absolute_path, nbdkit_read_password, nbdkit_realpath,
};
use crate::error::{Error, Result};
use crate::memory;

/// Makes a path absolute; the file need not exist. Works only up to `get_ready`, after which nbdkit
/// changes its directory.
///
/// ```no_run
/// # use nbdkit_script::{Result, host};
/// # use std::{ffi::OsStr, path::{Path, PathBuf}};
/// fn config(value: &OsStr) -> Result<PathBuf> {
///     host::absolute_path(Path::new(value))
/// }
/// ```
pub fn absolute_path(path: &Path) -> Result<PathBuf> {
    let path = c_string("the path", path.as_os_str().as_bytes())?;
    // SAFETY: takes a C string.
    let absolute = unsafe { nbdkit_absolute_path.require()?(path.as_ptr()) };
    take(absolute, || logged("nbdkit_absolute_path")).map(PathBuf::from)
}

/// The absolute path of an existing file, with symbolic links resolved. Works only up to
/// `get_ready`.
///
/// ```no_run
/// # use nbdkit_script::{Result, host};
/// # use std::{ffi::OsStr, path::{Path, PathBuf}};
/// fn config(value: &OsStr) -> Result<PathBuf> {
///     host::realpath(Path::new(value))
/// }
/// ```
pub fn realpath(path: &Path) -> Result<PathBuf> {
    let path = c_string("the path", path.as_os_str().as_bytes())?;
    // SAFETY: takes a C string.
    let absolute = unsafe { nbdkit_realpath.require()?(path.as_ptr()) };
    take(absolute, || logged("nbdkit_realpath")).map(PathBuf::from)
}

/// Reads a password in one of nbdkit's forms: the password itself, `-` for a prompt, `+FILE`, or
/// `-FD`. Works only up to `get_ready`.
///
/// ```no_run
/// # use nbdkit_script::{Result, host};
/// # use std::ffi::{OsStr, OsString};
/// fn config(value: &OsStr) -> Result<OsString> {
///     host::read_password(value)
/// }
/// ```
pub fn read_password(value: &OsStr) -> Result<OsString> {
    let value = c_string("the password", value.as_bytes())?;
    let mut password = std::ptr::null_mut();
    // SAFETY: takes a C string and a place for a pointer.
    match unsafe { nbdkit_read_password.require()?(value.as_ptr(), &mut password) } {
        0 => take(password, || logged("nbdkit_read_password")),
        _ => Err(logged("nbdkit_read_password")),
    }
}

/// Takes over a string that nbdkit allocated with malloc(3). Null means failure.
///
/// # Errors
/// The error of `failed` for null; `ENOMEM`.
pub(super) fn take(text: *mut c_char, failed: impl FnOnce() -> Error) -> Result<OsString> {
    if text.is_null() {
        return Err(failed());
    }
    // SAFETY: nbdkit gives us ownership of these C strings, and we free each once.
    unsafe {
        let copy = memory::copied(CStr::from_ptr(text).to_bytes(), "a text from nbdkit");
        libc::free(text.cast());
        copy.map(OsString::from_vec)
    }
}
