//! Strings and paths.

use std::ffi::{CStr, CString, c_char};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use crate::failure::error_text;
use crate::{log, server, session};

/// Keeps a string as long as the connection, or as long as the server if there is no connection.
pub(super) fn intern(text: Option<CString>) -> *const c_char {
    let Some(text) = text else { return ptr::null() };
    let pointer = text.as_ptr();
    match session::opened_client() {
        Some(client) => client.intern(text),
        None => server::intern(text),
    }
    pointer
}

fn no_string(function: &str) -> *const c_char {
    log::error(format!("{function}: no string given"));
    // SAFETY: errno is this thread's own.
    unsafe { *libc::__errno_location() = libc::EINVAL };
    ptr::null()
}

/// Copies a string. The plugin need not free it.
///
/// # Safety
/// `text` must be null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_strdup_intern(text: *const c_char) -> *const c_char {
    if text.is_null() {
        return no_string("nbdkit_strdup_intern");
    }
    // SAFETY: the caller's promise.
    intern(Some(unsafe { CStr::from_ptr(text) }.to_owned()))
}

/// The same for at most the first `length` bytes.
///
/// # Safety
/// `text` must be null or a C string, or hold `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_strndup_intern(
    text: *const c_char,
    length: usize,
) -> *const c_char {
    if text.is_null() {
        return no_string("nbdkit_strndup_intern");
    }
    // SAFETY: the caller's promise; strnlen(3) looks at no more than `length` bytes.
    let bytes = unsafe { std::slice::from_raw_parts(text.cast(), libc::strnlen(text, length)) };
    intern(CString::new(bytes).ok())
}

/// Makes a path absolute. The plugin frees it.
///
/// # Safety
/// `path` must be null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_absolute_path(path: *const c_char) -> *mut c_char {
    // SAFETY: the caller's promise.
    let path = if path.is_null() { c"" } else { unsafe { CStr::from_ptr(path) } };
    match path.to_bytes() {
        b"" => {
            log::error("cannot convert null or empty path to an absolute path");
            ptr::null_mut()
        }
        [b'/', ..] => duplicate(path.to_bytes()),
        relative => match std::env::current_dir() {
            Ok(directory) => {
                duplicate(&[directory.as_os_str().as_bytes(), b"/", relative].concat())
            }
            Err(error) => {
                let why = error_text(error.raw_os_error().unwrap_or(libc::EIO));
                log::error(format!("get_current_dir_name: {why}"));
                ptr::null_mut()
            }
        },
    }
}

/// The same without symbolic links, for a file that exists. The plugin frees it.
///
/// # Safety
/// `path` must be null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_realpath(path: *const c_char) -> *mut c_char {
    // SAFETY: the caller's promise.
    let path = if path.is_null() { c"" } else { unsafe { CStr::from_ptr(path) } };
    if path.is_empty() {
        log::error("cannot resolve a null or empty path");
        return ptr::null_mut();
    }
    // SAFETY: a C string; with no place given, realpath(3) allocates one.
    let found = unsafe { libc::realpath(path.as_ptr(), ptr::null_mut()) };
    if found.is_null() {
        // SAFETY: errno is this thread's own.
        let why = error_text(unsafe { *libc::__errno_location() });
        log::error(format!("realpath: {}: {why}", path.to_string_lossy()));
    }
    found
}

/// A copy for free(3); null if a C string cannot hold the text.
pub(super) fn duplicate(text: &[u8]) -> *mut c_char {
    match CString::new(text) {
        // SAFETY: it is a C string.
        Ok(text) => unsafe { libc::strdup(text.as_ptr()) },
        Err(_) => ptr::null_mut(),
    }
}
