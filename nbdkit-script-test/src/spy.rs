//! Reports which callbacks of a plugin are called, through a table that passes the calls on.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::lists::{Exports, Extents};
use crate::table::PluginTable;

/// Receives nbdkit's name of each callback that is called.
pub(crate) type Listener = fn(&'static str);

struct Watched {
    table: PluginTable,
    listener: Listener,
}

// SAFETY: the table points to functions and texts of the plugin, which nobody writes to.
unsafe impl Send for Watched {}
// SAFETY: as for `Send`.
unsafe impl Sync for Watched {}

static WATCHED: OnceLock<Watched> = OnceLock::new();

/// Whether the script has been named: earlier parameters are not for the script's `config`.
static IS_NAMED: AtomicBool = AtomicBool::new(false);

/// The key of the parameter that names the script, and the one that a parameter without a key gets.
const SCRIPT: &[u8] = b"script";

/// Reports a call, and returns the table with the plugin's own callbacks.
fn tell(name: &'static str) -> &'static PluginTable {
    match WATCHED.get() {
        Some(Watched { table, listener }) => {
            listener(name);
            table
        }
        None => unreachable!("only `watch` puts these into a table"),
    }
}

macro_rules! passed_on {
    ($(
        $field:ident as $name:ident($($argument:ident: $type:ty),*) -> $result:ty;
    )*) => {
        $(unsafe extern "C" fn $field($($argument: $type),*) -> $result {
            match tell(stringify!($name)).$field {
                // SAFETY: these are the arguments that nbdkit gave for this callback.
                Some(callback) => unsafe { callback($($argument),*) },
                None => unreachable!("only `replace` puts this into a table"),
            }
        })*

        /// Replaces the callbacks that the plugin defines with the functions above.
        fn replace(table: &mut PluginTable) {
            $(if table.$field.is_some() {
                table.$field = Some($field);
            })*
        }
    };
}

type Handle = *mut c_void;

passed_on! {
    config_complete as config_complete() -> c_int;
    thread_model_callback as thread_model() -> c_int;
    get_ready as get_ready() -> c_int;
    after_fork as after_fork() -> c_int;
    cleanup as cleanup() -> ();
    preconnect as preconnect(readonly: c_int) -> c_int;
    list_exports as list_exports(readonly: c_int, tls: c_int, list: *mut Exports) -> c_int;
    default_export as default_export(readonly: c_int, tls: c_int) -> *const c_char;
    open as open(readonly: c_int) -> Handle;
    close as close(handle: Handle) -> ();
    export_description as export_description(handle: Handle) -> *const c_char;
    get_size as get_size(handle: Handle) -> i64;
    block_size as block_size(handle: Handle, a: *mut u32, b: *mut u32, c: *mut u32) -> c_int;
    can_write as can_write(handle: Handle) -> c_int;
    can_flush as can_flush(handle: Handle) -> c_int;
    is_rotational as is_rotational(handle: Handle) -> c_int;
    can_trim as can_trim(handle: Handle) -> c_int;
    can_zero as can_zero(handle: Handle) -> c_int;
    can_fast_zero as can_fast_zero(handle: Handle) -> c_int;
    can_extents as can_extents(handle: Handle) -> c_int;
    can_fua as can_fua(handle: Handle) -> c_int;
    can_multi_conn as can_multi_conn(handle: Handle) -> c_int;
    can_cache as can_cache(handle: Handle) -> c_int;
    pread as pread(handle: Handle, data: Handle, count: u32, offset: u64, flags: u32) -> c_int;
    pwrite as pwrite(
        handle: Handle, data: *const c_void, count: u32, offset: u64, flags: u32
    ) -> c_int;
    flush as flush(handle: Handle, flags: u32) -> c_int;
    trim as trim(handle: Handle, count: u32, offset: u64, flags: u32) -> c_int;
    zero as zero(handle: Handle, count: u32, offset: u64, flags: u32) -> c_int;
    extents as extents(
        handle: Handle, count: u32, offset: u64, flags: u32, list: *mut Extents
    ) -> c_int;
    cache as cache(handle: Handle, count: u32, offset: u64, flags: u32) -> c_int;
}

unsafe extern "C" fn config(key: *const c_char, value: *const c_char) -> c_int {
    // SAFETY: nbdkit passes two C strings.
    let is_script = unsafe { CStr::from_ptr(key) }.to_bytes() == SCRIPT;
    let watched = WATCHED.get();
    if let Some(Watched { listener, .. }) = watched {
        if IS_NAMED.load(Ordering::Relaxed) {
            listener("config");
            if is_script {
                listener("magic_config_key");
            }
        } else if is_script {
            IS_NAMED.store(true, Ordering::Relaxed);
        }
    }
    match watched.and_then(|watched| watched.table.config) {
        // SAFETY: these are the arguments that nbdkit gave for this callback.
        Some(config) => unsafe { config(key, value) },
        None => -1,
    }
}

/// Reports each call to the listener from now on. A process can watch only one plugin.
pub(crate) fn watch(table: &mut PluginTable, listener: Listener) {
    if WATCHED.set(Watched { table: *table, listener }).is_ok() {
        replace(table);
        table.config = table.config.map(|_| config as _);
    }
}
