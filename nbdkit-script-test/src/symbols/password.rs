//! Passwords, which may be in files.

use std::ffi::{CStr, CString, OsStr, c_char, c_int};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;

use super::parse::nbdkit_parse_int;
use super::text::duplicate;
use crate::failure::error_text;
use crate::log;

/// Gets the password in a parameter: as it is, from the file in `+FILE`, or from the descriptor in
/// `-FD`. There is no terminal to ask at, so `-` is an error. The plugin frees the result.
///
/// # Safety
/// `value` must be a C string, and `password` valid for writing a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_read_password(
    value: *const c_char,
    password: *mut *mut c_char,
) -> c_int {
    // SAFETY: the caller's promise.
    let value = unsafe { CStr::from_ptr(value) }.to_bytes();
    let read = match value {
        b"-" => Err("stdin is not a tty, cannot read password interactively".to_string()),
        [b'-', number @ ..] => from_descriptor(number),
        [b'+', path @ ..] => from_file(path),
        _ => Ok(value.to_vec()),
    };
    let copy = match read {
        Ok(text) => duplicate(&text),
        Err(message) => {
            if !message.is_empty() {
                log::error(message);
            }
            std::ptr::null_mut()
        }
    };
    // SAFETY: the caller's promise.
    unsafe { *password = copy };
    if copy.is_null() { -1 } else { 0 }
}

fn from_descriptor(number: &[u8]) -> Result<Vec<u8>, String> {
    let text = CString::new(number).unwrap_or_default();
    let mut descriptor = 0;
    // SAFETY: two C strings, and a variable for the number.
    let status = unsafe {
        nbdkit_parse_int(c"password file descriptor".as_ptr(), text.as_ptr(), &mut descriptor)
    };
    if status == -1 {
        // The parser has logged the error.
        return Err(String::new());
    }
    if (0..=2).contains(&descriptor) {
        return Err("cannot use password -FD for stdin/stdout/stderr".into());
    }
    // SAFETY: fcntl(2) takes any number. If the descriptor is open, the user meant us to have it.
    let file = unsafe {
        if libc::fcntl(descriptor, libc::F_GETFD) == -1 {
            let why = error_text(libc::EBADF);
            return Err(format!("fdopen {}: {why}", String::from_utf8_lossy(number)));
        }
        File::from_raw_fd(descriptor)
    };
    first_line(file, number)
}

fn from_file(path: &[u8]) -> Result<Vec<u8>, String> {
    let file = File::open(OsStr::from_bytes(path)).map_err(|error| {
        let why = error_text(error.raw_os_error().unwrap_or(libc::EIO));
        format!("open {}: {why}", String::from_utf8_lossy(path))
    })?;
    first_line(file, path)
}

fn first_line(file: File, what: &[u8]) -> Result<Vec<u8>, String> {
    let mut line = Vec::new();
    BufReader::new(file).read_until(b'\n', &mut line).map_err(|error| {
        let why = error_text(error.raw_os_error().unwrap_or(libc::EIO));
        format!("could not read password from {}: {why}", String::from_utf8_lossy(what))
    })?;
    Ok(line.strip_suffix(b"\n").map(<[u8]>::to_vec).unwrap_or(line))
}
