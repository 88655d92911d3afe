//! The functions that nbdkit exports to plugins, looked up when they are first used.
//!
//! nbdkit loads a plugin with `RTLD_NOW`: one function that the running nbdkit lacks, and the
//! whole plugin is refused. So none is linked against. Outside nbdkit, in a plugin's own unit
//! tests, they are all absent, unless `nbdkit-script-test` is linked in, which has its own.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::ptr::NonNull;

use once_cell::sync::{Lazy, OnceCell};

use crate::error::{Error, Result};
use crate::memory;

/// An opaque list that nbdkit hands to `list_exports`.
#[derive(Debug)]
#[repr(C)]
pub struct Exports {
    _opaque: [u8; 0],
}

/// A function of nbdkit, of type `F`.
pub(super) struct Function<F: 'static> {
    name: &'static str,
    since: &'static str,
    address: Lazy<Option<F>>,
}

impl<F: Copy> Function<F> {
    /// The function, if the running nbdkit has it.
    pub(super) fn get(&self) -> Option<F> {
        *self.address
    }

    /// The function, or an error that says which nbdkit has it.
    pub(super) fn require(&self) -> Result<F> {
        self.get().ok_or_else(|| {
            Error::new(
                libc::ENOTSUP,
                format!("{} is not in this nbdkit: it needs {}", self.name, self.since),
            )
        })
    }
}

/// Finds a function of nbdkit's by its name.
pub type Finder = fn(&CStr) -> Option<NonNull<c_void>>;

static LINKED_IN: OnceCell<Finder> = OnceCell::new();

/// Has functions found that are linked into the program. The linker shows a program's own to nobody
/// who looks for them by name.
///
/// # Safety
/// What it finds must have the C types of nbdkit's functions.
pub unsafe fn provide(finder: Finder) {
    let _ = LINKED_IN.set(finder);
}

/// Where nbdkit has the symbol of this name.
fn look_up(name: &str) -> Option<NonNull<c_void>> {
    let name = CString::new(name).ok()?;
    if let Some(found) = LINKED_IN.get().and_then(|find| find(&name)) {
        return Some(found);
    }
    // SAFETY: `name` is a C string, and RTLD_DEFAULT is a handle that dlsym(3) takes.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) })
}

/// Declares a function with its C type, and the first nbdkit that has it.
macro_rules! functions {
    ($($name:ident since $since:literal: fn($($argument:ty),*) $(-> $result:ty)?;)*) => {
        $(functions!(@one $name $since unsafe extern "C" fn($($argument),*) $(-> $result)?);)*
    };
    (@one $name:ident $since:literal $type:ty) => {
        #[allow(non_upper_case_globals)]
        pub(super) static $name: Function<$type> = Function {
            name: stringify!($name),
            since: concat!("nbdkit ", $since),
            address: Lazy::new(|| {
                look_up(stringify!($name)).map(|address| {
                    // SAFETY: nbdkit-plugin(3) gives the symbol of this name the C type that is
                    // written at the macro's use, and never changes one that exists.
                    unsafe { std::mem::transmute::<*mut c_void, $type>(address.as_ptr()) }
                })
            }),
        };
    };
}

functions!(@one nbdkit_error "1.2" unsafe extern "C" fn(*const c_char, ...));
functions!(@one nbdkit_debug "1.2" unsafe extern "C" fn(*const c_char, ...));

functions! {
    nbdkit_set_error since "1.2": fn(c_int);
    nbdkit_debug_hexdump since "1.46": fn(*const c_void, usize, *const c_char, u64);
    nbdkit_debug_hexdiff since "1.48":
        fn(*const c_void, *const c_void, usize, *const c_char, u64);
    nbdkit_timestamp since "1.48": fn() -> *const c_char;
    nbdkit_stdio_safe since "1.22": fn() -> c_int;
    nbdkit_strdup_intern since "1.24": fn(*const c_char) -> *const c_char;
    nbdkit_use_default_export since "1.24": fn(*mut Exports) -> c_int;
    nbdkit_add_export since "1.24": fn(*mut Exports, *const c_char, *const c_char) -> c_int;

    nbdkit_export_name since "1.16": fn() -> *const c_char;
    nbdkit_is_tls since "1.22": fn() -> c_int;
    nbdkit_peer_name since "1.16": fn(*mut libc::sockaddr, *mut libc::socklen_t) -> c_int;
    nbdkit_peer_pid since "1.24": fn() -> i64;
    nbdkit_peer_uid since "1.24": fn() -> i64;
    nbdkit_peer_gid since "1.24": fn() -> i64;
    nbdkit_peer_security_context since "1.36": fn() -> *mut c_char;
    nbdkit_peer_tls_dn since "1.40": fn() -> *mut c_char;
    nbdkit_peer_tls_issuer_dn since "1.40": fn() -> *mut c_char;
    nbdkit_disconnect since "1.34": fn(c_int);

    nbdkit_shutdown since "1.20": fn();
    nbdkit_nanosleep since "1.18": fn(c_uint, c_uint) -> c_int;
    nbdkit_name since "1.48": fn() -> *const c_char;

    nbdkit_parse_size since "1.2": fn(*const c_char) -> i64;
    nbdkit_parse_bool since "1.2": fn(*const c_char) -> c_int;
    nbdkit_parse_int64_t since "1.16": fn(*const c_char, *const c_char, *mut i64) -> c_int;
    nbdkit_parse_uint64_t since "1.16": fn(*const c_char, *const c_char, *mut u64) -> c_int;
    nbdkit_parse_probability since "1.36": fn(*const c_char, *const c_char, *mut f64) -> c_int;
    nbdkit_parse_delay since "1.40":
        fn(*const c_char, *const c_char, *mut c_uint, *mut c_uint) -> c_int;
    nbdkit_absolute_path since "1.2": fn(*const c_char) -> *mut c_char;
    nbdkit_realpath since "1.8": fn(*const c_char) -> *mut c_char;
    nbdkit_read_password since "1.2": fn(*const c_char, *mut *mut c_char) -> c_int;
}

/// A C string of what a script gives.
///
/// # Errors
/// `EINVAL` over a NUL byte; `ENOMEM`.
pub(super) fn c_string(what: &str, text: &[u8]) -> Result<CString> {
    let mut bytes = Vec::new();
    // With the NUL at the end, or it would grow once more.
    memory::reserve(&mut bytes, text.len() + 1, what)?;
    bytes.extend_from_slice(text);
    CString::new(bytes).map_err(|_| Error::invalid(format!("{what} has a NUL byte in it")))
}

/// The error after a function of nbdkit's failed, which has logged the reason itself.
pub(super) fn logged(name: &str) -> Error {
    if std::io::Error::last_os_error().raw_os_error() == Some(libc::ENOMEM) {
        memory::is_short();
    }
    if memory::check().is_err() {
        return memory::none_for(name);
    }
    Error::invalid(format!("{name} failed: nbdkit has logged the reason"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_nbdkit_lacks_is_an_error_that_names_the_version() {
        let error = nbdkit_timestamp.require().unwrap_err();
        assert_eq!(
            error.to_string(),
            "nbdkit_timestamp is not in this nbdkit: it needs nbdkit 1.48"
        );
        assert_eq!(error.errno(), libc::ENOTSUP);
    }
}
