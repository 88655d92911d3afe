//! [`nbdkit::Server`] for any plugin and runner: the only place that meets the crate's trait. What
//! belongs to no connection is in `phases.rs`.
//!
//! Every callback has the same shape: catch panics, go through the runner, use the default for an
//! absent callback, put the callback's name in front of an error.

use super::connection::{Connection, Exported, PluginOf};
use super::validate;
use crate::callbacks::{Callbacks, absent, or_absent, or_default};
use crate::error::Error;
use crate::host;
use crate::plugin::Plugin;
use crate::report;
use crate::values::{Cache, ExtentType, Flags, Fua};

/// Sends the traceback to the debug log. The crate logs the message.
#[cold]
fn report(error: Error) -> nbdkit::Error {
    report::note(&error);
    error.into_nbdkit()
}

impl<E: Exported> nbdkit::Server for Connection<E> {
    fn name() -> &'static str {
        PluginOf::<E>::NAME
    }

    /// Never called: the table has its own.
    fn open(_: bool) -> nbdkit::Result<Box<dyn nbdkit::Server>> {
        Err(nbdkit::Error::new(libc::ENOTSUP, "not by the crate"))
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

    /// Always true. nbdkit accepts fast zeroes even from clients it has not offered them to, and
    /// fails an assertion if the plugin had refused them. So `zero_range` remembers the refusal and
    /// fails such a request itself.
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
        self.keep_fast_zero(fast);
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

    // The table has our own callbacks for reads, writes and zeroes, but the trait requires these.
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
        // nbdkit 1.32 fails an assertion if a request has the maximum length and an extent reaches
        // past its end. So such an extent is cut at the end of the request.
        let end = if count == u32::MAX { offset.saturating_add(count.into()) } else { u64::MAX };
        for extent in list.into_iter().take_while(|extent| extent.offset < end) {
            let length = extent.length.min(end - extent.offset);
            let hole = extent.extent_type.contains(ExtentType::HOLE);
            let zero = extent.extent_type.contains(ExtentType::ZERO);
            let extent_type = match (hole, zero) {
                (false, false) => nbdkit::ExtentType::Allocated,
                (true, false) => nbdkit::ExtentType::Hole,
                (false, true) => nbdkit::ExtentType::Zero,
                (true, true) => nbdkit::ExtentType::HoleZero,
            };
            extents.add(extent.offset, length, extent_type)?;
        }
        Ok(())
    }

    /// The filter `readahead` calls this in a thread without a connection, where an error would
    /// crash nbdkit. Nobody waits for it there.
    fn cache(&self, count: u32, offset: u64) -> nbdkit::Result<()> {
        let _recalled = self.recall();
        let cached = self.call(Callbacks::CACHE, |plugin, handle| {
            or_absent(plugin.cache(handle, count, offset), Callbacks::CACHE)
        });
        match cached {
            Err(error) if !host::thread_has_connection() => {
                report::log(&error);
                Ok(())
            }
            cached => cached.map_err(report),
        }
    }
}

/// The crate has already rejected unknown bits, and it knows the same ones as we do.
#[inline]
fn convert(flags: nbdkit::Flags) -> Flags {
    Flags::from_bits_truncate(flags.bits())
}
