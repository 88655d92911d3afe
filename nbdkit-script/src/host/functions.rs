//! The functions that nbdkit exports to plugins, looked up on first use.
//!
//! nbdkit loads plugins with `RTLD_NOW`: if the running nbdkit lacked a single function that we
//! link against, it would reject the whole plugin. So we link against none. Outside nbdkit, in a
//! plugin's own unit tests, all of them are absent, unless `nbdkit-script-test` is linked in, which
//! provides its own.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::ptr::NonNull;

use once_cell::sync::{Lazy, OnceCell};

use crate::error::{Error, Result};
use crate::memory;

/// An opaque list that nbdkit passes to `list_exports`.
#[derive(Debug)]
#[repr(C)]
pub struct Exports {
    _opaque: [u8; 0],
}

/// One of nbdkit's functions, of type `F`.
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

    /// The function, or an error that says which nbdkit version has it.
    pub(super) fn require(&self) -> Result<F> {
        self.get().ok_or_else(|| {
            Error::new(
                libc::ENOTSUP,
                format!("{} is not in this nbdkit: it needs {}", self.name, self.since),
            )
        })
    }
}

/// Finds one of nbdkit's functions by its name.
pub type Finder = fn(&CStr) -> Option<NonNull<c_void>>;

static LINKED_IN: OnceCell<Finder> = OnceCell::new();

/// Registers functions that are linked into the program. The linker does not export a program's own
/// symbols, so dlsym(3) would not find them.
///
/// # Safety
/// Each function that the finder returns must have the C type of nbdkit's function of that name.
pub unsafe fn provide(finder: Finder) {
    let _ = LINKED_IN.set(finder);
}

/// The address of nbdkit's symbol with this name.
fn look_up(name: &str) -> Option<NonNull<c_void>> {
    let name = CString::new(name).ok()?;
    if let Some(found) = LINKED_IN.get().and_then(|find| find(&name)) {
        return Some(found);
    }
    // SAFETY: `name` is a C string, and dlsym(3) takes RTLD_DEFAULT as a handle.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) })
}

/// Declares functions with their C types and the first nbdkit version that has them.
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
                    // SAFETY: nbdkit-plugin(3) documents the C type given where this macro is used,
                    // and nbdkit never changes the type of an existing function. Neither does
                    // nbdkit-script-test: a new type gets a new number in the function's name.
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

    // No nbdkit has this one: see `tested`.
    nbdkit_script_test_ask_1 since "nbdkit-script-test": fn(*const c_void, *mut c_void);
}

/// Makes a C string from a script's text.
///
/// # Errors
/// `EINVAL` if it contains a NUL byte; `ENOMEM`.
pub(super) fn c_string(what: &str, text: &[u8]) -> Result<CString> {
    let mut bytes = Vec::new();
    // One more for the final NUL, so that `CString::new` need not reallocate.
    memory::reserve(&mut bytes, text.len() + 1, what)?;
    bytes.extend_from_slice(text);
    CString::new(bytes).map_err(|_| Error::invalid(format!("{what} has a NUL byte in it")))
}

/// The error for a failed call to one of nbdkit's functions that logs the reason itself.
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
    fn a_missing_function_is_an_error_that_names_the_version() {
        let error = nbdkit_timestamp.require().unwrap_err();
        assert_eq!(
            error.to_string(),
            "nbdkit_timestamp is not in this nbdkit: it needs nbdkit 1.48"
        );
        assert_eq!(error.errno(), libc::ENOTSUP);
    }
}
