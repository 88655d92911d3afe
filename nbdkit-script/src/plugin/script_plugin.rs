//! The contract of a plugin in Rust: [`ScriptPlugin`].

use std::ffi::OsStr;

use crate::buffer::{Filled, ReadBuffer};
use crate::error::{Error, Result};
use crate::plugin::Defines;
use crate::values::{BlockSize, Cache, Export, Extent, Flags, Fua, ThreadModel};

/// An nbdkit plugin written in Rust.
///
/// A scripting language implements [`Language`](crate::Language) instead, and its scripts are
/// plugins as [`Scripted<L>`](crate::Scripted).
///
/// # A plugin's life, in order
///
/// While the command line is read there is one thread, and the plugin is `&mut`:
///
/// 1. [`load`](ScriptPlugin::load) makes it when the `.so` is loaded.
/// 2. [`config`](ScriptPlugin::config), once for every `key=value`, in order.
///    `nbdkit --dump-plugin` ends here, with [`dump_plugin`](ScriptPlugin::dump_plugin).
/// 3. [`config_complete`](ScriptPlugin::config_complete), then
///    [`thread_model`](ScriptPlugin::thread_model).
/// 4. [`get_ready`](ScriptPlugin::get_ready): the last step before nbdkit forks and changes its
///    directory to `/`. A relative path has to be opened or made absolute by now.
///
/// From here on the plugin is frozen: all callbacks take `&self`, and the runner that it was
/// exported with says from how many threads ([`Shared`](crate::Shared): all at once;
/// [`Isolated`](crate::Isolated): one at a time for each instance).
///
/// 5. [`after_fork`](ScriptPlugin::after_fork): threads may be started.
/// 6. For every client: [`preconnect`](ScriptPlugin::preconnect), perhaps
///    [`list_exports`](ScriptPlugin::list_exports) and
///    [`default_export`](ScriptPlugin::default_export), then [`open`](ScriptPlugin::open), whose
///    [`Handle`](ScriptPlugin::Handle) all further callbacks of that connection get. Then
///    [`export_description`](ScriptPlugin::export_description),
///    [`get_size`](ScriptPlugin::get_size), [`block_size`](ScriptPlugin::block_size) and the
///    `can_*` family say what the client may do, each once for a connection.
/// 7. The data requests: [`pread`](ScriptPlugin::pread), [`pwrite`](ScriptPlugin::pwrite),
///    [`flush`](ScriptPlugin::flush), [`trim`](ScriptPlugin::trim), [`zero`](ScriptPlugin::zero),
///    [`extents`](ScriptPlugin::extents), [`cache`](ScriptPlugin::cache). A read or a
///    write has between 1 byte and 64 MiB, the others up to `u32::MAX`; nbdkit has checked that the
///    range `offset..offset + count` is inside the disk.
/// 8. [`close`](ScriptPlugin::close) when the client has gone; it takes the handle back.
/// 9. [`cleanup`](ScriptPlugin::cleanup) when the server ends, and then `Drop`.
///
/// # Absent callbacks
///
/// Only `load`, `open`, `get_size` and `pread` are required. The methods that are not overridden
/// return [`Error::not_defined`], and the framework then does what nbdkit does for a C plugin that
/// leaves the callback out; each method says what that is.
///
/// Some of that follows from which callbacks there *are*: a client may write if there is `pwrite`.
/// The attribute [`#[plugin]`](macro@crate::plugin) on the `impl` finds them. Without it the `impl`
/// does not compile, so nbdkit is told of every callback that is written.
///
/// # Errors and panics
///
/// An [`Error`] fails that one request, with its errno for the client and its message in nbdkit's
/// log. So does a panic, as `EIO`; it never ends the server.
///
/// After a panic the plugin goes on, with whatever the panic left half done. A
/// [`Mutex`](std::sync::Mutex) or `RwLock` that was locked then is *poisoned*: with
/// `lock().unwrap()`, every later request would panic as well. Where what it protects is still
/// usable, which is the case if each change to it is complete in itself, lock it regardless:
///
/// ```
/// # use std::sync::{Mutex, PoisonError};
/// # let blocks = Mutex::new(vec![0; 8]);
/// let blocks = blocks.lock().unwrap_or_else(PoisonError::into_inner);
/// ```
///
/// Where it is not, fail the requests: `.lock().map_err(|_| "the blocks are half changed")?`.
///
/// # Example
///
/// A whole plugin: a disk where every 8 bytes contain their own offset, as of
/// `nbdkit-pattern-plugin`.
///
/// ```no_run
/// use nbdkit_script::*;
///
/// struct Pattern {
///     size: i64,
/// }
///
/// #[plugin]
/// impl ScriptPlugin for Pattern {
///     const NAME: &'static str = "pattern8";
///     type Handle = ();
///
///     fn load() -> Result<Self> {
///         Ok(Pattern { size: 1 << 30 })
///     }
///
///     fn config(&mut self, key: &str, value: &std::ffi::OsStr) -> Result<()> {
///         match key {
///             "size" => self.size = host::parse_size(key, value)?,
///             _ => return Err(format!("unknown parameter {key}=").into()),
///         }
///         Ok(())
///     }
///
///     fn open(&self, _readonly: bool) -> Result<()> {
///         Ok(())
///     }
///
///     fn get_size(&self, _: &()) -> Result<i64> {
///         Ok(self.size)
///     }
///
///     fn pread<'request>(
///         &self,
///         _: &(),
///         mut buffer: ReadBuffer<'request>,
///         offset: u64,
///     ) -> Result<Filled<'request>> {
///         let mut word = offset & !7;
///         let mut skip = (offset - word) as usize;
///         while buffer.remaining() > 0 {
///             buffer.append(&word.to_be_bytes()[skip..]);
///             word += 8;
///             skip = 0;
///         }
///         buffer.finish()
///     }
/// }
///
/// export!(Shared<Pattern>);
/// # fn main() {}
/// ```
///
/// Built as a `cdylib`, it is served by `nbdkit ./target/release/libpattern8.so size=1M`.
#[allow(unused_variables)]
pub trait ScriptPlugin: Defines + Sized + Send + 'static {
    /// The plugin's name: ASCII letters, digits and inner dashes.
    const NAME: &'static str;
    /// A longer name, for `nbdkit --help`.
    const LONGNAME: Option<&'static str> = None;
    /// The version, for `nbdkit --help` and `--dump-plugin`.
    const VERSION: Option<&'static str> = None;
    /// What the plugin is, for `nbdkit --help`; any number of lines.
    const DESCRIPTION: Option<&'static str> = None;
    /// The parameters, for `nbdkit --help`; any number of lines. `#[derive(Parameters)]` makes
    /// them: [`Parameters::HELP`](crate::Parameters::HELP).
    const CONFIG_HELP: Option<&'static str> = None;
    /// The key that a parameter without `key=` is given. Without one, nbdkit refuses it. See
    /// [`Parameters::MAGIC_KEY`](crate::Parameters::MAGIC_KEY).
    const MAGIC_CONFIG_KEY: Option<&'static str> = None;

    /// How many instances [`Isolated`](crate::Isolated) runs if the thread model allows several.
    /// The default is the number of threads that nbdkit has for a connection, since a callback may
    /// wait.
    const INSTANCES: usize = 16;

    /// What belongs to one client's connection, from `open` to `close`.
    type Handle: Send + 'static;

    /// Makes the plugin.
    ///
    /// # Errors
    /// End nbdkit before it serves, with the message as it is.
    fn load() -> Result<Self>;

    /// Prints further `key=value` lines for `nbdkit --dump-plugin`, to standard output. It is
    /// called after `config`, without `config_complete`.
    fn dump_plugin(&self) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Takes one parameter. The key is ASCII: a letter, then letters, digits, `.`, `_`, `-`. The
    /// value is any bytes but NUL, for it may be a path. Absent: parameters are refused.
    /// [`Given::config`](crate::Given::config) reads them into the fields of a struct.
    ///
    /// # Errors
    /// End nbdkit before it serves.
    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        Err(Error::not_defined())
    }

    /// All parameters have been given: check that the necessary ones were, as
    /// [`Given::config_complete`](crate::Given::config_complete) does. Absent: nothing to do.
    ///
    /// # Errors
    /// End nbdkit before it serves.
    fn config_complete(&mut self) -> Result<()> {
        Err(Error::not_defined())
    }

    /// The greatest concurrency the plugin can stand. Absent: [`ThreadModel::Parallel`] under
    /// [`Shared`](crate::Shared), where the compiler has checked that it can;
    /// [`ThreadModel::SerializeAllRequests`] under [`Isolated`](crate::Isolated).
    ///
    /// # Errors
    /// End nbdkit before it serves.
    fn thread_model(&self) -> Result<ThreadModel> {
        Err(Error::not_defined())
    }

    /// Last step before nbdkit forks and changes directory. Absent: nothing to do.
    ///
    /// # Errors
    /// End nbdkit before it serves.
    fn get_ready(&mut self) -> Result<()> {
        Err(Error::not_defined())
    }

    /// First step in the process that serves; threads may be started. Absent: nothing to do.
    ///
    /// # Errors
    /// End nbdkit before it serves.
    fn after_fork(&self) -> Result<()> {
        Err(Error::not_defined())
    }

    /// The server is about to end; all connections are closed. Absent: nothing to do.
    fn cleanup(&self) -> Result<()> {
        Err(Error::not_defined())
    }

    /// A client connected and nothing has been negotiated, not even TLS. Absent: it may go on.
    ///
    /// # Errors
    /// Refuse the client.
    fn preconnect(&self, readonly: bool) -> Result<()> {
        Err(Error::not_defined())
    }

    /// The exports there are. Absent: the default export alone.
    ///
    /// # Errors
    /// Fail the client's question; it may go on.
    fn list_exports(&self, readonly: bool, is_tls: bool) -> Result<Vec<Export>> {
        Err(Error::not_defined())
    }

    /// The export that the empty name stands for, if any. Absent: the empty name.
    ///
    /// # Errors
    /// The same as `None`.
    fn default_export(&self, readonly: bool, is_tls: bool) -> Result<Option<String>> {
        Err(Error::not_defined())
    }

    /// A client's connection begins. `readonly` is whether nbdkit was started with `-r`.
    ///
    /// # Errors
    /// Refuse the client.
    fn open(&self, readonly: bool) -> Result<Self::Handle>;

    /// A client's connection has ended. Absent: the handle is dropped.
    ///
    /// # Errors
    /// Are logged; nobody is left to be told.
    fn close(&self, handle: Self::Handle) -> Result<()> {
        Err(Error::not_defined())
    }

    /// A text about the export for people. Absent: none.
    fn export_description(&self, handle: &Self::Handle) -> Result<Option<String>> {
        Err(Error::not_defined())
    }

    /// The size of the disk in bytes, 0 to `i64::MAX`.
    ///
    /// # Errors
    /// Refuse the client; so does a negative size.
    fn get_size(&self, handle: &Self::Handle) -> Result<i64>;

    /// The request sizes that the disk wants. `None`, or absent: nothing is said to the client.
    fn block_size(&self, handle: &Self::Handle) -> Result<Option<BlockSize>> {
        Err(Error::not_defined())
    }

    /// Whether the client may write. Absent: whether `pwrite` is defined.
    fn can_write(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether the client may flush. Absent: whether `flush` is defined.
    fn can_flush(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether the disk is slow where it has to seek. Absent: false.
    fn is_rotational(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether the client may trim. Absent: whether `trim` is defined.
    fn can_trim(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether `zero` is to be called; the client may send zeroes either way. Absent: whether
    /// `zero` is defined.
    fn can_zero(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether the client may ask for zeroes to be fast or to fail. Absent: true where nbdkit
    /// would write the zeroes itself, because then it fails them at once; else false.
    fn can_fast_zero(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// Whether `extents` is to be called. Absent: whether `extents` is defined.
    fn can_extents(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// How forced unit access is done. Absent: [`Fua::Emulate`] if `flush` is defined, else
    /// [`Fua::None`].
    fn can_fua(&self, handle: &Self::Handle) -> Result<Fua> {
        Err(Error::not_defined())
    }

    /// Whether what one connection has flushed is seen by all others. Absent: false.
    fn can_multi_conn(&self, handle: &Self::Handle) -> Result<bool> {
        Err(Error::not_defined())
    }

    /// How cache requests are done. Absent: [`Cache::Native`] if `cache` is defined, else
    /// [`Cache::None`].
    fn can_cache(&self, handle: &Self::Handle) -> Result<Cache> {
        Err(Error::not_defined())
    }

    /// Reads `buffer.len()` bytes from `offset` on. The [`Filled`] that is to be returned comes
    /// from filling the buffer, all of it.
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
    /// # Errors
    /// Fail the request; the client sees the errno.
    fn pwrite(&self, handle: &Self::Handle, data: &[u8], offset: u64, flags: Flags) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Makes everything written durable. Absent: `EINVAL`.
    ///
    /// # Errors
    /// Fail the request; the client sees the errno.
    fn flush(&self, handle: &Self::Handle) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Punches a hole. What it reads as afterwards is left open. `flags` may hold
    /// [`Flags::FUA`]. Absent: `EINVAL`.
    ///
    /// # Errors
    /// Fail the request; the client sees the errno.
    fn trim(&self, handle: &Self::Handle, count: u32, offset: u64, flags: Flags) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Makes a range read as zeroes. `flags` may hold [`Flags::MAY_TRIM`], [`Flags::FUA`],
    /// [`Flags::FAST_ZERO`]. Absent, or failing with `ENOTSUP` or `EOPNOTSUPP`: nbdkit writes
    /// zeroes with `pwrite`, unless the request was to be fast.
    ///
    /// # Errors
    /// Fail the request; the client sees the errno.
    fn zero(&self, handle: &Self::Handle, count: u32, offset: u64, flags: Flags) -> Result<()> {
        Err(Error::not_defined())
    }

    /// Tells data, holes and zeroes apart: extents in order, without gaps, the first one holding
    /// `offset`. They may end before or after the range. Absent: `EINVAL`.
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
    /// # Errors
    /// Fail the request; the client sees the errno.
    fn cache(&self, handle: &Self::Handle, count: u32, offset: u64) -> Result<()> {
        Err(Error::not_defined())
    }
}
