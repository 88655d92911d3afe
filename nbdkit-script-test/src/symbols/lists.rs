//! The lists that plugins fill.

use std::ffi::{c_char, c_int};

use crate::lists::{Exports, Extents};
use crate::table::text;

/// The return value of an nbdkit function. Sets errno for an error.
fn status(result: Result<(), i32>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(errno) => {
            // SAFETY: errno is this thread's own.
            unsafe { *libc::__errno_location() = errno };
            -1
        }
    }
}

/// Adds an extent.
///
/// # Safety
/// `extents` must be the list that nbdkit gave to the plugin.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_add_extent(
    extents: *mut Extents,
    offset: u64,
    length: u64,
    kind: u32,
) -> c_int {
    // SAFETY: the caller's promise.
    status(unsafe { &mut *extents }.add(offset, length, kind))
}

/// Adds an export.
///
/// # Safety
/// `exports` must be the list that nbdkit gave to the plugin, `name` a C string, `description` a C
/// string or null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_add_export(
    exports: *mut Exports,
    name: *const c_char,
    description: *const c_char,
) -> c_int {
    // SAFETY: the caller's promise.
    let (exports, name, description) = unsafe { (&mut *exports, text(name), text(description)) };
    status(exports.add(&name.unwrap_or_default(), description.as_deref()))
}

/// Names the default export.
///
/// # Safety
/// `exports` must be the list that nbdkit gave to the plugin.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_use_default_export(exports: *mut Exports) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { &mut *exports }.use_default = true;
    0
}

/// Frees a filter's list. Plugins make none, but nbdkit's own look for the function.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_extents_free(_: *mut Extents) {}

/// The same for exports.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_exports_free(_: *mut Exports) {}
