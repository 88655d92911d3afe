//! The table: which arguments each callback gets, and what is made of its answer.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::{ApiVersion, Argument, ArgumentOf, Language, Lent};
use crate::buffer::{Filled, ReadBuffer};
use crate::callbacks::Callbacks;
use crate::error::{Error, Result};
use crate::interrupt::Interrupter;
use crate::library::watch;
use crate::plugin::ScriptPlugin;
use crate::returned::{FromReturned, Returned};
use crate::source::Script;
use crate::types::{BlockSize, Cache, Export, Extent, Flags, Fua, ThreadModel};

/// What nbdkit passes to callbacks for which it has no flags yet.
const NO_FLAGS: Flags = Flags::empty();

/// Calls what returns nothing.
#[inline]
fn act<L: Language, const N: usize>(
    language: &L,
    callback: Callbacks,
    arguments: [ArgumentOf<'_, '_, L>; N],
) -> Result<()> {
    language.call(callback, arguments, L::done)
}

#[inline]
fn number<'a, H, M>(number: impl Into<i64>) -> Argument<'a, H, M> {
    Argument::Integer(number.into())
}

#[inline]
fn offset_of<'a, 'request, L: Language>(offset: u64) -> Result<ArgumentOf<'a, 'request, L>> {
    L::offset(offset).map(Argument::Integer)
}

#[inline]
fn is_v2(language: &impl Language) -> bool {
    language.api_version() == ApiVersion::V2
}

/// Whether the requests that may have flags pass them on.
#[inline]
fn has_flags(language: &impl Language) -> bool {
    language.api_version() != ApiVersion::V1
}

/// A string or none. The empty string is a string in a language whose none it is, too.
fn string<R: Returned>(returned: R) -> Result<Option<String>> {
    let is_empty = returned.string().is_some_and(|string| string.is_empty());
    if is_empty { Ok(Some(String::new())) } else { Option::from_returned(returned) }
}

/// Callbacks without arguments, whose answer is ignored.
macro_rules! steps {
    ($($callback:ident: $name:ident($($receiver:tt)*);)*) => {
        $(fn $name($($receiver)* self) -> Result<()> {
            act(self, Callbacks::$callback, [])
        })*
    };
}

/// Callbacks that answer a question about a connection.
macro_rules! questions {
    ($($callback:ident: $name:ident -> $answer:ty;)*) => {
        $(fn $name(&self, handle: &L::Handle) -> Result<$answer> {
            let arguments = [Argument::Handle(handle)];
            self.call(Callbacks::$callback, arguments, |returned| <$answer>::from_returned(returned))
        })*
    };
}

impl<L: Language> ScriptPlugin for L {
    const NAME: &'static str = L::NAME;
    const LANGUAGE: &'static str = L::LANGUAGE;
    const VERSION: Option<&'static str> = L::VERSION;
    const CONFIG_HELP: Option<&'static str> = L::CONFIG_HELP;
    const NO_MEMORY_LIMIT: Option<&'static str> = L::NO_MEMORY_LIMIT;

    type Source = Script;
    type Handle = L::Handle;

    fn load(script: &Script) -> Result<Self> {
        L::load(script)
    }

    fn interrupter(&self) -> Option<Interrupter> {
        L::interrupter(self)
    }

    fn callbacks(&self) -> Callbacks {
        L::callbacks(self)
    }

    fn callback_name(callback: Callbacks) -> &'static str {
        L::callback_name(callback)
    }

    fn takes_flags(&self) -> bool {
        has_flags(self)
    }

    fn function_names(&self) -> Vec<String> {
        L::function_names(self)
    }

    fn dump_fields() -> Vec<(&'static str, String)> {
        L::dump_fields()
    }

    fn dump_plugin(&self) -> Result<()> {
        let result = act(self, Callbacks::DUMP_PLUGIN, []);
        self.flush_output();
        result
    }

    fn magic_config_key(&self) -> Result<String> {
        self.call(Callbacks::MAGIC_CONFIG_KEY, [], |returned| {
            string(returned)?.ok_or_else(|| {
                let none = <L::Returned<'_>>::NOTATION.none;
                Error::invalid(format!("returned {none}, expected a string"))
            })
        })
    }

    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        let (key, value) = (key.as_bytes(), value.as_bytes());
        act(self, Callbacks::CONFIG, [Argument::Parameter(key), Argument::Parameter(value)])
    }

    fn thread_model(&self) -> Result<ThreadModel> {
        let model = self
            .call(Callbacks::THREAD_MODEL, [], |returned| ThreadModel::from_returned(returned))?;
        L::check_thread_model(model)?;
        Ok(model)
    }

    steps! {
        CONFIG_COMPLETE: config_complete(&mut);
        GET_READY: get_ready(&mut);
        AFTER_FORK: after_fork(&);
        CLEANUP: cleanup(&);
    }

    fn preconnect(&self, readonly: bool) -> Result<()> {
        act(self, Callbacks::PRECONNECT, [Argument::Boolean(readonly)])
    }

    fn list_exports(&self, readonly: bool, is_tls: bool) -> Result<Vec<Export>> {
        let arguments = [Argument::Boolean(readonly), Argument::Boolean(is_tls)];
        self.call_for_list(Callbacks::LIST_EXPORTS, arguments, |list| Vec::from_returned(list))
    }

    fn default_export(&self, readonly: bool, is_tls: bool) -> Result<Option<String>> {
        let arguments = [Argument::Boolean(readonly), Argument::Boolean(is_tls)];
        self.call(Callbacks::DEFAULT_EXPORT, arguments, |returned| string(returned))
    }

    fn open(&self, readonly: bool) -> Result<L::Handle> {
        self.call_for_handle([Argument::Boolean(readonly)])
    }

    fn close(&self, handle: L::Handle) -> Result<()> {
        let result = act(self, Callbacks::CLOSE, [Argument::Handle(&handle)]);
        self.release(handle);
        result
    }

    fn get_size(&self, handle: &L::Handle) -> Result<i64> {
        self.call(Callbacks::GET_SIZE, [Argument::Handle(handle)], L::size)
    }

    fn block_size(&self, handle: &L::Handle) -> Result<Option<BlockSize>> {
        self.call(Callbacks::BLOCK_SIZE, [Argument::Handle(handle)], L::block_size)
    }

    questions! {
        EXPORT_DESCRIPTION: export_description -> Option<String>;
        CAN_WRITE: can_write -> bool;
        CAN_FLUSH: can_flush -> bool;
        IS_ROTATIONAL: is_rotational -> bool;
        CAN_TRIM: can_trim -> bool;
        CAN_ZERO: can_zero -> bool;
        CAN_FAST_ZERO: can_fast_zero -> bool;
        CAN_EXTENTS: can_extents -> bool;
        CAN_FUA: can_fua -> Fua;
        CAN_MULTI_CONN: can_multi_conn -> bool;
        CAN_CACHE: can_cache -> Cache;
    }

    #[inline]
    fn pread<'request>(
        &self,
        handle: &L::Handle,
        buffer: ReadBuffer<'request>,
        offset: u64,
    ) -> Result<Filled<'request>> {
        if is_v2(self) {
            return pread_in_place(self, handle, buffer, offset);
        }
        let count = Argument::Integer(buffer.len() as i64);
        let arguments = [Argument::Handle(handle), count, offset_of::<L>(offset)?];
        self.call(Callbacks::PREAD, arguments, |returned| L::copy(returned, buffer))
    }

    fn pwrite(&self, handle: &L::Handle, data: &[u8], offset: u64, flags: Flags) -> Result<()> {
        let (handle, offset) = (Argument::Handle(handle), offset_of::<L>(offset)?);
        let watched = watch::begin_write();
        let result = if is_v2(self) {
            let lent = L::Lent::data(data);
            let arguments = [handle, Argument::Lent(&lent), offset, number(flags.bits())];
            act(self, Callbacks::PWRITE, arguments)
        } else if has_flags(self) {
            let arguments = [handle, Argument::Bytes(data), offset, number(flags.bits())];
            act(self, Callbacks::PWRITE, arguments)
        } else {
            act(self, Callbacks::PWRITE, [handle, Argument::Bytes(data), offset])
        };
        if watched {
            watch::end_write::<L>(result.is_ok());
        }
        result
    }

    fn flush(&self, handle: &L::Handle) -> Result<()> {
        let handle = Argument::Handle(handle);
        if is_v2(self) {
            return act(self, Callbacks::FLUSH, [handle, number(NO_FLAGS.bits())]);
        }
        act(self, Callbacks::FLUSH, [handle])
    }

    fn trim(&self, handle: &L::Handle, count: u32, offset: u64, flags: Flags) -> Result<()> {
        let (handle, offset) = (Argument::Handle(handle), offset_of::<L>(offset)?);
        if has_flags(self) {
            let arguments = [handle, number(count), offset, number(flags.bits())];
            return act(self, Callbacks::TRIM, arguments);
        }
        act(self, Callbacks::TRIM, [handle, number(count), offset])
    }

    fn zero(&self, handle: &L::Handle, count: u32, offset: u64, flags: Flags) -> Result<()> {
        let (handle, offset) = (Argument::Handle(handle), offset_of::<L>(offset)?);
        let last = if has_flags(self) {
            number(flags.bits())
        } else {
            Argument::Boolean(flags.contains(Flags::MAY_TRIM))
        };
        act(self, Callbacks::ZERO, [handle, number(count), offset, last])
    }

    fn extents(
        &self,
        handle: &L::Handle,
        count: u32,
        offset: u64,
        flags: Flags,
    ) -> Result<Vec<Extent>> {
        let (handle, offset) = (Argument::Handle(handle), offset_of::<L>(offset)?);
        let arguments = [handle, number(count), offset, number(flags.bits())];
        self.call_for_list(Callbacks::EXTENTS, arguments, |list| Vec::from_returned(list))
    }

    fn cache(&self, handle: &L::Handle, count: u32, offset: u64) -> Result<()> {
        let (handle, offset) = (Argument::Handle(handle), offset_of::<L>(offset)?);
        if self.api_version() == ApiVersion::Sh {
            return act(self, Callbacks::CACHE, [handle, number(count), offset]);
        }
        let arguments = [handle, number(count), offset, number(NO_FLAGS.bits())];
        act(self, Callbacks::CACHE, arguments)
    }
}

/// A read of version 2: the script fills nbdkit's own memory. Not in line, so that a read of
/// version 1 has less on its way.
#[inline(never)]
fn pread_in_place<'request, L: Language>(
    language: &L,
    handle: &L::Handle,
    mut buffer: ReadBuffer<'request>,
    offset: u64,
) -> Result<Filled<'request>> {
    let count = buffer.len();
    let lent = L::Lent::fill(&mut buffer);
    let (handle, offset) = (Argument::Handle(handle), offset_of::<L>(offset)?);
    let arguments = [handle, Argument::Lent(&lent), offset, number(NO_FLAGS.bits())];
    let has_returned_data = language.call(Callbacks::PREAD, arguments, |returned| {
        let is_data = L::is_data(&returned, count);
        L::done(returned).map(|()| is_data)
    })?;
    drop(lent);
    // Else the client would read zeroes, and nobody would know why.
    if has_returned_data && buffer.is_untouched() {
        return Err(returned_data());
    }
    Ok(buffer.finish_with_zeroes())
}

#[cold]
fn returned_data() -> Error {
    Error::msg(
        "returned a string and wrote nothing into the buffer, \
         expected the bytes in the buffer: API version 2 ignores what is returned",
    )
}
