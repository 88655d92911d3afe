//! The contract of a plugin in Rust: [`ScriptPlugin`]. The examples of its callbacks are in
//! `examples/`.

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
    #[doc = include_str!("examples/dump_plugin.md")]
    fn dump_plugin(&self) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Takes one parameter. The key is ASCII: a letter, then letters, digits, `.`, `_`, `-`. The
    /// value may have any bytes but NUL, since it may be a path. Absent: all parameters are
    /// refused. [`Given::config`](crate::Given::config) reads parameters into the fields of a
    /// struct.
    ///
    #[doc = include_str!("examples/config.md")]
    ///
    /// # Errors
    /// End nbdkit before it serves.
    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Called after the last parameter. Check that the user gave the required ones, as
    /// [`Given::config_complete`](crate::Given::config_complete) does. Absent: nothing to do.
    ///
    #[doc = include_str!("examples/config_complete.md")]
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
    #[doc = include_str!("examples/thread_model.md")]
    ///
    /// # Errors
    /// End nbdkit before it serves.
    fn thread_model(&self) -> Result<ThreadModel> {
        Err(Error::not_defined())
    }

    /// The last step before nbdkit forks and changes directory. Absent: nothing to do.
    ///
    #[doc = include_str!("examples/get_ready.md")]
    ///
    /// # Errors
    /// End nbdkit before it serves.
    fn get_ready(&mut self) -> Result<()> {
        Err(Error::not_defined())
    }

    /// The first step in the process that serves; you may start threads. Absent: nothing to do.
    ///
    #[doc = include_str!("examples/after_fork.md")]
    ///
    /// # Errors
    /// End nbdkit before it serves.
    fn after_fork(&self) -> Result<()> {
        Err(Error::not_defined())
    }

    /// The server is about to end; all connections are closed. Absent: nothing to do.
    ///
    #[doc = include_str!("examples/cleanup.md")]
    fn cleanup(&self) -> Result<()> {
        Err(Error::not_defined())
    }

    /// A client has connected, and has negotiated nothing yet, not even TLS. Absent: it may go on.
    ///
    #[doc = include_str!("examples/preconnect.md")]
    ///
    /// # Errors
    /// Refuse the client.
    fn preconnect(&self, readonly: bool) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Lists the exports. Absent: only the default export.
    ///
    #[doc = include_str!("examples/list_exports.md")]
    ///
    /// # Errors
    /// Fail the client's request for the list; the client may go on.
    fn list_exports(&self, readonly: bool, is_tls: bool) -> Result<Vec<Export>> {
        Err(Error::not_defined())
    }

    /// The export that a client gets for the empty name, if any. Absent: the empty name.
    ///
    #[doc = include_str!("examples/default_export.md")]
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
    #[doc = include_str!("examples/close.md")]
    ///
    /// # Errors
    /// Are only logged, since the client has gone.
    fn close(&self, handle: Self::Handle) -> Result<()> {
        Err(Error::not_defined())
    }

    /// A description of the export, for people. Absent: none.
    ///
    #[doc = include_str!("examples/export_description.md")]
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
    #[doc = include_str!("examples/block_size.md")]
    fn block_size(&self, handle: &Self::Handle) -> Result<Option<BlockSize>> {
        Err(Error::not_defined())
    }

    /// Whether the client may write. Absent: whether `pwrite` is defined.
    ///
    #[doc = include_str!("examples/can_write.md")]
    fn can_write(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether the client may flush. Absent: whether `flush` is defined.
    ///
    #[doc = include_str!("examples/can_flush.md")]
    fn can_flush(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether the disk is slow to seek. Absent: false.
    ///
    #[doc = include_str!("examples/is_rotational.md")]
    fn is_rotational(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether the client may trim. Absent: whether `trim` is defined.
    ///
    #[doc = include_str!("examples/can_trim.md")]
    fn can_trim(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether nbdkit should call `zero`; the client may send zero requests either way. Absent:
    /// whether `zero` is defined.
    ///
    #[doc = include_str!("examples/can_zero.md")]
    fn can_zero(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether the client may ask for zeroes that are fast or fail. Absent: true if nbdkit would
    /// write the zeroes itself, because then it fails such a request at once; else false.
    ///
    #[doc = include_str!("examples/can_fast_zero.md")]
    fn can_fast_zero(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether nbdkit should call `extents`. Absent: whether `extents` is defined.
    ///
    #[doc = include_str!("examples/can_extents.md")]
    fn can_extents(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// How to do forced unit access. Absent: [`Fua::Emulate`] if `flush` is defined, else
    /// [`Fua::None`].
    ///
    #[doc = include_str!("examples/can_fua.md")]
    fn can_fua(&self, handle: &Self::Handle) -> Result<Fua> {
        Err(Error::not_defined())
    }

    /// Whether all connections see what one connection has flushed. Absent: false.
    ///
    #[doc = include_str!("examples/can_multi_conn.md")]
    fn can_multi_conn(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// How to do cache requests. Absent: [`Cache::Native`] if `cache` is defined, else
    /// [`Cache::None`].
    ///
    #[doc = include_str!("examples/can_cache.md")]
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
    #[doc = include_str!("examples/pwrite.md")]
    ///
    /// # Errors
    /// Fail the request; the client sees the errno.
    fn pwrite(&self, handle: &Self::Handle, data: &[u8], offset: u64, flags: Flags) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Makes everything written durable. Absent: `EINVAL`.
    ///
    #[doc = include_str!("examples/flush.md")]
    ///
    /// # Errors
    /// Fail the request; the client sees the errno.
    fn flush(&self, handle: &Self::Handle) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Punches a hole, which may then read as anything. `flags` may hold [`Flags::FUA`]. Absent:
    /// `EINVAL`.
    ///
    #[doc = include_str!("examples/trim.md")]
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
    #[doc = include_str!("examples/zero.md")]
    ///
    /// # Errors
    /// Fail the request; the client sees the errno.
    fn zero(&self, handle: &Self::Handle, count: u32, offset: u64, flags: Flags) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Says where data, holes and zeroes are. Return extents in order and without gaps; the first
    /// one has to contain `offset`. They may end before or after the range. Absent: `EINVAL`.
    ///
    #[doc = include_str!("examples/extents.md")]
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
    #[doc = include_str!("examples/cache.md")]
    ///
    /// # Errors
    /// Fail the request; the client sees the errno.
    fn cache(&self, handle: &Self::Handle, count: u32, offset: u64) -> Result<()> {
        Err(Error::not_defined())
    }
}
