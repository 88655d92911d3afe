//! The contract of a plugin in Rust: [`ScriptPlugin`].

use std::ffi::OsStr;

use crate::buffer::{Filled, ReadBuffer};
use crate::error::{Error, Result};
use crate::plugin::Defines;
use crate::values::{BlockSize, Cache, Export, Extent, Flags, Fua, ThreadModel};

#[doc = include_str!("script_plugin.md")]
#[allow(unused_variables)]
pub trait ScriptPlugin: Defines + Sized + Send + 'static {
    /// The plugin's name: ASCII letters, digits and inner dashes.
    const NAME: &'static str;
    /// A longer name, for `nbdkit --help`.
    const LONGNAME: Option<&'static str> = None;
    /// The version, for `nbdkit --help` and `--dump-plugin`.
    const VERSION: Option<&'static str> = None;
    /// A description, for `nbdkit --help`; any number of lines.
    const DESCRIPTION: Option<&'static str> = None;
    /// The parameters, for `nbdkit --help`; any number of lines. `#[derive(Parameters)]` makes
    /// them: [`Parameters::HELP`](crate::Parameters::HELP).
    const CONFIG_HELP: Option<&'static str> = None;
    /// The key for a parameter without `key=`. If it is `None`, nbdkit refuses such a parameter.
    /// See [`Parameters::MAGIC_KEY`](crate::Parameters::MAGIC_KEY).
    const MAGIC_CONFIG_KEY: Option<&'static str> = None;

    /// How many instances [`Isolated`](crate::Isolated) runs if the thread model allows several. By
    /// default, as many as nbdkit has threads for a connection, since a callback may block.
    const INSTANCES: usize = 16;

    /// Your data for one client's connection, from `open` to `close`.
    type Handle: Send + 'static;

    /// Creates the plugin.
    ///
    /// # Errors
    /// End nbdkit before it serves, with the unchanged message.
    fn load() -> Result<Self>;

    /// Prints more `key=value` lines for `nbdkit --dump-plugin`, to standard output. nbdkit calls
    /// this after `config`, without `config_complete`.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn dump_plugin(&self) -> Result<()> {
    ///     println!("disk_can_punch_holes={}", self.has_holes);
    ///     Ok(())
    /// }
    /// # }
    /// ```
    fn dump_plugin(&self) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Takes one parameter. The key is ASCII: a letter, then letters, digits, `.`, `_`, `-`. The
    /// value may have any bytes but NUL, since it may be a path. Absent: all parameters are
    /// refused. [`Given::config`](crate::Given::config) reads parameters into the fields of a
    /// struct.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
    ///     match key {
    ///         "size" => self.size = host::parse_size(key, value)?,
    ///         "file" => self.path = host::absolute_path(value.as_ref())?,
    ///         _ => return Err(Error::invalid(format!("unknown parameter {key}="))),
    ///     }
    ///     Ok(())
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// End nbdkit before it serves.
    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Called after the last parameter. Check that the user gave the required ones, as
    /// [`Given::config_complete`](crate::Given::config_complete) does. Absent: nothing to do.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn config_complete(&mut self) -> Result<()> {
    ///     if self.size % 512 != 0 {
    ///         return Err(Error::invalid("size=: expected whole sectors of 512 bytes"));
    ///     }
    ///     Ok(())
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// End nbdkit before it serves.
    fn config_complete(&mut self) -> Result<()> {
        Err(Error::not_defined())
    }

    /// The most concurrency that the plugin supports. Absent: [`ThreadModel::Parallel`] under
    /// [`Shared`](crate::Shared), where the compiler has checked that this is safe;
    /// [`ThreadModel::SerializeAllRequests`] under [`Isolated`](crate::Isolated).
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn thread_model(&self) -> Result<ThreadModel> {
    ///     Ok(ThreadModel::SerializeRequests)
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// End nbdkit before it serves.
    fn thread_model(&self) -> Result<ThreadModel> {
        Err(Error::not_defined())
    }

    /// The last step before nbdkit forks and changes directory. Absent: nothing to do.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn get_ready(&mut self) -> Result<()> {
    ///     self.file = Some(std::fs::File::open(&self.path).context(self.path.display())?);
    ///     Ok(())
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// End nbdkit before it serves.
    fn get_ready(&mut self) -> Result<()> {
        Err(Error::not_defined())
    }

    /// The first step in the process that serves; you may start threads. Absent: nothing to do.
    ///
    /// ```
    /// # use nbdkit_script::host;
    /// fn save_now_and_then() {
    ///     while !host::ending() { /* ... */ }
    /// }
    ///
    /// # nbdkit_script::__example! {
    /// fn after_fork(&self) -> Result<()> {
    ///     let saver = std::thread::Builder::new().spawn(save_now_and_then)?;
    ///     *self.saver.lock().map_err(|_| "no saver")? = Some(saver);
    ///     Ok(())
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// End nbdkit before it serves.
    fn after_fork(&self) -> Result<()> {
        Err(Error::not_defined())
    }

    /// The server is about to end; all connections are closed. Absent: nothing to do.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn cleanup(&self) -> Result<()> {
    ///     // `host::ending()` has told the thread to end.
    ///     match self.saver.lock().map_err(|_| "no saver")?.take() {
    ///         Some(saver) => saver.join().map_err(|_| "the saver panicked".into()),
    ///         None => Ok(()),
    ///     }
    /// }
    /// # }
    /// ```
    fn cleanup(&self) -> Result<()> {
        Err(Error::not_defined())
    }

    /// A client has connected, and has negotiated nothing yet, not even TLS. Absent: it may go on.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn preconnect(&self, _readonly: bool) -> Result<()> {
    ///     match host::peer_uid()? {
    ///         0 => Ok(()),
    ///         user => Err(Error::new(errno::EPERM, format!("user {user} may not use this disk"))),
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Refuse the client.
    fn preconnect(&self, readonly: bool) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Lists the exports. Absent: only the default export.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn list_exports(&self, _readonly: bool, _is_tls: bool) -> Result<Vec<Export>> {
    ///     let description = Some("what was there yesterday".into());
    ///     Ok(vec![
    ///         Export { name: "today".into(), description: None },
    ///         Export { name: "yesterday".into(), description },
    ///     ])
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fail the client's request for the list; the client may go on.
    fn list_exports(&self, readonly: bool, is_tls: bool) -> Result<Vec<Export>> {
        Err(Error::not_defined())
    }

    /// The export that a client gets for the empty name, if any. Absent: the empty name.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn default_export(&self, _readonly: bool, _is_tls: bool) -> Result<Option<String>> {
    ///     Ok(Some("today".into()))
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// The same as `None`.
    fn default_export(&self, readonly: bool, is_tls: bool) -> Result<Option<String>> {
        Err(Error::not_defined())
    }

    /// A client's connection begins. `readonly` is true if nbdkit was started with `-r`.
    ///
    /// # Errors
    /// Refuse the client.
    fn open(&self, readonly: bool) -> Result<Self::Handle>;

    /// A client's connection has ended. Absent: the handle is dropped.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn close(&self, client: Client) -> Result<()> {
    ///     host::debug(&format!("nobody reads {} any more", client.export));
    ///     Ok(())
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Are only logged, since the client has gone.
    fn close(&self, handle: Self::Handle) -> Result<()> {
        Err(Error::not_defined())
    }

    /// A description of the export, for people. Absent: none.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn export_description(&self, client: &Client) -> Result<Option<String>> {
    ///     Ok(Some(format!("a copy of {}", client.export)))
    /// }
    /// # }
    /// ```
    fn export_description(&self, handle: &Self::Handle) -> Result<Option<String>> {
        Err(Error::not_defined())
    }

    /// The size of the disk in bytes, 0 to `i64::MAX`.
    ///
    /// # Errors
    /// Refuse the client; so does a negative size.
    fn get_size(&self, handle: &Self::Handle) -> Result<i64>;

    /// The request sizes that the disk prefers. `None`, or absent: nbdkit tells the client nothing.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn block_size(&self, _: &Client) -> Result<Option<BlockSize>> {
    ///     Ok(Some(BlockSize { minimum: 512, preferred: 4096, maximum: 32 << 20 }))
    /// }
    /// # }
    /// ```
    fn block_size(&self, handle: &Self::Handle) -> Result<Option<BlockSize>> {
        Err(Error::not_defined())
    }

    /// Whether the client may write. Absent: whether `pwrite` is defined.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn can_write(&self, client: &Client) -> Result<bool> {
    ///     Ok(!client.readonly)
    /// }
    /// # }
    /// ```
    fn can_write(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether the client may flush. Absent: whether `flush` is defined.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn can_flush(&self, _: &Client) -> Result<bool> {
    ///     // Memory has nothing to flush.
    ///     Ok(self.file.is_some())
    /// }
    /// # }
    /// ```
    fn can_flush(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether the disk is slow to seek. Absent: false.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn is_rotational(&self, _: &Client) -> Result<bool> {
    ///     // A tape.
    ///     Ok(true)
    /// }
    /// # }
    /// ```
    fn is_rotational(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether the client may trim. Absent: whether `trim` is defined.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn can_trim(&self, _: &Client) -> Result<bool> {
    ///     Ok(self.has_holes)
    /// }
    /// # }
    /// ```
    fn can_trim(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether nbdkit should call `zero`; the client may send zero requests either way. Absent:
    /// whether `zero` is defined.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn can_zero(&self, _: &Client) -> Result<bool> {
    ///     // Without holes, nbdkit's own writes of zeroes are just as good.
    ///     Ok(self.has_holes)
    /// }
    /// # }
    /// ```
    fn can_zero(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether the client may ask for zeroes that are fast or fail. Absent: true if nbdkit would
    /// write the zeroes itself, because then it fails such a request at once; else false.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn can_fast_zero(&self, _: &Client) -> Result<bool> {
    ///     Ok(self.has_holes)
    /// }
    /// # }
    /// ```
    fn can_fast_zero(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether nbdkit should call `extents`. Absent: whether `extents` is defined.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn can_extents(&self, _: &Client) -> Result<bool> {
    ///     Ok(self.has_holes)
    /// }
    /// # }
    /// ```
    fn can_extents(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// How to do forced unit access. Absent: [`Fua::Emulate`] if `flush` is defined, else
    /// [`Fua::None`].
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn can_fua(&self, _: &Client) -> Result<Fua> {
    ///     Ok(Fua::Native)
    /// }
    /// # }
    /// ```
    fn can_fua(&self, handle: &Self::Handle) -> Result<Fua> {
        Err(Error::not_defined())
    }

    /// Whether all connections see what one connection has flushed. Absent: false.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn can_multi_conn(&self, _: &Client) -> Result<bool> {
    ///     // All clients see the same memory.
    ///     Ok(true)
    /// }
    /// # }
    /// ```
    fn can_multi_conn(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// How to do cache requests. Absent: [`Cache::Native`] if `cache` is defined, else
    /// [`Cache::None`].
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn can_cache(&self, _: &Client) -> Result<Cache> {
    ///     Ok(Cache::Emulate)
    /// }
    /// # }
    /// ```
    fn can_cache(&self, handle: &Self::Handle) -> Result<Cache> {
        Err(Error::not_defined())
    }

    /// Reads `buffer.len()` bytes from `offset` on. Fill all of the buffer to get the [`Filled`]
    /// that you return.
    ///
    /// # Errors
    /// Fail the request; the client sees the errno.
    fn pread<'request>(
        &self,
        handle: &Self::Handle,
        buffer: ReadBuffer<'request>,
        offset: u64,
    ) -> Result<Filled<'request>>;

    /// Writes all of `data` at `offset`. `flags` may hold [`Flags::FUA`]. Absent: `EROFS`.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn pwrite(&self, _: &Client, data: &[u8], offset: u64, _: Flags) -> Result<()> {
    ///     let mut bytes = self.bytes.write().unwrap_or_else(PoisonError::into_inner);
    ///     bytes[offset as usize..][..data.len()].copy_from_slice(data);
    ///     Ok(())
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fail the request; the client sees the errno.
    fn pwrite(&self, handle: &Self::Handle, data: &[u8], offset: u64, flags: Flags) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Makes everything written durable. Absent: `EINVAL`.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn flush(&self, _: &Client) -> Result<()> {
    ///     match &self.file {
    ///         Some(file) => Ok(file.sync_data()?),
    ///         None => Ok(()),
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fail the request; the client sees the errno.
    fn flush(&self, handle: &Self::Handle) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Punches a hole, which may then read as anything. `flags` may hold [`Flags::FUA`]. Absent:
    /// `EINVAL`.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn trim(&self, client: &Client, count: u32, offset: u64, flags: Flags) -> Result<()> {
    ///     self.zero(client, count, offset, flags)
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fail the request; the client sees the errno.
    fn trim(&self, handle: &Self::Handle, count: u32, offset: u64, flags: Flags) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Makes a range read as zeroes. `flags` may hold [`Flags::MAY_TRIM`], [`Flags::FUA`],
    /// [`Flags::FAST_ZERO`]. Absent, or failing with `ENOTSUP` or `EOPNOTSUPP`: nbdkit writes
    /// zeroes with `pwrite`, unless the client wants the request to be fast.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn zero(&self, _: &Client, count: u32, offset: u64, flags: Flags) -> Result<()> {
    ///     if flags.contains(Flags::FAST_ZERO) && !self.has_holes {
    ///         return Err(Error::new(errno::ENOTSUP, "this takes as long as a write"));
    ///     }
    ///     let mut bytes = self.bytes.write().unwrap_or_else(PoisonError::into_inner);
    ///     bytes[offset as usize..][..count as usize].fill(0);
    ///     Ok(())
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fail the request; the client sees the errno.
    fn zero(&self, handle: &Self::Handle, count: u32, offset: u64, flags: Flags) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Says where data, holes and zeroes are. Return extents in order and without gaps; the first
    /// one has to contain `offset`. They may end before or after the range. Absent: `EINVAL`.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn extents(&self, _: &Client, _: u32, offset: u64, _: Flags) -> Result<Vec<Extent>> {
    ///     // Data in the first MiB, and nothing after it.
    ///     const DATA: u64 = 1 << 20;
    ///     let end = self.size as u64;
    ///     let (extent_type, end) = match offset < DATA.min(end) {
    ///         true => (ExtentType::empty(), DATA.min(end)),
    ///         false => (ExtentType::HOLE | ExtentType::ZERO, end),
    ///     };
    ///     Ok(vec![Extent { offset, length: end - offset, extent_type }])
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fail the request; the client sees the errno.
    fn extents(
        &self,
        handle: &Self::Handle,
        count: u32,
        offset: u64,
        flags: Flags,
    ) -> Result<Vec<Extent>> {
        Err(Error::not_defined())
    }

    /// Prefetches a range. Absent: nothing to do.
    ///
    /// ```
    /// # nbdkit_script::__example! {
    /// fn cache(&self, _: &Client, count: u32, offset: u64) -> Result<()> {
    ///     // Another thread reads the blocks.
    ///     self.wanted.lock().map_err(|_| "no list")?.push(offset..offset + u64::from(count));
    ///     Ok(())
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// Fail the request; the client sees the errno.
    fn cache(&self, handle: &Self::Handle, count: u32, offset: u64) -> Result<()> {
        Err(Error::not_defined())
    }
}
