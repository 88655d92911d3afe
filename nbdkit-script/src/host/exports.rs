//! How `list_exports` and similar callbacks hand their results to nbdkit.

use std::ffi::{CStr, CString, c_char};

use super::functions::{
    Exports, c_string, nbdkit_add_export, nbdkit_strdup_intern, nbdkit_use_default_export,
};
use crate::error::{Error, Result};
use crate::values::Export;

/// Makes a C string that lives as long as nbdkit needs a callback's return value. Null if memory
/// runs out or `text` contains a NUL byte.
pub(crate) fn intern(text: &str) -> *const c_char {
    match (nbdkit_strdup_intern.get(), CString::new(text)) {
        // SAFETY: `text` is a C string, which nbdkit copies.
        (Some(function), Ok(text)) => unsafe { function(text.as_ptr()) },
        _ => std::ptr::null(),
    }
}

/// Lists only the default export.
///
/// # Safety
/// `exports` must be the list that nbdkit passed to the running `list_exports` callback.
pub(crate) unsafe fn use_default_export(exports: *mut Exports) -> Result<()> {
    match nbdkit_use_default_export.get() {
        // SAFETY: the caller passes nbdkit's own list.
        Some(function) if unsafe { function(exports) } == 0 => Ok(()),
        _ => Err(Error::msg("nbdkit_use_default_export failed")),
    }
}

/// Adds an export to the list.
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
