//! The lists that plugins fill. This host never asks for extents or exports, so there are none to
//! fill; the functions are here because a plugin that lacks one of them cannot be loaded.

use std::ffi::{c_char, c_int, c_void};

/// Takes an extent, and forgets it.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_add_extent(_: *mut c_void, _: u64, _: u64, _: u32) -> c_int {
    0
}

/// Frees a list that this host does not make.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_extents_free(_: *mut c_void) {}

/// Takes an export, and forgets it.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_add_export(_: *mut c_void, _: *const c_char, _: *const c_char) -> c_int {
    0
}

/// Takes the default export, and forgets it.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_use_default_export(_: *mut c_void) -> c_int {
    0
}

/// Frees a list that this host does not make.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_exports_free(_: *mut c_void) {}
