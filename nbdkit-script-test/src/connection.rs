//! One client's connection, and the requests it sends.

use std::error::Error;
use std::ffi::{c_int, c_void};
use std::io;

use super::symbols;
use super::table::PluginTable;

/// What a client may send.
pub trait Requests {
    /// Reads.
    fn pread(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes.
    fn pwrite(&self, data: &[u8], offset: u64) -> io::Result<()>;
    /// Writes zeroes, without leave to punch a hole.
    fn zero(&self, count: u32, offset: u64) -> io::Result<()>;
    /// Makes what was written durable.
    fn flush(&self) -> io::Result<()>;
}

/// A connection that belongs to one thread; the pointer in it keeps it from being shared.
/// [`SharedConnection`](super::SharedConnection) lifts that, with the locks it takes.
pub struct Connection<'plugin> {
    table: &'plugin PluginTable,
    handle: *mut c_void,
    /// The size of the disk in bytes.
    pub size: u64,
    /// Whether `pwrite` may be sent.
    pub can_write: bool,
    /// Whether `zero` may be sent. Where it may not, nbdkit would write zeroes itself.
    pub can_zero: bool,
    /// Whether `flush` may be sent.
    pub can_flush: bool,
}

impl<'plugin> Connection<'plugin> {
    /// Opens a connection and asks all that nbdkit asks, in its order.
    pub(super) fn open(table: &'plugin PluginTable) -> Result<Self, Box<dyn Error>> {
        let (Some(open), Some(get_size)) = (table.open, table.get_size) else {
            return Err("the plugin has no open or get_size".into());
        };
        // SAFETY: `preconnect` has been called, or there is none.
        let handle = unsafe { open(0) };
        if handle.is_null() {
            return Err("open failed".into());
        }
        // Whatever fails from here on, the connection is closed.
        let mut connection = Connection {
            table,
            handle,
            size: 0,
            can_write: false,
            can_zero: false,
            can_flush: false,
        };
        // SAFETY: `open` gave the handle.
        let size = unsafe { get_size(handle) };
        connection.size = u64::try_from(size).map_err(|_| "get_size failed")?;

        let v2 = table.api_version == 2;
        let has_pwrite = if v2 { table.pwrite.is_some() } else { table.pwrite_v1.is_some() };
        let has_zero = if v2 { table.zero.is_some() } else { table.zero_v1.is_some() };
        let has_flush = if v2 { table.flush.is_some() } else { table.flush_v1.is_some() };

        connection.can_write = connection.ask("can_write", table.can_write, has_pwrite)?;
        if connection.can_write {
            connection.can_zero = connection.ask("can_zero", table.can_zero, has_zero)? && has_zero;
            connection.ask("can_fast_zero", table.can_fast_zero, false)?;
            connection.ask("can_trim", table.can_trim, false)?;
            connection.ask("can_fua", table.can_fua, false)?;
        }
        connection.can_flush = connection.ask("can_flush", table.can_flush, has_flush)?;
        connection.ask("is_rotational", table.is_rotational, false)?;
        connection.ask("can_multi_conn", table.can_multi_conn, false)?;
        connection.ask("can_cache", table.can_cache, false)?;
        connection.ask("can_extents", table.can_extents, false)?;
        Ok(connection)
    }

    fn ask(
        &self,
        name: &str,
        callback: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
        absent: bool,
    ) -> Result<bool, Box<dyn Error>> {
        let Some(callback) = callback else {
            return Ok(absent);
        };
        // SAFETY: `open` gave the handle, and it is not closed.
        match unsafe { callback(self.handle) } {
            -1 => Err(format!("{name} failed").into()),
            answer => Ok(answer != 0),
        }
    }

    fn result(&self, callback: &'static str, returned: Option<c_int>) -> io::Result<()> {
        match returned {
            Some(returned) if returned != -1 => Ok(()),
            returned => Err(self.failure(callback, returned)),
        }
    }

    /// nbdkit lets no request through that is not all inside the disk, and plugins count on it.
    #[inline]
    fn inside(&self, count: usize, offset: u64) -> io::Result<u32> {
        match (u32::try_from(count), offset.checked_add(count as u64)) {
            (Ok(count), Some(end)) if end <= self.size => Ok(count),
            _ => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// The errno that nbdkit would send: what the plugin chose, or left in `errno` and says that
    /// it did, or else `EIO`.
    #[cold]
    fn failure(&self, callback: &'static str, returned: Option<c_int>) -> io::Error {
        let last = io::Error::last_os_error();
        if returned.is_none() {
            return io::Error::other(format!("the plugin has no {callback}"));
        }
        let errno = match (symbols::error(), self.table.errno_is_preserved) {
            (0, 0) => libc::EIO,
            (0, _) => last.raw_os_error().unwrap_or(libc::EIO),
            (chosen, _) => chosen,
        };
        symbols::clear_error();
        let error = io::Error::from_raw_os_error(errno);
        io::Error::new(error.kind(), format!("{callback}: {error}"))
    }
}

// Which generation a plugin is of is looked up at every request, as nbdkit does; the branch goes
// the same way every time, and is the same for all that are compared.
impl Requests for Connection<'_> {
    #[inline]
    fn pread(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let (data, count) = (buffer.as_mut_ptr().cast(), self.inside(buffer.len(), offset)?);
        // SAFETY: an open handle and room for `count` bytes.
        let returned = unsafe {
            if self.table.api_version == 2 {
                self.table.pread.map(|pread| pread(self.handle, data, count, offset, 0))
            } else {
                self.table.pread_v1.map(|pread| pread(self.handle, data, count, offset))
            }
        };
        self.result("pread", returned)
    }

    #[inline]
    fn pwrite(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let (data, count) = (data.as_ptr().cast(), self.inside(data.len(), offset)?);
        // SAFETY: an open handle and `count` bytes.
        let returned = unsafe {
            if self.table.api_version == 2 {
                self.table.pwrite.map(|pwrite| pwrite(self.handle, data, count, offset, 0))
            } else {
                self.table.pwrite_v1.map(|pwrite| pwrite(self.handle, data, count, offset))
            }
        };
        self.result("pwrite", returned)
    }

    #[inline]
    fn zero(&self, count: u32, offset: u64) -> io::Result<()> {
        let count = self.inside(count as usize, offset)?;
        // SAFETY: an open handle.
        let returned = unsafe {
            if self.table.api_version == 2 {
                self.table.zero.map(|zero| zero(self.handle, count, offset, 0))
            } else {
                self.table.zero_v1.map(|zero| zero(self.handle, count, offset, 0))
            }
        };
        self.result("zero", returned)
    }

    #[inline]
    fn flush(&self) -> io::Result<()> {
        // SAFETY: an open handle.
        let returned = unsafe {
            if self.table.api_version == 2 {
                self.table.flush.map(|flush| flush(self.handle, 0))
            } else {
                self.table.flush_v1.map(|flush| flush(self.handle))
            }
        };
        self.result("flush", returned)
    }
}

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        if let Some(close) = self.table.close {
            // SAFETY: `open` gave the handle, and this is the end of it.
            unsafe { close(self.handle) };
        }
    }
}
