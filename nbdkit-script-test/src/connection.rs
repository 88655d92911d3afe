//! One client's connection: calls the plugin's callbacks directly, without nbdkit's emulation.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_int, c_void};
use std::io;
use std::sync::Arc;

use crate::failure::Failure;
use crate::lists::{Extents, LONGEST_STRING};
use crate::session::{self, Calling, Known};
use crate::table::{PluginTable, text};

/// The requests of a benchmark. They must lie inside the disk, as plugins expect, and go straight
/// to the plugin.
pub trait Requests {
    /// Reads.
    ///
    /// # Errors
    /// The errno that nbdkit would get from the plugin, here and for the other requests.
    fn pread(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes.
    ///
    /// # Errors
    /// As above.
    fn pwrite(&self, data: &[u8], offset: u64) -> io::Result<()>;
    /// Writes zeroes that must not be a hole.
    ///
    /// # Errors
    /// As above.
    fn zero(&self, count: u32, offset: u64) -> io::Result<()>;
    /// Makes all previous writes durable.
    ///
    /// # Errors
    /// As above.
    fn flush(&self) -> io::Result<()>;
}

/// The plugin's answers to nbdkit's questions, or nbdkit's own where it does not ask.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offers {
    /// The size of the disk in bytes.
    pub size: u64,
    /// Whether the client may write.
    pub write: bool,
    /// Whether the client may write zeroes. If the plugin cannot, nbdkit does it.
    pub zero: bool,
    /// Whether the plugin writes zeroes itself, instead of nbdkit.
    pub native_zero: bool,
    /// Whether the client may ask for zeroes to be fast or to fail.
    pub fast_zero: bool,
    /// Whether the client may trim.
    pub trim: bool,
    /// Forced unit access: 0 means not offered, 1 that nbdkit flushes, 2 that the plugin does it.
    pub fua: c_int,
    /// Whether the client may flush.
    pub flush: bool,
    /// Whether seeking is slow on this disk.
    pub rotational: bool,
    /// Whether a flush on one connection covers all others.
    pub multi_conn: bool,
    /// Cache requests: 0 means not offered, 1 that nbdkit reads, 2 that the plugin does it.
    pub cache: c_int,
    /// Whether the plugin has `extents`. Without it, everything is data.
    pub extents: bool,
}

/// A connection that belongs to one thread; its raw pointer makes it neither `Send` nor `Sync`.
/// [`SharedConnection`](crate::bare::SharedConnection) lifts that by taking locks.
#[derive(Debug)]
pub struct Connection<'plugin> {
    table: &'plugin PluginTable,
    handle: *mut c_void,
    client: Arc<Known>,
    /// What the client may send.
    pub offers: Offers,
}

impl<'plugin> Connection<'plugin> {
    /// Opens a connection and asks everything that nbdkit asks, in nbdkit's order.
    pub(crate) fn open(
        table: &'plugin PluginTable,
        client: Arc<Known>,
        export: &CStr,
        readonly: bool,
    ) -> Result<Self, Failure> {
        let _calling = Calling::for_client(&client);
        let refused = |what, why| Err(Failure::of_setup(what, why));
        let name = match export.to_bytes() {
            b"" => match default_export(table, readonly, client.tls) {
                Some(name) => name,
                None => return refused("open", "default export (\"\") not permitted"),
            },
            _ => export.to_owned(),
        };
        let _ = client.export.set(name);
        // SAFETY: `preconnect` has been called if the plugin has it. `open` exists: otherwise the
        // plugin would have been refused.
        let handle =
            table.open.map_or(std::ptr::null_mut(), |open| unsafe { open(readonly.into()) });
        if handle.is_null() {
            return refused("open", "");
        }
        // From here on, any failure closes the connection.
        let mut connection =
            Connection { table, handle, client: Arc::clone(&client), offers: Offers::default() };
        connection.offers = connection.ask_all(readonly)?;
        Ok(connection)
    }

    fn ask_all(&self, readonly: bool) -> Result<Offers, Failure> {
        let table = self.table;
        // SAFETY: `open` returned the handle.
        let size = table.get_size.map_or(-1, |get_size| unsafe { get_size(self.handle) });
        let Ok(size) = u64::try_from(size) else {
            let why = format!(".get_size function returned invalid value ({size})");
            return Err(Failure::of_setup("get_size", if size == -1 { "" } else { &why }));
        };
        let mut offers = Offers { size, ..Offers::default() };
        let has_zero = table.zero.is_some() || table.zero_v1.is_some();
        let has_flush = table.flush.is_some() || table.flush_v1.is_some();
        let has_pwrite = table.pwrite.is_some() || table.pwrite_v1.is_some();
        let has_trim = table.trim.is_some() || table.trim_v1.is_some();

        offers.write = !readonly && self.is("can_write", table.can_write, has_pwrite)?;
        if offers.write {
            offers.zero = true;
            offers.native_zero = self.is("can_zero", table.can_zero, has_zero)?;
            // If nbdkit writes the zeroes itself, it offers fast zeroes and fails them at once.
            let nbdkits = table.zero.is_none() || !offers.native_zero;
            offers.fast_zero = self.is("can_fast_zero", table.can_fast_zero, nbdkits)?;
            offers.trim = self.is("can_trim", table.can_trim, has_trim)?;
            offers.fua = self.ask("can_fua", table.can_fua, has_flush.into())?;
            if table.api_version < 2 {
                offers.fua = offers.fua.min(1);
            }
        }
        offers.flush = self.is("can_flush", table.can_flush, has_flush)?;
        offers.rotational = self.is("is_rotational", table.is_rotational, false)?;
        offers.multi_conn = self.is("can_multi_conn", table.can_multi_conn, false)?;
        let has_cache = if table.cache.is_some() { 2 } else { 0 };
        offers.cache = self.ask("can_cache", table.can_cache, has_cache)?;
        offers.extents = self.is("can_extents", table.can_extents, table.extents.is_some())?;
        Ok(offers)
    }

    fn ask(
        &self,
        name: &str,
        callback: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
        absent: c_int,
    ) -> Result<c_int, Failure> {
        let Some(callback) = callback else {
            return Ok(absent);
        };
        // SAFETY: `open` returned the handle, and it is not closed.
        match unsafe { callback(self.handle) } {
            -1 => Err(Failure::of_setup(name, "")),
            answer => Ok(answer),
        }
    }

    fn is(
        &self,
        name: &str,
        callback: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
        absent: bool,
    ) -> Result<bool, Failure> {
        Ok(self.ask(name, callback, absent.into())? != 0)
    }

    /// Minimum, preferred and maximum; three zeroes if the plugin does not say.
    pub(crate) fn block_size(&self) -> Result<[u32; 3], Failure> {
        let _calling = Calling::for_client(&self.client);
        let mut sizes = [0; 3];
        if let Some(block_size) = self.table.block_size {
            let [minimum, preferred, maximum] = &mut sizes;
            // SAFETY: an open handle, and three places.
            if unsafe { block_size(self.handle, minimum, preferred, maximum) } == -1 {
                return Err(Failure::of_setup("block_size", ""));
            }
        }
        Ok(sizes)
    }

    pub(crate) fn export_description(&self) -> Option<String> {
        let _calling = Calling::for_client(&self.client);
        let callback = self.table.export_description?;
        // SAFETY: an open handle; the plugin's string lives as long as the connection, or is null.
        let description = unsafe { text(callback(self.handle)) };
        description.filter(|description| description.len() <= LONGEST_STRING)
    }

    /// The client of this connection.
    pub(crate) fn client(&self) -> &Arc<Known> {
        &self.client
    }

    /// The errno of a failed callback: the one that the plugin set, or else `errno` if the plugin
    /// says that it preserves it, or else `EIO`.
    #[cold]
    pub(crate) fn errno(&self) -> i32 {
        let last = io::Error::last_os_error().raw_os_error().unwrap_or(0);
        match (session::error(), self.table.errno_is_preserved) {
            (0, 0) => libc::EIO,
            (0, _) if last == 0 => libc::EIO,
            (0, _) => last,
            (chosen, _) => chosen,
        }
    }

    fn result(&self, callback: &'static str, returned: Option<c_int>) -> io::Result<()> {
        match returned {
            Some(returned) if returned != -1 => Ok(()),
            returned => Err(self.failure(callback, returned)),
        }
    }

    /// Refuses a request that is not inside the disk: nbdkit passes none on, and plugins rely on
    /// it.
    #[inline]
    fn inside(&self, count: usize, offset: u64) -> io::Result<u32> {
        match (u32::try_from(count), offset.checked_add(count as u64)) {
            (Ok(count), Some(end)) if end <= self.offers.size => Ok(count),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    #[cold]
    fn failure(&self, callback: &'static str, returned: Option<c_int>) -> io::Error {
        if returned.is_none() {
            return io::Error::other(format!("the plugin has no {callback}"));
        }
        let error = io::Error::from_raw_os_error(self.errno());
        session::set_error(0);
        io::Error::new(error.kind(), format!("{callback}: {error}"))
    }

    // The callbacks. Like nbdkit, we look up the plugin's API version at every request; the branch
    // always goes the same way and costs every plugin the same. `None` means that the plugin lacks
    // the callback.

    #[inline]
    pub(crate) fn call_pread(&self, buffer: &mut [u8], count: u32, offset: u64) -> Option<c_int> {
        let data = buffer.as_mut_ptr().cast();
        // SAFETY: an open handle and room for `count` bytes.
        unsafe {
            if self.table.api_version == 2 {
                self.table.pread.map(|pread| pread(self.handle, data, count, offset, 0))
            } else {
                self.table.pread_v1.map(|pread| pread(self.handle, data, count, offset))
            }
        }
    }

    #[inline]
    pub(crate) fn call_pwrite(
        &self,
        data: &[u8],
        count: u32,
        offset: u64,
        flags: u32,
    ) -> Option<c_int> {
        let data = data.as_ptr().cast();
        // SAFETY: an open handle and `count` bytes.
        unsafe {
            if self.table.api_version == 2 {
                self.table.pwrite.map(|pwrite| pwrite(self.handle, data, count, offset, flags))
            } else {
                self.table.pwrite_v1.map(|pwrite| pwrite(self.handle, data, count, offset))
            }
        }
    }

    #[inline]
    pub(crate) fn call_zero(&self, count: u32, offset: u64, flags: u32) -> Option<c_int> {
        // SAFETY: an open handle.
        unsafe {
            if self.table.api_version == 2 {
                self.table.zero.map(|zero| zero(self.handle, count, offset, flags))
            } else {
                let may_trim = (flags & 1) as c_int;
                self.table.zero_v1.map(|zero| zero(self.handle, count, offset, may_trim))
            }
        }
    }

    #[inline]
    pub(crate) fn call_flush(&self) -> Option<c_int> {
        // SAFETY: an open handle.
        unsafe {
            if self.table.api_version == 2 {
                self.table.flush.map(|flush| flush(self.handle, 0))
            } else {
                self.table.flush_v1.map(|flush| flush(self.handle))
            }
        }
    }

    pub(crate) fn call_trim(&self, count: u32, offset: u64, flags: u32) -> Option<c_int> {
        // SAFETY: an open handle.
        unsafe {
            match self.table.trim {
                Some(trim) => Some(trim(self.handle, count, offset, flags)),
                None => self.table.trim_v1.map(|trim| trim(self.handle, count, offset)),
            }
        }
    }

    pub(crate) fn call_cache(&self, count: u32, offset: u64) -> Option<c_int> {
        // SAFETY: an open handle.
        unsafe { self.table.cache.map(|cache| cache(self.handle, count, offset, 0)) }
    }

    pub(crate) fn call_extents(
        &self,
        count: u32,
        offset: u64,
        flags: u32,
        extents: &mut Extents,
    ) -> Option<c_int> {
        // SAFETY: an open handle, and a list that only this call uses.
        unsafe {
            self.table.extents.map(|callback| callback(self.handle, count, offset, flags, extents))
        }
    }
}

impl Requests for Connection<'_> {
    #[inline]
    fn pread(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let count = self.inside(buffer.len(), offset)?;
        self.result("pread", self.call_pread(buffer, count, offset))
    }

    #[inline]
    fn pwrite(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let count = self.inside(data.len(), offset)?;
        self.result("pwrite", self.call_pwrite(data, count, offset, 0))
    }

    #[inline]
    fn zero(&self, count: u32, offset: u64) -> io::Result<()> {
        let count = self.inside(count as usize, offset)?;
        self.result("zero", self.call_zero(count, offset, 0))
    }

    #[inline]
    fn flush(&self) -> io::Result<()> {
        self.result("flush", self.call_flush())
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        let _calling = Calling::for_client(&self.client);
        if let Some(close) = self.table.close {
            // SAFETY: `open` returned the handle, and nobody uses it after this.
            unsafe { close(self.handle) };
        }
    }
}

/// The export that the empty name stands for, if any.
pub(crate) fn default_export(table: &PluginTable, readonly: bool, tls: bool) -> Option<CString> {
    let Some(callback) = table.default_export else {
        return Some(CString::default());
    };
    // SAFETY: we are past `after_fork`; the plugin's string is null or lives until we have copied
    // it.
    let name = unsafe {
        let name = callback(readonly.into(), tls.into());
        (!name.is_null()).then(|| CStr::from_ptr(name).to_owned())
    };
    name.filter(|name| name.count_bytes() <= LONGEST_STRING)
}
