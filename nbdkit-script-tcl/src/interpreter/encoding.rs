//! The encoding of names of files, of the environment and of all else that the system has as bytes:
//! Tcl's system encoding. The process has one, for all interpreters.
//!
//! Tcl 8.6 in a plugin has ISO 8859-1, whatever the locale: a file is opened by the bytes that the
//! characters of its name stand for. Tcl 9 takes it from the locale, and here it is UTF-8 at first,
//! for a server that is started at boot often has no locale. With Tcl 9 a name that is not UTF-8
//! cannot be had in that encoding, so a script may choose ISO 8859-1 (`encoding system iso8859-1`).

#[cfg(tcl9)]
use crate::ffi;

/// For when an interpreter was made. Tcl 9 takes the encoding from the locale each time.
pub(super) fn initialize() {
    #[cfg(tcl9)]
    // SAFETY: Tcl is set up. It has this encoding built in, so this does not fail.
    unsafe {
        ffi::Tcl_SetSystemEncoding(std::ptr::null_mut(), c"utf-8".as_ptr());
    }
}

/// Whether what comes from outside is decoded as UTF-8. Else each byte is a character.
#[cfg(not(tcl9))]
pub(super) fn outside_is_utf8() -> bool {
    false
}

/// Whether what comes from outside is decoded as UTF-8. Else each byte is a character.
#[cfg(tcl9)]
pub(super) fn outside_is_utf8() -> bool {
    // SAFETY: no name stands for the system encoding. It is held while its name is read, so that
    // another interpreter may choose another one meanwhile.
    unsafe {
        let encoding = ffi::Tcl_GetEncoding(std::ptr::null_mut(), std::ptr::null());
        let name = ffi::Tcl_GetEncodingName(encoding);
        let is_bytes = std::ffi::CStr::from_ptr(name) == c"iso8859-1";
        ffi::Tcl_FreeEncoding(encoding);
        !is_bytes
    }
}
