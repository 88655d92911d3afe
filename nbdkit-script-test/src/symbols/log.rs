//! `nbdkit_error`, `nbdkit_debug` and the other functions that take a format like printf(3).
//!
//! Stable Rust cannot define a function with `...`. The functions here have five fixed arguments as
//! wide as a register instead, and pass them on to the C library's `asprintf`. On Linux for x86-64
//! and aarch64, the caller sees no difference as long as a message takes at most five numbers or
//! pointers: both pass variable arguments in the same places as fixed ones. `%f` and a sixth
//! argument do not work; such a message is logged as its bare format.

use std::ffi::{CStr, CString, c_char, c_int, c_void};

use super::text::intern;
use crate::log::{self, Level};

const MOST_ARGUMENTS: usize = 5;

unsafe extern "C" {
    fn asprintf(text: *mut *mut c_char, format: *const c_char, ...) -> c_int;
    /// In C, the last argument is a `va_list`, which both systems pass as a pointer.
    fn vasprintf(text: *mut *mut c_char, format: *const c_char, arguments: *mut c_void) -> c_int;
}

/// Defines a function with fixed arguments in place of `...`.
macro_rules! printf_like {
    (
        $(#[doc = $doc:literal])*
        $name:ident($format:ident, $text:ident) -> $result:ty $body:block
    ) => {
        $(#[doc = $doc])*
        ///
        /// # Safety
        /// As for printf(3).
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            $format: *const c_char,
            a: usize,
            b: usize,
            c: usize,
            d: usize,
            e: usize,
        ) -> $result {
            let $text = || {
                let mut text = std::ptr::null_mut();
                // SAFETY: the caller passed what the format asks for, and that is no more than we
                // pass on here.
                let length = unsafe {
                    if !takes_few_words(CStr::from_ptr($format)) {
                        asprintf(&mut text, c"%s".as_ptr(), $format)
                    } else {
                        asprintf(&mut text, $format, a, b, c, d, e)
                    }
                };
                allocated(text, length)
            };
            $body
        }
    };
}

/// The same for a `va_list`.
macro_rules! vprintf_like {
    (
        $(#[doc = $doc:literal])*
        $name:ident($format:ident, $text:ident) -> $result:ty $body:block
    ) => {
        $(#[doc = $doc])*
        ///
        /// # Safety
        /// As for vprintf(3).
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            $format: *const c_char,
            arguments: *mut c_void,
        ) -> $result {
            let $text = || {
                let mut text = std::ptr::null_mut();
                // SAFETY: the caller passed what the format asks for.
                let length = unsafe { vasprintf(&mut text, $format, arguments) };
                allocated(text, length)
            };
            $body
        }
    };
}

printf_like! {
    /// Logs an error.
    nbdkit_error(format, text) -> () { write(Level::Error, text()) }
}
printf_like! {
    /// Logs a debug message.
    nbdkit_debug(format, text) -> () { write(Level::Debug, text()) }
}
printf_like! {
    /// Formats a string that nobody has to free.
    nbdkit_printf_intern(format, text) -> *const c_char { intern(owned(text())) }
}
vprintf_like! {
    /// Logs an error.
    nbdkit_verror(format, text) -> () { write(Level::Error, text()) }
}
vprintf_like! {
    /// Logs a debug message.
    nbdkit_vdebug(format, text) -> () { write(Level::Debug, text()) }
}
vprintf_like! {
    /// Formats a string that nobody has to free.
    nbdkit_vprintf_intern(format, text) -> *const c_char { intern(owned(text())) }
}

/// Whether a format takes only numbers and pointers, and no more than we pass on.
fn takes_few_words(format: &CStr) -> bool {
    let mut taken = 0;
    let mut bytes = format.to_bytes().iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            continue;
        }
        for byte in bytes.by_ref() {
            match byte {
                b'%' | b'm' => break,
                b'*' => taken += 1,
                b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'a' | b'A' => return false,
                b'L' => return false,
                b'h' | b'l' | b'j' | b'z' | b't' | b'q' => {}
                b'a'..=b'z' | b'A'..=b'Z' => {
                    taken += 1;
                    break;
                }
                _ => {}
            }
        }
    }
    taken <= MOST_ARGUMENTS
}

/// The string that `asprintf` made, or null if it failed.
fn allocated(text: *mut c_char, length: c_int) -> *mut c_char {
    if length < 0 { std::ptr::null_mut() } else { text }
}

/// Takes ownership of the string that `asprintf` made.
fn owned(text: *mut c_char) -> Option<CString> {
    if text.is_null() {
        return None;
    }
    // SAFETY: `text` is a C string that `asprintf` allocated for us alone.
    unsafe {
        let copy = CStr::from_ptr(text).to_owned();
        libc::free(text.cast());
        Some(copy)
    }
}

/// Logs a line. Preserves `errno`, which the plugin may look at next.
fn write(level: Level, text: *mut c_char) {
    let Some(text) = owned(text) else { return };
    // SAFETY: errno is this thread's own.
    unsafe {
        let errno = *libc::__errno_location();
        log::write(level, text.to_string_lossy().into_owned());
        *libc::__errno_location() = errno;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_known_by_what_it_takes() {
        assert!(takes_few_words(c"%s"));
        assert!(takes_few_words(c"100%% of %s:%d: %-5.3s %llu %m"));
        assert!(takes_few_words(c"%*d %.*s %c"));
        assert!(!takes_few_words(c"%d %d %d %d %d %d"));
        assert!(!takes_few_words(c"%g"));
        assert!(!takes_few_words(c"%Lg"));
    }

    #[test]
    fn arguments_arrive() {
        let (file, line) = (c"disk.lua", 7usize);
        // SAFETY: the format takes a C string and a number, and gets them.
        let text = unsafe {
            let text =
                nbdkit_printf_intern(c"%s:%zu".as_ptr(), file.as_ptr() as usize, line, 0, 0, 0);
            CStr::from_ptr(text)
        };
        assert_eq!(text, c"disk.lua:7");
    }
}
