//! `struct nbdkit_plugin` of nbdkit 1.32, and how nbdkit takes it from a plugin.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;

use crate::failure::Failure;
use crate::lists::{Exports, Extents};

type Handle = *mut c_void;
type Ask = Option<unsafe extern "C" fn(Handle) -> c_int>;
type Step = Option<unsafe extern "C" fn() -> c_int>;
type Notice = Option<unsafe extern "C" fn()>;
type Data = Option<unsafe extern "C" fn(Handle, u32, u64, u32) -> c_int>;

/// The table that a plugin's `plugin_init` returns. It has slots for the data callbacks of both API
/// versions; `api_version` says which ones the plugin filled.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub(crate) struct PluginTable {
    pub(crate) struct_size: u64,
    pub(crate) api_version: c_int,
    pub(crate) thread_model: c_int,
    pub(crate) name: *const c_char,
    pub(crate) longname: *const c_char,
    pub(crate) version: *const c_char,
    pub(crate) description: *const c_char,
    pub(crate) load: Notice,
    pub(crate) unload: Notice,
    pub(crate) config: Option<unsafe extern "C" fn(*const c_char, *const c_char) -> c_int>,
    pub(crate) config_complete: Step,
    pub(crate) config_help: *const c_char,
    pub(crate) open: Option<unsafe extern "C" fn(c_int) -> Handle>,
    pub(crate) close: Option<unsafe extern "C" fn(Handle)>,
    pub(crate) get_size: Option<unsafe extern "C" fn(Handle) -> i64>,
    pub(crate) can_write: Ask,
    pub(crate) can_flush: Ask,
    pub(crate) is_rotational: Ask,
    pub(crate) can_trim: Ask,
    pub(crate) pread_v1: Option<unsafe extern "C" fn(Handle, *mut c_void, u32, u64) -> c_int>,
    pub(crate) pwrite_v1: Option<unsafe extern "C" fn(Handle, *const c_void, u32, u64) -> c_int>,
    pub(crate) flush_v1: Ask,
    pub(crate) trim_v1: Option<unsafe extern "C" fn(Handle, u32, u64) -> c_int>,
    pub(crate) zero_v1: Option<unsafe extern "C" fn(Handle, u32, u64, c_int) -> c_int>,
    pub(crate) errno_is_preserved: c_int,
    pub(crate) dump_plugin: Notice,
    pub(crate) can_zero: Ask,
    pub(crate) can_fua: Ask,
    pub(crate) pread: Option<unsafe extern "C" fn(Handle, *mut c_void, u32, u64, u32) -> c_int>,
    pub(crate) pwrite: Option<unsafe extern "C" fn(Handle, *const c_void, u32, u64, u32) -> c_int>,
    pub(crate) flush: Option<unsafe extern "C" fn(Handle, u32) -> c_int>,
    pub(crate) trim: Data,
    pub(crate) zero: Data,
    pub(crate) magic_config_key: *const c_char,
    pub(crate) can_multi_conn: Ask,
    pub(crate) can_extents: Ask,
    pub(crate) extents: Option<unsafe extern "C" fn(Handle, u32, u64, u32, *mut Extents) -> c_int>,
    pub(crate) can_cache: Ask,
    pub(crate) cache: Data,
    pub(crate) thread_model_callback: Step,
    pub(crate) can_fast_zero: Ask,
    pub(crate) preconnect: Option<unsafe extern "C" fn(c_int) -> c_int>,
    pub(crate) get_ready: Step,
    pub(crate) after_fork: Step,
    pub(crate) list_exports: Option<unsafe extern "C" fn(c_int, c_int, *mut Exports) -> c_int>,
    pub(crate) default_export: Option<unsafe extern "C" fn(c_int, c_int) -> *const c_char>,
    pub(crate) export_description: Option<unsafe extern "C" fn(Handle) -> *const c_char>,
    pub(crate) cleanup: Notice,
    pub(crate) block_size:
        Option<unsafe extern "C" fn(Handle, *mut u32, *mut u32, *mut u32) -> c_int>,
}

impl PluginTable {
    /// Copies as much of a plugin's table as both sides know, and zeroes the rest, so that an older
    /// plugin has none of the newer callbacks.
    ///
    /// # Errors
    /// Anything that makes nbdkit refuse a plugin: an unknown version, a missing required callback,
    /// or a name that is not allowed.
    ///
    /// # Safety
    /// `table` must be what the `plugin_init` of an nbdkit plugin returned.
    pub(crate) unsafe fn copy_from(table: *const PluginTable) -> Result<PluginTable, Failure> {
        let refused = |why: &str| Err(Failure::of_setup("loading the plugin", why));
        if table.is_null() {
            return refused("plugin registration function failed");
        }
        let mut copy = MaybeUninit::<PluginTable>::zeroed();
        // SAFETY: the table begins with its own size, and has that many bytes. All of its fields
        // may be zero.
        let copy = unsafe {
            let theirs = usize::try_from((*table).struct_size).unwrap_or(usize::MAX);
            let length = theirs.min(size_of::<PluginTable>());
            copy.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(table.cast(), length);
            copy.assume_init()
        };
        if !(0..=2).contains(&copy.api_version) {
            return refused(&format!(
                "plugin is incompatible with this version of nbdkit (_api_version = {})",
                copy.api_version
            ));
        }
        if copy.open.is_none() {
            return refused("plugin must have a .open callback");
        }
        if copy.get_size.is_none() {
            return refused("plugin must have a .get_size callback");
        }
        if copy.pread.is_none() && copy.pread_v1.is_none() {
            return refused("plugin must have a .pread callback");
        }
        // SAFETY: null, or a C string of the plugin's.
        match unsafe { text(copy.name) } {
            None => refused("plugin must have a .name field"),
            Some(name) if !is_name(&name) => {
                refused(&format!("plugin.name ('{name}') must be ASCII letters, digits and dashes"))
            }
            Some(_) => Ok(copy),
        }
    }
}

/// # Safety
/// `text` must be null or a C string.
pub(crate) unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: the caller's promise.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn the_layout_is_that_of_the_header() {
        assert_eq!(offset_of!(PluginTable, load), 48);
        assert_eq!(offset_of!(PluginTable, pread_v1), 144);
        assert_eq!(offset_of!(PluginTable, errno_is_preserved), 184);
        assert_eq!(offset_of!(PluginTable, pread), 216);
        assert_eq!(offset_of!(PluginTable, after_fork), 336);
        assert_eq!(size_of::<PluginTable>(), 384);
    }

    #[test]
    fn names() {
        assert!(is_name("lua") && is_name("9p-disk"));
        assert!(!is_name("") && !is_name("-x") && !is_name("a_b") && !is_name("caf\u{e9}"));
    }
}
