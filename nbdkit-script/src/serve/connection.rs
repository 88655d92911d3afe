//! One client's connection: how a callback goes through the runner into the plugin.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::lifecycle::Slot;
use super::validate;
use crate::buffer::ReadBuffer;
use crate::callbacks::{Callbacks, or_absent, or_default};
use crate::error::{Error, Result};
use crate::host;
use crate::memory;
use crate::panic;
use crate::plugin::Plugin;
use crate::report;
use crate::runner::{Handle, Runner};
use crate::values::{BlockSize, Flags};

/// The longest write, in bytes, that replaces part of a zero request.
const LONGEST_ZEROES: u32 = 1 << 20;

/// An exported plugin: [`export!`](crate::export) implements this.
pub trait Exported: Sized + 'static {
    /// The runner and its plugin.
    type Runner: Runner;

    /// The one global of the `.so`.
    fn slot() -> &'static Slot<Self::Runner>;
}

pub(super) type PluginOf<E> = <<E as Exported>::Runner as Runner>::Plugin;

/// One client's connection, as nbdkit holds it.
pub(crate) struct Connection<E: Exported> {
    runner: Arc<E::Runner>,
    /// `None` only during `drop`.
    inner: Option<<E::Runner as Runner>::Connection>,
    /// The plugin refuses fast zeroes. nbdkit does not know: see `can_fast_zero`.
    refuses_fast_zero: AtomicBool,
    /// What is known about the client.
    client: host::Remembered,
    exported: PhantomData<fn() -> E>,
}

impl<E: Exported> Connection<E> {
    pub(super) fn open(readonly: bool) -> Result<Self> {
        let runner = E::slot().serving()?;
        memory::check()?;
        let client = host::remember();
        let _kept = memory::Kept::most();
        let inner = Some(runner.open(readonly, host::caller(&client))?);
        let refuses_fast_zero = AtomicBool::new(false);
        Ok(Connection { runner, inner, refuses_fast_zero, client, exported: PhantomData })
    }

    /// For a callback in which nbdkit cannot answer questions about the client.
    pub(super) fn recall(&self) -> host::Recalled {
        host::Recalled::begin(&self.client)
    }

    /// Goes through the runner into the plugin.
    #[inline]
    pub(super) fn call<T>(
        &self,
        callback: Callbacks,
        call: impl FnMut(&PluginOf<E>, &Handle<E::Runner>) -> Result<T>,
    ) -> Result<T> {
        if memory::is_lent() {
            return self.call_without_memory(callback, call);
        }
        self.call_plugin(callback, call)
    }

    /// The slow path, once a callback has failed for lack of memory.
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

    /// Stores whether the plugin accepts fast zeroes.
    pub(super) fn keep_fast_zero(&self, fast: bool) {
        self.refuses_fast_zero.store(!fast, Ordering::Relaxed);
    }

    /// Zeroes a range. If the plugin asks for writes instead, they come from here: nbdkit 1.32 to
    /// 1.42 would write all of a long range at the offset of its first 64 MiB.
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
        let _recalled = self.recall();
        let closed = panic::catch(|| match self.inner.take() {
            Some(inner) => self.runner.close(inner),
            None => Ok(()),
        });
        if let Err(error) = closed {
            report::log(&error.context(PluginOf::<E>::callback_name(Callbacks::CLOSE)));
        }
    }
}
