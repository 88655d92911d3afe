//! The table of callbacks that nbdkit is given.
//!
//! The table is the `nbdkit` crate's, made from [`nbdkit::Server`], with seven changes. It is
//! longer: the crate stops at `after_fork`, and nbdkit copies as much of a table as both know.
//! What belongs to no connection, and `open`, are ours: see `phases.rs`. Its `config` accepts
//! values that are not UTF-8, such as file names. A request flag that the crate does not know
//! fails the request; the crate would abort the server. A `zero` that asks for writes instead is
//! not logged as an error. Handles are recorded, so that those which nbdkit leaves open can be
//! closed at the end. And `pread` and `pwrite` go straight to the connection, without the crate's
//! trait object and error type in between.
#![allow(unsafe_code)]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::ptr;

use nbdkit::Builder;
use once_cell::sync::OnceCell;

use super::connection::{Connection, Exported, PluginOf};
use super::phases;
use super::validate;
use crate::callbacks::Callbacks;
use crate::error::{Error, Result};
use crate::host::{self, Exports};
use crate::memory;
use crate::panic;
use crate::plugin::Plugin;
use crate::report::{fail, log};
use crate::runner::Runner;
use crate::system;
use crate::values::Flags;

/// `struct nbdkit_plugin` up to nbdkit 1.32: the fields that the crate knows, and the later ones.
#[repr(C)]
#[allow(missing_debug_implementations, reason = "nbdkit alone looks at it")]
pub struct PluginTable {
    base: nbdkit::Plugin,
    list_exports: extern "C" fn(c_int, c_int, *mut Exports) -> c_int,
    default_export: extern "C" fn(c_int, c_int) -> *const c_char,
    export_description: extern "C" fn(*mut c_void) -> *const c_char,
    cleanup: extern "C" fn(),
    block_size: extern "C" fn(*mut c_void, *mut u32, *mut u32, *mut u32) -> c_int,
}

/// The crate's callbacks that ours wrap. They do not depend on the plugin.
#[derive(Debug, Clone, Copy)]
struct Inner {
    close: extern "C" fn(*mut c_void),
    trim: extern "C" fn(*mut c_void, u32, u64, u32) -> c_int,
    extents: extern "C" fn(*mut c_void, u32, u64, u32, *mut c_void) -> c_int,
}

static INNER: OnceCell<Inner> = OnceCell::new();

/// Makes the table. It is never freed, because nbdkit may read it as long as it runs.
#[doc(hidden)]
pub fn plugin_init<E: Exported>() -> *const PluginTable {
    panic::install_hook();
    system::spare_addresses();
    #[cfg(feature = "log")]
    host::send_to_nbdkit();

    let mut builder = Builder::new();
    builder.cache = true;
    builder.can_cache = true;
    builder.can_extents = true;
    builder.can_flush = true;
    builder.can_fast_zero = true;
    builder.can_fua = true;
    builder.can_multi_conn = true;
    builder.can_trim = true;
    builder.can_write = true;
    builder.can_zero = true;
    builder.extents = true;
    builder.flush = true;
    builder.is_rotational = true;
    builder.trim = true;
    builder.write_at = true;
    builder.zero = true;

    let table = builder.into_ptr::<Connection<E>>().cast_mut();
    // SAFETY: `nbdkit` 0.3.0 makes this pointer with `Box::into_raw` and keeps no copy of it.
    let mut base = *unsafe { Box::from_raw(table) };

    if let nbdkit::Plugin { trim: Some(trim), extents: Some(extents), .. } = base {
        let _ = INNER.set(Inner { close: base.close, trim, extents });
        base.trim = Some(checked_trim::<E>);
        base.extents = Some(checked_extents::<E>);
    }
    phases::fill::<E>(&mut base);
    base.open = open::<E>;
    base.close = close::<E>;
    base.pread = pread::<E>;
    base.pwrite = Some(pwrite::<E>);
    base.zero = Some(zero::<E>);
    base.config = Some(config::<E>);
    base._struct_size = size_of::<PluginTable>() as u64;
    Box::into_raw(Box::new(PluginTable {
        base,
        list_exports: list_exports::<E>,
        default_export: default_export::<E>,
        export_description: export_description::<E>,
        cleanup: cleanup::<E>,
        block_size: block_size::<E>,
    }))
}

/// What a script calls a callback.
fn callback_name<E: Exported>(callback: Callbacks) -> &'static str {
    PluginOf::<E>::callback_name(callback)
}

/// Checks that all flags of a request are known.
fn known_flags<E: Exported>(callback: Callbacks, flags: u32) -> Result<Flags, c_int> {
    Flags::from_bits(flags).ok_or_else(|| {
        fail(&Error::invalid(format!("{}: unknown flags {flags:#x}", callback_name::<E>(callback))))
    })
}

/// Returns the crate's callbacks if all flags are known.
fn checked<E: Exported>(callback: Callbacks, flags: u32) -> Result<&'static Inner, c_int> {
    known_flags::<E>(callback, flags)?;
    INNER.get().ok_or(-1)
}

/// Makes a handle as the crate makes them, whose functions take it. Records it: see `cleanup`.
extern "C" fn open<E: Exported>(readonly: c_int) -> *mut c_void {
    match panic::catch(|| Connection::<E>::open(readonly != 0)) {
        Ok(connection) => {
            let server: Box<dyn nbdkit::Server> = Box::new(connection);
            let handle: *mut c_void = Box::into_raw(Box::new(server)).cast();
            E::slot().opened(handle.expose_provenance());
            handle
        }
        Err(error) => {
            fail(&error.context(callback_name::<E>(Callbacks::OPEN)));
            ptr::null_mut()
        }
    }
}

extern "C" fn close<E: Exported>(handle: *mut c_void) {
    if let Some(inner) = INNER.get()
        && E::slot().closed(handle.addr())
    {
        (inner.close)(handle);
    }
}

extern "C" fn pread<E: Exported>(
    handle: *mut c_void,
    buffer: *mut c_char,
    count: u32,
    offset: u64,
    _flags: u32,
) -> c_int {
    // SAFETY: as in `export_description`; and nbdkit passes a buffer of `count` bytes that is this
    // request's alone.
    let (connection, buffer) = unsafe {
        let buffer = std::slice::from_raw_parts_mut(buffer.cast::<u8>(), count as usize);
        (connection::<E>(handle), buffer)
    };
    match connection.read(buffer, offset) {
        Ok(()) => 0,
        Err(error) => fail(&error),
    }
}

extern "C" fn pwrite<E: Exported>(
    handle: *mut c_void,
    data: *const c_char,
    count: u32,
    offset: u64,
    flags: u32,
) -> c_int {
    let flags = match known_flags::<E>(Callbacks::PWRITE, flags) {
        Ok(flags) => flags,
        Err(failed) => return failed,
    };
    // SAFETY: as in `pread`; nobody writes to these bytes while the request runs.
    let (connection, data) = unsafe {
        let data = std::slice::from_raw_parts(data.cast::<u8>(), count as usize);
        (connection::<E>(handle), data)
    };
    match connection.write(data, offset, flags) {
        Ok(()) => 0,
        Err(error) => fail(&error),
    }
}

extern "C" fn checked_trim<E: Exported>(
    handle: *mut c_void,
    count: u32,
    offset: u64,
    flags: u32,
) -> c_int {
    match checked::<E>(Callbacks::TRIM, flags) {
        Ok(inner) => (inner.trim)(handle, count, offset, flags),
        Err(failed) => failed,
    }
}

extern "C" fn zero<E: Exported>(handle: *mut c_void, count: u32, offset: u64, flags: u32) -> c_int {
    let flags = match known_flags::<E>(Callbacks::ZERO, flags) {
        Ok(flags) => flags,
        Err(failed) => return failed,
    };
    // SAFETY: as in `export_description`.
    let connection = unsafe { connection::<E>(handle) };
    match connection.zero_range(count, offset, flags) {
        Ok(()) => 0,
        // A refused fast zero is not a failure, but the crate would log an error for each one.
        Err(error) if flags.contains(Flags::FAST_ZERO) && error.is_unsupported() => {
            host::debug(error.message());
            host::set_error(error.errno());
            -1
        }
        Err(error) => fail(&error),
    }
}

extern "C" fn checked_extents<E: Exported>(
    handle: *mut c_void,
    count: u32,
    offset: u64,
    flags: u32,
    extents: *mut c_void,
) -> c_int {
    match checked::<E>(Callbacks::EXTENTS, flags) {
        Ok(inner) => (inner.extents)(handle, count, offset, flags, extents),
        Err(failed) => failed,
    }
}

extern "C" fn config<E: Exported>(key: *const c_char, value: *const c_char) -> c_int {
    let result = panic::catch(|| {
        // SAFETY: nbdkit passes two C strings, which stay while this runs.
        let (key, value) = unsafe { (CStr::from_ptr(key), CStr::from_ptr(value)) };
        let key = key.to_str().map_err(|_| {
            Error::invalid("a key that is not ASCII").context(callback_name::<E>(Callbacks::CONFIG))
        })?;
        E::slot().config(key, OsStr::from_bytes(value.to_bytes()))
    });
    match result {
        Ok(()) => 0,
        Err(error) => {
            log(&error);
            -1
        }
    }
}

extern "C" fn list_exports<E: Exported>(
    readonly: c_int,
    is_tls: c_int,
    exports: *mut Exports,
) -> c_int {
    let result = panic::catch(|| {
        let runner = E::slot().serving()?;
        let _kept = memory::keep_if_lent();
        match runner.with_plugin(|plugin| plugin.list_exports(readonly != 0, is_tls != 0)) {
            // SAFETY: the list is nbdkit's, for this callback.
            Err(error) if error.is_not_defined() => unsafe { host::use_default_export(exports) },
            Err(error) => Err(error),
            Ok(list) => {
                validate::exports(&list)?;
                list.iter().try_for_each(|export| {
                    // SAFETY: as above.
                    unsafe { host::add_export(exports, export) }
                })
            }
        }
    });
    match result {
        Ok(()) => 0,
        Err(error) => fail(&error.context(callback_name::<E>(Callbacks::LIST_EXPORTS))),
    }
}

extern "C" fn default_export<E: Exported>(readonly: c_int, is_tls: c_int) -> *const c_char {
    let result = panic::catch(|| {
        let runner = E::slot().serving()?;
        let _kept = memory::keep_if_lent();
        match runner.with_plugin(|plugin| plugin.default_export(readonly != 0, is_tls != 0)) {
            Err(error) if error.is_not_defined() => Ok(Some(String::new())),
            Ok(Some(name)) => validate::export_string("the name", &name).map(|()| Some(name)),
            result => result,
        }
    });
    interned(result.map_err(|error| error.context(callback_name::<E>(Callbacks::DEFAULT_EXPORT))))
}

extern "C" fn export_description<E: Exported>(handle: *mut c_void) -> *const c_char {
    // SAFETY: nbdkit passes what `open` returned, until `close` was called.
    let connection = unsafe { connection::<E>(handle) };
    interned(connection.export_description())
}

/// Interns a string for nbdkit. Null means that there is none, or an error.
fn interned(result: Result<Option<String>>) -> *const c_char {
    match result {
        Ok(Some(text)) => host::intern(&text),
        Ok(None) => ptr::null(),
        Err(error) => {
            log(&error);
            ptr::null()
        }
    }
}

/// Closes what nbdkit has left open, and cleans up.
///
/// nbdkit calls this when all threads that serve clients have ended. But it does not close the
/// connections of clients that were still connected.
extern "C" fn cleanup<E: Exported>() {
    if let Some(inner) = INNER.get() {
        for handle in E::slot().closing() {
            (inner.close)(ptr::with_exposed_provenance_mut(handle));
        }
    }
    let cleanup = panic::catch(|| Ok(E::slot().cleanup()));
    cleanup.unwrap_or_else(|error| vec![error]).iter().for_each(log);
}

extern "C" fn block_size<E: Exported>(
    handle: *mut c_void,
    minimum: *mut u32,
    preferred: *mut u32,
    maximum: *mut u32,
) -> c_int {
    // SAFETY: as in `export_description`.
    let connection = unsafe { connection::<E>(handle) };
    match connection.block_size() {
        Ok(sizes) => {
            let (a, b, c) = sizes.map_or((0, 0, 0), |s| (s.minimum, s.preferred, s.maximum));
            // SAFETY: nbdkit passes room for three numbers; zeroes mean that there are none.
            unsafe {
                *minimum = a;
                *preferred = b;
                *maximum = c;
            }
            0
        }
        Err(error) => fail(&error),
    }
}

/// The connection behind a handle.
///
/// # Safety
/// `handle` must be what `open` returned for `E`, and not yet closed.
unsafe fn connection<'a, E: Exported>(handle: *mut c_void) -> &'a Connection<E> {
    // SAFETY: `open` makes a handle as `nbdkit` 0.3.0 does, from a `Box<dyn Server>`; a
    // `Connection<E>` is all that is ever in it, so the data pointer of the trait object is one
    // to it.
    unsafe {
        let server: &dyn nbdkit::Server = &**handle.cast::<Box<dyn nbdkit::Server>>();
        &*ptr::from_ref(server).cast::<Connection<E>>()
    }
}
