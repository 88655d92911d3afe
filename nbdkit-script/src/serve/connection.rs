//! [`nbdkit::Server`] for any plugin and runner: the only place that meets the crate's trait.
//!
//! Every callback has one shape here: catch panics, go through the runner, give an absent callback
//! its default, put the callback's name before an error.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::lifecycle::Slot;
use super::validate;
use crate::buffer::ReadBuffer;
use crate::callbacks::{Callbacks, absent, or_absent, or_default};
use crate::error::{Error, Result};
use crate::host;
use crate::memory;
use crate::panic;
use crate::plugin::Plugin;
use crate::report;
use crate::runner::{Handle, Runner};
use crate::values::{BlockSize, Cache, ExtentKind, Flags, Fua, ThreadModel};

/// The longest write, in bytes, that a zero is split into.
const LONGEST_ZEROES: u32 = 1 << 20;

/// A plugin that [`export!`](crate::export) has given a place to live.
pub trait Exported: Sized + 'static {
    /// How it is run.
    type Runner: Runner;

    /// Where it lives.
    fn slot() -> &'static Slot<Self::Runner>;
}

type PluginOf<E> = <<E as Exported>::Runner as Runner>::Plugin;

/// One client's connection, as nbdkit holds it.
pub(crate) struct Connection<E: Exported> {
    runner: Arc<E::Runner>,
    /// `None` only while it is being dropped.
    inner: Option<<E::Runner as Runner>::Connection>,
    /// The plugin has said no to fast zeroes. nbdkit has not been told: see `can_fast_zero`.
    refuses_fast_zero: AtomicBool,
    /// For `close`.
    client: host::Remembered,
    exported: PhantomData<fn() -> E>,
}

impl<E: Exported> Connection<E> {
    /// Goes through the runner into the plugin.
    #[inline]
    fn call<T>(
        &self,
        callback: Callbacks,
        call: impl FnMut(&PluginOf<E>, &Handle<E::Runner>) -> Result<T>,
    ) -> Result<T> {
        if memory::is_lent() {
            return self.call_without_memory(callback, call);
        }
        self.call_plugin(callback, call)
    }

    /// The same after a callback has failed for want of memory.
    #[cold]
    #[inline(never)]
    fn call_without_memory<T>(
        &self,
        callback: Callbacks,
        call: impl FnMut(&PluginOf<E>, &Handle<E::Runner>) -> Result<T>,
    ) -> Result<T> {
        memory::prepare_thread();
        let _kept = memory::Kept::new();
        self.call_plugin(callback, call)
    }

    #[inline]
    fn call_plugin<T>(
        &self,
        callback: Callbacks,
        mut call: impl FnMut(&PluginOf<E>, &Handle<E::Runner>) -> Result<T>,
    ) -> Result<T> {
        panic::catch(|| match &self.inner {
            Some(inner) => self.runner.with(inner, &mut call),
            None => Err(Error::msg("the connection is closed")),
        })
        .map_err(|error| error.context(PluginOf::<E>::callback_name(callback)))
    }

    #[inline]
    pub(crate) fn read(&self, buffer: &mut [u8], offset: u64) -> Result<()> {
        self.call(Callbacks::PREAD, |plugin, handle| {
            plugin.pread(handle, ReadBuffer::new(buffer), offset).map(|_filled| ())
        })
    }

    #[inline]
    pub(crate) fn write(&self, data: &[u8], offset: u64, flags: Flags) -> Result<()> {
        self.call(Callbacks::PWRITE, |plugin, handle| {
            or_absent(plugin.pwrite(handle, data, offset, flags), Callbacks::PWRITE)
        })
    }

    /// Zeroes a range. Where the plugin wants writes instead, it gets them from here: nbdkit 1.32
    /// would write all of a long range at the offset of its first 64 MiB.
    pub(crate) fn zero_range(&self, count: u32, offset: u64, flags: Flags) -> Result<()> {
        let fast = flags.contains(Flags::FAST_ZERO);
        let zeroed = self.call(Callbacks::ZERO, |plugin, handle| {
            if fast {
                let no = |why| Err(Error::new(libc::EOPNOTSUPP, why));
                if !plugin.takes_flags() {
                    return no("a fast zero under API version 1");
                }
                if self.refuses_fast_zero.load(Ordering::Relaxed) {
                    return no("can_fast_zero has said that there are no fast zeroes");
                }
            }
            or_absent(plugin.zero(handle, count, offset, flags), Callbacks::ZERO)
        });
        match zeroed {
            Err(error) if error.is_unsupported() && !fast => {
                host::debug(error.message());
                self.write_zeroes(count, offset, flags & Flags::FUA)
            }
            result => result,
        }
    }

    fn write_zeroes(&self, count: u32, offset: u64, flags: Flags) -> Result<()> {
        let mut zeroes = Vec::new();
        let longest = count.min(LONGEST_ZEROES);
        memory::reserve(&mut zeroes, longest as usize, "zero")?;
        zeroes.resize(longest as usize, 0);
        let mut done = 0;
        while done < count {
            let now = (count - done).min(longest);
            self.write(&zeroes[..now as usize], offset + u64::from(done), flags)?;
            done += now;
        }
        Ok(())
    }

    pub(crate) fn export_description(&self) -> Result<Option<String>> {
        self.call(Callbacks::EXPORT_DESCRIPTION, |plugin, handle| {
            let description = or_default(plugin.export_description(handle), || None)?;
            if let Some(description) = &description {
                validate::export_string("the description", description)?;
            }
            Ok(description)
        })
    }

    pub(crate) fn block_size(&self) -> Result<Option<BlockSize>> {
        self.call(Callbacks::BLOCK_SIZE, |plugin, handle| {
            let sizes = or_default(plugin.block_size(handle), || None)?;
            sizes.map(|sizes| validate::block_size(sizes).map(|()| sizes)).transpose()
        })
    }
}

impl<E: Exported> Drop for Connection<E> {
    fn drop(&mut self) {
        let _closing = host::Closing::begin(&self.client);
        let closed = panic::catch(|| match self.inner.take() {
            Some(inner) => self.runner.close(inner),
            None => Ok(()),
        });
        if let Err(error) = closed {
            report::log(&error.context(PluginOf::<E>::callback_name(Callbacks::CLOSE)));
        }
    }
}

/// On its way out: the traceback goes to the debug log, the rest to the crate, which logs it.
#[cold]
fn report(error: Error) -> nbdkit::Error {
    report::note(&error);
    error.into()
}

impl<E: Exported> nbdkit::Server for Connection<E> {
    fn name() -> &'static str {
        PluginOf::<E>::NAME
    }

    fn longname() -> Option<&'static str> {
        PluginOf::<E>::LONGNAME
    }

    fn version() -> Option<&'static str> {
        PluginOf::<E>::VERSION
    }

    fn description() -> Option<&'static str> {
        PluginOf::<E>::DESCRIPTION
    }

    /// Asked once, for the table, which lives as long as nbdkit.
    fn config_help() -> Option<&'static str> {
        PluginOf::<E>::config_help().map(|help| &*help.leak())
    }

    fn magic_config_key() -> Option<&'static str> {
        PluginOf::<E>::MAGIC_CONFIG_KEY
    }

    fn load() {
        host::look_at_stdin();
        E::slot().load();
    }

    fn unload() {
        if let Err(error) = panic::catch(|| {
            E::slot().unload();
            Ok(())
        }) {
            report::log(&error.context("unload"));
        }
    }

    fn dump_plugin() {
        if let Err(error) = E::slot().dump_plugin() {
            report::log(&error);
        }
    }

    fn config_complete() -> nbdkit::Result<()> {
        E::slot().config_complete().map_err(report)
    }

    fn thread_model() -> nbdkit::Result<nbdkit::ThreadModel> {
        let model = E::slot().thread_model().map_err(report)?;
        Ok(match model {
            ThreadModel::SerializeConnections => nbdkit::ThreadModel::SerializeConnections,
            ThreadModel::SerializeAllRequests => nbdkit::ThreadModel::SerializeAllRequests,
            ThreadModel::SerializeRequests => nbdkit::ThreadModel::SerializeRequests,
            ThreadModel::Parallel => nbdkit::ThreadModel::Parallel,
        })
    }

    fn get_ready() -> nbdkit::Result<()> {
        E::slot().get_ready().map_err(report)
    }

    fn after_fork() -> nbdkit::Result<()> {
        E::slot().after_fork().map_err(report)
    }

    fn preconnect(readonly: bool) -> nbdkit::Result<()> {
        host::connected();
        panic::catch(|| {
            let runner = E::slot().serving()?;
            let _kept = memory::keep_if_lent();
            runner.with_plugin(|plugin| or_default(plugin.preconnect(readonly), || ()))
        })
        .map_err(|error| report(error.context(PluginOf::<E>::callback_name(Callbacks::PRECONNECT))))
    }

    fn open(readonly: bool) -> nbdkit::Result<Box<dyn nbdkit::Server>> {
        let connection = panic::catch(|| {
            let runner = E::slot().serving()?;
            memory::check()?;
            let client = host::remember();
            let _kept = memory::Kept::most();
            let inner = Some(runner.open(readonly)?);
            Ok(Connection::<E> {
                runner,
                inner,
                refuses_fast_zero: AtomicBool::new(false),
                client,
                exported: PhantomData,
            })
        })
        .map_err(|error| report(error.context(PluginOf::<E>::callback_name(Callbacks::OPEN))))?;
        Ok(Box::new(connection))
    }

    fn get_size(&self) -> nbdkit::Result<i64> {
        self.call(Callbacks::GET_SIZE, |plugin, handle| match plugin.get_size(handle)? {
            size @ 0.. => Ok(size),
            size => {
                Err(Error::invalid(format!("returned {size}, expected a size of 0 or more bytes")))
            }
        })
        .map_err(report)
    }

    fn can_write(&self) -> nbdkit::Result<bool> {
        self.call(Callbacks::CAN_WRITE, |plugin, handle| {
            or_default(plugin.can_write(handle), || plugin.callbacks().default_can_write())
        })
        .map_err(report)
    }

    fn can_flush(&self) -> nbdkit::Result<bool> {
        self.call(Callbacks::CAN_FLUSH, |plugin, handle| {
            or_default(plugin.can_flush(handle), || plugin.callbacks().default_can_flush())
        })
        .map_err(report)
    }

    fn is_rotational(&self) -> nbdkit::Result<bool> {
        self.call(Callbacks::IS_ROTATIONAL, |plugin, handle| {
            or_default(plugin.is_rotational(handle), || false)
        })
        .map_err(report)
    }

    fn can_trim(&self) -> nbdkit::Result<bool> {
        self.call(Callbacks::CAN_TRIM, |plugin, handle| {
            or_default(plugin.can_trim(handle), || plugin.callbacks().default_can_trim())
        })
        .map_err(report)
    }

    fn can_zero(&self) -> nbdkit::Result<bool> {
        self.call(Callbacks::CAN_ZERO, |plugin, handle| {
            or_default(plugin.can_zero(handle), || plugin.callbacks().default_can_zero())
        })
        .map_err(report)
    }

    /// Always yes. nbdkit asks only where it offers zeroes, and then takes fast ones from any
    /// client, told or not; where the answer was no, an assertion ends the server. So `zero_range`
    /// keeps the plugin's no, and fails such a request as nbdkit would.
    fn can_fast_zero(&self) -> nbdkit::Result<bool> {
        let fast = self
            .call(Callbacks::CAN_FAST_ZERO, |plugin, handle| match plugin.can_fast_zero(handle) {
                Err(error) if error.is_not_defined() => {
                    let callbacks = plugin.callbacks();
                    let can_zero =
                        or_default(plugin.can_zero(handle), || callbacks.default_can_zero())?;
                    Ok(callbacks.default_can_fast_zero(can_zero))
                }
                result => result,
            })
            .map_err(report)?;
        self.refuses_fast_zero.store(!fast, Ordering::Relaxed);
        Ok(true)
    }

    fn can_extents(&self) -> nbdkit::Result<bool> {
        self.call(Callbacks::CAN_EXTENTS, |plugin, handle| {
            or_default(plugin.can_extents(handle), || plugin.callbacks().default_can_extents())
        })
        .map_err(report)
    }

    fn can_fua(&self) -> nbdkit::Result<nbdkit::FuaFlags> {
        let fua = self
            .call(Callbacks::CAN_FUA, |plugin, handle| {
                let default = || plugin.callbacks().default_can_fua();
                match or_default(plugin.can_fua(handle), default)? {
                    Fua::Native if !plugin.takes_flags() => Ok(Fua::Emulate),
                    fua => Ok(fua),
                }
            })
            .map_err(report)?;
        Ok(match fua {
            Fua::None => nbdkit::FuaFlags::None,
            Fua::Emulate => nbdkit::FuaFlags::Emulate,
            Fua::Native => nbdkit::FuaFlags::Native,
        })
    }

    fn can_multi_conn(&self) -> nbdkit::Result<bool> {
        self.call(Callbacks::CAN_MULTI_CONN, |plugin, handle| {
            or_default(plugin.can_multi_conn(handle), || false)
        })
        .map_err(report)
    }

    fn can_cache(&self) -> nbdkit::Result<nbdkit::CacheFlags> {
        let cache = self
            .call(Callbacks::CAN_CACHE, |plugin, handle| {
                or_default(plugin.can_cache(handle), || plugin.callbacks().default_can_cache())
            })
            .map_err(report)?;
        Ok(match cache {
            Cache::None => nbdkit::CacheFlags::None,
            Cache::Emulate => nbdkit::CacheFlags::Emulate,
            Cache::Native => nbdkit::CacheFlags::Native,
        })
    }

    // The table has callbacks of our own for reads, writes and zeroes; the trait wants these too.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> nbdkit::Result<()> {
        self.read(buffer, offset).map_err(report)
    }

    fn write_at(&self, data: &[u8], offset: u64, flags: nbdkit::Flags) -> nbdkit::Result<()> {
        self.write(data, offset, convert(flags)).map_err(report)
    }

    fn flush(&self) -> nbdkit::Result<()> {
        self.call(Callbacks::FLUSH, |plugin, handle| {
            or_absent(plugin.flush(handle), Callbacks::FLUSH)
        })
        .map_err(report)
    }

    fn trim(&self, count: u32, offset: u64, flags: nbdkit::Flags) -> nbdkit::Result<()> {
        self.call(Callbacks::TRIM, |plugin, handle| {
            let result = plugin.trim(handle, count, offset, convert(flags));
            or_absent(result, Callbacks::TRIM)
        })
        .map_err(report)
    }

    fn zero(&self, count: u32, offset: u64, flags: nbdkit::Flags) -> nbdkit::Result<()> {
        self.zero_range(count, offset, convert(flags)).map_err(report)
    }

    fn extents(
        &self,
        count: u32,
        offset: u64,
        flags: nbdkit::Flags,
        extents: &mut nbdkit::ExtentHandle,
    ) -> nbdkit::Result<()> {
        let list = self
            .call(Callbacks::EXTENTS, |plugin, handle| {
                match plugin.extents(handle, count, offset, convert(flags)) {
                    Err(error) if error.is_not_defined() => {
                        absent(Callbacks::EXTENTS).map(|()| Vec::new())
                    }
                    Err(error) => Err(error),
                    Ok(list) => validate::extents(&list, offset).map(|()| list),
                }
            })
            .map_err(report)?;
        // nbdkit 1.32 ends itself by an assertion if it is asked for as much as it can be, and is
        // given an extent that is longer still. So that one ends where the request does.
        let end = if count == u32::MAX { offset.saturating_add(count.into()) } else { u64::MAX };
        for extent in list.into_iter().take_while(|extent| extent.offset < end) {
            let length = extent.length.min(end - extent.offset);
            let hole = extent.kind.contains(ExtentKind::HOLE);
            let zero = extent.kind.contains(ExtentKind::ZERO);
            let kind = match (hole, zero) {
                (false, false) => nbdkit::ExtentType::Allocated,
                (true, false) => nbdkit::ExtentType::Hole,
                (false, true) => nbdkit::ExtentType::Zero,
                (true, true) => nbdkit::ExtentType::HoleZero,
            };
            extents.add(extent.offset, length, kind)?;
        }
        Ok(())
    }

    fn cache(&self, count: u32, offset: u64) -> nbdkit::Result<()> {
        self.call(Callbacks::CACHE, |plugin, handle| {
            or_absent(plugin.cache(handle, count, offset), Callbacks::CACHE)
        })
        .map_err(report)
    }
}

/// The crate has refused bits that it does not know, and knows the same as we do.
#[inline]
fn convert(flags: nbdkit::Flags) -> Flags {
    Flags::from_bits_truncate(flags.bits())
}
