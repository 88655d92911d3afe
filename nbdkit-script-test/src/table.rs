//! `struct nbdkit_plugin` of nbdkit 1.32, and how nbdkit takes it from a plugin.

use std::error::Error;
use std::ffi::{c_char, c_int, c_void};
use std::mem::MaybeUninit;

type Handle = *mut c_void;
type Ask = Option<unsafe extern "C" fn(Handle) -> c_int>;
type Step = Option<unsafe extern "C" fn() -> c_int>;
type Notice = Option<unsafe extern "C" fn()>;
type Unused = Option<unsafe extern "C" fn()>;

/// The table that a plugin's `plugin_init` returns. Both generations of the data callbacks have
/// their slots; which of them a plugin has filled, `api_version` says.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PluginTable {
    pub struct_size: u64,
    pub api_version: c_int,
    pub thread_model: c_int,
    pub name: *const c_char,
    pub longname: *const c_char,
    pub version: *const c_char,
    pub description: *const c_char,
    pub load: Notice,
    pub unload: Notice,
    pub config: Option<unsafe extern "C" fn(*const c_char, *const c_char) -> c_int>,
    pub config_complete: Step,
    pub config_help: *const c_char,
    pub open: Option<unsafe extern "C" fn(c_int) -> Handle>,
    pub close: Option<unsafe extern "C" fn(Handle)>,
    pub get_size: Option<unsafe extern "C" fn(Handle) -> i64>,
    pub can_write: Ask,
    pub can_flush: Ask,
    pub is_rotational: Ask,
    pub can_trim: Ask,
    pub pread_v1: Option<unsafe extern "C" fn(Handle, *mut c_void, u32, u64) -> c_int>,
    pub pwrite_v1: Option<unsafe extern "C" fn(Handle, *const c_void, u32, u64) -> c_int>,
    pub flush_v1: Ask,
    pub trim_v1: Option<unsafe extern "C" fn(Handle, u32, u64) -> c_int>,
    pub zero_v1: Option<unsafe extern "C" fn(Handle, u32, u64, c_int) -> c_int>,
    pub errno_is_preserved: c_int,
    pub dump_plugin: Notice,
    pub can_zero: Ask,
    pub can_fua: Ask,
    pub pread: Option<unsafe extern "C" fn(Handle, *mut c_void, u32, u64, u32) -> c_int>,
    pub pwrite: Option<unsafe extern "C" fn(Handle, *const c_void, u32, u64, u32) -> c_int>,
    pub flush: Option<unsafe extern "C" fn(Handle, u32) -> c_int>,
    pub trim: Option<unsafe extern "C" fn(Handle, u32, u64, u32) -> c_int>,
    pub zero: Option<unsafe extern "C" fn(Handle, u32, u64, u32) -> c_int>,
    pub magic_config_key: *const c_char,
    pub can_multi_conn: Ask,
    pub can_extents: Ask,
    pub extents: Unused,
    pub can_cache: Ask,
    pub cache: Unused,
    pub thread_model_callback: Step,
    pub can_fast_zero: Ask,
    pub preconnect: Option<unsafe extern "C" fn(c_int) -> c_int>,
    pub get_ready: Step,
    pub after_fork: Step,
    pub list_exports: Unused,
    pub default_export: Unused,
    pub export_description: Unused,
    pub cleanup: Notice,
    pub block_size: Unused,
}

impl PluginTable {
    /// Copies a plugin's table: as much of it as both sides know, and zeroes for the rest, so that
    /// an older plugin has none of the newer callbacks.
    ///
    /// # Errors
    /// What nbdkit refuses a plugin for: an unknown version, or a required callback missing.
    ///
    /// # Safety
    /// `table` must be what the `plugin_init` of an nbdkit plugin returned.
    pub unsafe fn copy_from(table: *const PluginTable) -> Result<PluginTable, Box<dyn Error>> {
        if table.is_null() {
            return Err("plugin_init returned no table".into());
        }
        let mut copy = MaybeUninit::<PluginTable>::zeroed();
        // SAFETY: the table begins with its own size, and has that many bytes. All of its fields
        // may be zero.
        let copy = unsafe {
            let theirs = usize::try_from((*table).struct_size)?;
            let length = theirs.min(size_of::<PluginTable>());
            copy.as_mut_ptr().cast::<u8>().copy_from_nonoverlapping(table.cast(), length);
            copy.assume_init()
        };
        match copy.api_version {
            1 | 2 => {}
            version => return Err(format!("unknown API version {version}").into()),
        }
        let pread = copy.pread_v1.is_some() || copy.pread.is_some();
        if copy.name.is_null() || copy.open.is_none() || copy.get_size.is_none() || !pread {
            return Err("the plugin has no name, open, get_size or pread".into());
        }
        Ok(copy)
    }
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
}
