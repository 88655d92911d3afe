//! Tcl's system encoding, in which it decodes file names, the environment and all other bytes of
//! the system. All interpreters of a process share it.
//!
//! In a plugin, Tcl 8.6 has ISO 8859-1 in any locale: each character of a file's name is one byte.
//! Tcl 9 takes the encoding from the locale. We start with UTF-8 instead, because a server that is
//! started at boot often has no locale. In UTF-8, Tcl 9 cannot express a name that is not UTF-8, so
//! a script may choose ISO 8859-1 (`encoding system iso8859-1`).

#[cfg(tcl9)]
use crate::ffi;

/// Call this for each new interpreter: Tcl 9 takes the encoding from the locale each time.
pub(super) fn initialize() {
    #[cfg(tcl9)]
    // SAFETY: Tcl is initialized, and has this encoding built in, so this does not fail.
    unsafe {
        ffi::Tcl_SetSystemEncoding(std::ptr::null_mut(), c"utf-8".as_ptr());
    }
}

/// Whether bytes from outside are decoded as UTF-8. If not, each byte is a character.
#[cfg(not(tcl9))]
pub(super) fn outside_is_utf8() -> bool {
    false
}

/// Whether bytes from outside are decoded as UTF-8. If not, each byte is a character.
#[cfg(tcl9)]
pub(super) fn outside_is_utf8() -> bool {
    // SAFETY: a null name means the system encoding. We hold it while we read its name, in case
    // another interpreter chooses another one meanwhile.
    unsafe {
        let encoding = ffi::Tcl_GetEncoding(std::ptr::null_mut(), std::ptr::null());
        let name = ffi::Tcl_GetEncodingName(encoding);
        let is_bytes = std::ffi::CStr::from_ptr(name) == c"iso8859-1";
        ffi::Tcl_FreeEncoding(encoding);
        !is_bytes
    }
}
