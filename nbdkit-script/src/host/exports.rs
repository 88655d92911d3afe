//! What `list_exports` and its like give to nbdkit.

use std::ffi::{CStr, CString, c_char};

use super::functions::{
    Exports, c_string, nbdkit_add_export, nbdkit_strdup_intern, nbdkit_use_default_export,
};
use crate::error::{Error, Result};
use crate::values::Export;

/// A C string that lives as long as nbdkit wants the answer of a callback to live; null if there
/// is no memory or a NUL byte in it.
pub(crate) fn intern(text: &str) -> *const c_char {
    match (nbdkit_strdup_intern.get(), CString::new(text)) {
        // SAFETY: `text` is a C string, which nbdkit copies.
        (Some(function), Ok(text)) => unsafe { function(text.as_ptr()) },
        _ => std::ptr::null(),
    }
}

/// Answers a question for exports with the default one alone.
///
/// # Safety
/// `exports` must be what nbdkit gave to the `list_exports` callback that is running.
pub(crate) unsafe fn use_default_export(exports: *mut Exports) -> Result<()> {
    match nbdkit_use_default_export.get() {
        // SAFETY: the caller passes nbdkit's own list.
        Some(function) if unsafe { function(exports) } == 0 => Ok(()),
        _ => Err(Error::msg("nbdkit_use_default_export failed")),
    }
}

/// Adds to the answer to a question for exports.
///
/// # Safety
/// As for [`use_default_export`].
pub(crate) unsafe fn add_export(exports: *mut Exports, export: &Export) -> Result<()> {
    let name = c_string("the name of an export", export.name.as_bytes())?;
    let description = match &export.description {
        Some(description) => {
            Some(c_string("the description of an export", description.as_bytes())?)
        }
        None => None,
    };
    let description = description.as_deref().map_or(std::ptr::null(), CStr::as_ptr);
    match nbdkit_add_export.get() {
        // SAFETY: the caller passes nbdkit's own list; nbdkit copies both strings.
        Some(function) if unsafe { function(exports, name.as_ptr(), description) } == 0 => Ok(()),
        _ => Err(Error::invalid(format!("nbdkit refused the export {:?}", export.name))),
    }
}
