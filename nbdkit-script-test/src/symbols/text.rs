//! Strings and paths.

use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::os::unix::ffi::OsStrExt;

/// A copy that the plugin need not free. nbdkit frees it at the end, and this host not at all.
///
/// # Safety
/// `text` must be a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_strdup_intern(text: *const c_char) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { libc::strdup(text) }
}

/// The same for the first `length` bytes.
///
/// # Safety
/// `text` must be a C string, or hold `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_strndup_intern(
    text: *const c_char,
    length: usize,
) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { libc::strndup(text, length) }
}

/// A path that begins at the root. The plugin frees it.
///
/// # Safety
/// `path` must be a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_absolute_path(path: *const c_char) -> *mut c_char {
    // SAFETY: the caller's promise.
    let path = unsafe { CStr::from_ptr(path) };
    let Ok(absolute) = std::path::absolute(OsStr::from_bytes(path.to_bytes())) else {
        return std::ptr::null_mut();
    };
    duplicate(absolute.as_os_str().as_bytes())
}

/// The same with no link in it. The plugin frees it.
///
/// # Safety
/// `path` must be a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_realpath(path: *const c_char) -> *mut c_char {
    // SAFETY: the caller's promise; with no place given, realpath(3) allocates one.
    unsafe { libc::realpath(path, std::ptr::null_mut()) }
}

/// The password that a parameter holds, or that is in the file of `+FILE`. The other ways, a
/// terminal and an open descriptor, this host does not have. The plugin frees it.
///
/// # Safety
/// `value` must be a C string and `password` a place for one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_read_password(
    value: *const c_char,
    password: *mut *mut c_char,
) -> c_int {
    // SAFETY: the caller's promise.
    let value = unsafe { CStr::from_ptr(value) }.to_bytes();
    let text = match value {
        [b'-', ..] => {
            eprintln!("bench-host: error: passwords come from a parameter or a file here");
            return -1;
        }
        [b'+', path @ ..] => match std::fs::read(OsStr::from_bytes(path)) {
            Ok(text) => text.split(|byte| *byte == b'\n').next().unwrap_or_default().to_vec(),
            Err(error) => {
                eprintln!("bench-host: error: {}: {error}", String::from_utf8_lossy(path));
                return -1;
            }
        },
        _ => value.to_vec(),
    };
    let copy = duplicate(&text);
    // SAFETY: the caller's promise.
    unsafe { *password = copy };
    if copy.is_null() { -1 } else { 0 }
}

/// A copy that free(3) frees; null for what a C string cannot hold.
fn duplicate(text: &[u8]) -> *mut c_char {
    match CString::new(text) {
        // SAFETY: it is a C string.
        Ok(text) => unsafe { libc::strdup(text.as_ptr()) },
        Err(_) => std::ptr::null_mut(),
    }
}
