//! [`Scripted`] makes a script a plugin. It knows which arguments each callback gets, and what its
//! return value means.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use super::api::watch;
use super::from_script::{FromReturned, Returned};
use super::in_front;
use super::language::{ApiVersion, Argument, ArgumentOf, Language, Lent, Wanted};
use super::of_language::OfLanguage;
use super::source;
use super::testing;
use crate::buffer::{Filled, ReadBuffer};
use crate::callbacks::Callbacks;
use crate::error::{Error, Result};
use crate::interrupt::Interrupter;
use crate::plugin::Plugin;
use crate::values::{BlockSize, Cache, Export, Extent, Flags, Fua, Number, ThreadModel};

/// A plugin whose callbacks are in a script of the language `L`:
/// `export!(Isolated<Scripted<MyLanguage>>)`.
pub struct Scripted<L: Language>(pub L);

impl<L: Language> std::fmt::Debug for Scripted<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scripted").finish_non_exhaustive()
    }
}

/// For callbacks for which nbdkit has no flags yet.
const NO_FLAGS: Flags = Flags::empty();

/// Calls a callback for its action.
#[inline]
fn act<L: Language, const N: usize>(
    language: &L,
    callback: Callbacks,
    arguments: [ArgumentOf<'_, '_, L>; N],
) -> Result<()> {
    language.call(callback, arguments, Wanted::Action, |returned| returned.done())
}

#[inline]
fn number<'a, H, M>(number: impl Into<i64>) -> Argument<'a, H, M> {
    Argument::Integer(number.into())
}

#[inline]
fn offset_of<'a, 'request, L: Language>(offset: u64) -> Result<ArgumentOf<'a, 'request, L>> {
    // nbdkit has checked that it is inside the disk, whose size is an i64.
    let offset = offset as i64;
    if offset > L::LARGEST_INTEGER {
        return Err(not_exact::<L>(offset));
    }
    Ok(Argument::Integer(offset))
}

#[cold]
fn not_exact<L: Language>(number: impl std::fmt::Display) -> Error {
    let bits = (L::LARGEST_INTEGER as u64 + 1).trailing_zeros();
    Error::new(
        libc::EOVERFLOW,
        format!(
            "{number} is past 2^{bits} - 1: this {} engine has no integers, \
             and its floating point numbers are not exact there",
            L::LANGUAGE
        ),
    )
}

/// The size of a disk.
fn size<L: Language>(returned: L::Returned<'_>) -> Result<i64> {
    let size = match returned.number() {
        Some(Number::Float(size)) if size.is_finite() => size,
        Some(Number::Integer(size)) => size as f64,
        _ => 0.0,
    };
    if L::LARGEST_INTEGER < i64::MAX && size.abs() > L::LARGEST_INTEGER as f64 {
        return Err(not_exact::<L>(size));
    }
    i64::from_returned(returned)
}

#[inline]
fn is_v2(language: &impl Language) -> bool {
    language.api_version() == ApiVersion::V2
}

/// Whether requests that may have flags pass them on.
#[inline]
fn has_flags(language: &impl Language) -> bool {
    language.api_version() != ApiVersion::V1
}

/// A string, or nil. The empty string is a string, even in a language where it is also nil.
fn string<R: Returned>(returned: R) -> Result<Option<String>> {
    let is_empty = returned.string().is_some_and(|string| string.is_empty());
    if is_empty { Ok(Some(String::new())) } else { Option::from_returned(returned) }
}

/// Callbacks without arguments and without a return value.
macro_rules! steps {
    ($($callback:ident: $name:ident($($receiver:tt)*);)*) => {
        $(fn $name($($receiver)* self) -> Result<()> {
            act(&self.0, Callbacks::$callback, [])
        })*
    };
}

/// Callbacks that return a property of a connection.
macro_rules! questions {
    ($($callback:ident: $name:ident -> $result:ty, $wanted:ident;)*) => {
        $(fn $name(&self, handle: &L::Handle) -> Result<$result> {
            let arguments = [Argument::Handle(handle)];
            self.0.call(Callbacks::$callback, arguments, Wanted::$wanted, |returned| {
                <$result>::from_returned(returned)
            })
        })*
    };
}

impl<L: Language> Plugin for Scripted<L> {
    const NAME: &'static str = L::NAME;
    const LONGNAME: Option<&'static str> = L::LONGNAME;
    const VERSION: Option<&'static str> = L::VERSION;
    const DESCRIPTION: Option<&'static str> = L::DESCRIPTION;
    const MAGIC_CONFIG_KEY: Option<&'static str> = Some(in_front::KEY);
    const INSTANCES: usize = L::INSTANCES;
    const NEEDS_ALL_MEMORY: bool = L::NO_MEMORY_LIMIT.is_some();

    type Handle = L::Handle;
    type Source = OfLanguage<L>;

    fn config_help() -> Option<String> {
        Some(in_front::help(L::LANGUAGE, L::PARAMETERS))
    }

    fn dump_fields() -> Vec<(&'static str, String)> {
        L::dump_fields()
    }

    fn load(source: &OfLanguage<L>) -> Result<Self> {
        L::load(&source.script, &source.program).map(Scripted)
    }

    fn warn(&self, source: &OfLanguage<L>) {
        let names = self.0.function_names();
        source.script.warn_of_misspellings(&names, self.0.callbacks(), L::callback_name);
    }

    fn check(&self, source: &OfLanguage<L>) -> Result<()> {
        source.script.check(self.0.callbacks(), L::callback_name, L::CALLBACKS_HINT)
    }

    fn instances_begin() {
        watch::begin();
    }

    fn callbacks(&self) -> Callbacks {
        self.0.callbacks()
    }

    fn callback_name(callback: Callbacks) -> &'static str {
        L::callback_name(callback)
    }

    fn unwanted_parameter(source: &OfLanguage<L>, key: &str) -> Error {
        source.script.unwanted_parameter(key, L::callback_name)
    }

    fn hint_at_refused(&self, key: &str) -> Option<String> {
        source::hint_at_refused(key, self.0.callbacks(), L::PARAMETERS)
    }

    fn takes_flags(&self) -> bool {
        has_flags(&self.0)
    }

    fn interrupter(&self) -> Option<Interrupter> {
        self.0.interrupter()
    }

    fn tests(file: &Path, limit: Option<Duration>) -> Result<Vec<String>> {
        testing::names::<L>(file, limit)
    }

    fn run_test(file: &Path, name: &str, limit: Option<Duration>) -> Result<()> {
        testing::run::<L>(file, name, limit)
    }

    fn dump_plugin(&self) -> Result<()> {
        let result = act(&self.0, Callbacks::DUMP_PLUGIN, []);
        self.0.flush_output();
        result
    }

    fn magic_config_key(&self) -> Result<String> {
        self.0.call(Callbacks::MAGIC_CONFIG_KEY, [], Wanted::Text, |returned| {
            string(returned)?.ok_or_else(|| {
                let none = <L::Returned<'_>>::NOTATION.none;
                Error::invalid(format!("returned {none}, expected a string"))
            })
        })
    }

    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        let (key, value) = (key.as_bytes(), value.as_bytes());
        act(&self.0, Callbacks::CONFIG, [Argument::Parameter(key), Argument::Parameter(value)])
    }

    fn thread_model(&self) -> Result<ThreadModel> {
        let model = self.0.call(Callbacks::THREAD_MODEL, [], Wanted::Number, |returned| {
            ThreadModel::from_returned(returned)
        })?;
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
        act(&self.0, Callbacks::PRECONNECT, [Argument::Boolean(readonly)])
    }

    fn list_exports(&self, readonly: bool, is_tls: bool) -> Result<Vec<Export>> {
        let arguments = [Argument::Boolean(readonly), Argument::Boolean(is_tls)];
        self.0
            .call(Callbacks::LIST_EXPORTS, arguments, Wanted::List, |list| Vec::from_returned(list))
    }

    fn default_export(&self, readonly: bool, is_tls: bool) -> Result<Option<String>> {
        let arguments = [Argument::Boolean(readonly), Argument::Boolean(is_tls)];
        self.0.call(Callbacks::DEFAULT_EXPORT, arguments, Wanted::Text, |returned| string(returned))
    }

    fn open(&self, readonly: bool) -> Result<L::Handle> {
        self.0.open([Argument::Boolean(readonly)])
    }

    fn close(&self, handle: L::Handle) -> Result<()> {
        let result = act(&self.0, Callbacks::CLOSE, [Argument::Handle(&handle)]);
        self.0.release(handle);
        result
    }

    fn get_size(&self, handle: &L::Handle) -> Result<i64> {
        self.0.call(Callbacks::GET_SIZE, [Argument::Handle(handle)], Wanted::Number, size::<L>)
    }

    fn block_size(&self, handle: &L::Handle) -> Result<Option<BlockSize>> {
        let arguments = [Argument::Handle(handle)];
        self.0.call(Callbacks::BLOCK_SIZE, arguments, Wanted::List, |returned| {
            Option::from_returned(returned)
        })
    }

    questions! {
        EXPORT_DESCRIPTION: export_description -> Option<String>, Text;
        CAN_WRITE: can_write -> bool, Boolean;
        CAN_FLUSH: can_flush -> bool, Boolean;
        IS_ROTATIONAL: is_rotational -> bool, Boolean;
        CAN_TRIM: can_trim -> bool, Boolean;
        CAN_ZERO: can_zero -> bool, Boolean;
        CAN_FAST_ZERO: can_fast_zero -> bool, Boolean;
        CAN_EXTENTS: can_extents -> bool, Boolean;
        CAN_FUA: can_fua -> Fua, Number;
        CAN_MULTI_CONN: can_multi_conn -> bool, Boolean;
        CAN_CACHE: can_cache -> Cache, Number;
    }

    #[inline]
    fn pread<'request>(
        &self,
        handle: &L::Handle,
        buffer: ReadBuffer<'request>,
        offset: u64,
    ) -> Result<Filled<'request>> {
        if is_v2(&self.0) {
            return pread_in_place(&self.0, handle, buffer, offset);
        }
        let count = Argument::Integer(buffer.len() as i64);
        let arguments = [Argument::Handle(handle), count, offset_of::<L>(offset)?];
        self.0.call(Callbacks::PREAD, arguments, Wanted::Bytes, |returned| {
            buffer.copy_from(&returned.bytes()?)
        })
    }

    fn pwrite(&self, handle: &L::Handle, data: &[u8], offset: u64, flags: Flags) -> Result<()> {
        let (handle, offset) = (Argument::Handle(handle), offset_of::<L>(offset)?);
        let watched = watch::begin_write();
        let result = if is_v2(&self.0) {
            let lent = L::Lent::data(data);
            let arguments = [handle, Argument::Lent(&lent), offset, number(flags.bits())];
            act(&self.0, Callbacks::PWRITE, arguments)
        } else if has_flags(&self.0) {
            let arguments = [handle, Argument::Bytes(data), offset, number(flags.bits())];
            act(&self.0, Callbacks::PWRITE, arguments)
        } else {
            act(&self.0, Callbacks::PWRITE, [handle, Argument::Bytes(data), offset])
        };
        if watched {
            let pwrite = L::callback_name(Callbacks::PWRITE);
            watch::end_write(pwrite, L::SHARED_DISK, result.is_ok());
        }
        result
    }

    fn flush(&self, handle: &L::Handle) -> Result<()> {
        let handle = Argument::Handle(handle);
        if is_v2(&self.0) {
            return act(&self.0, Callbacks::FLUSH, [handle, number(NO_FLAGS.bits())]);
        }
        act(&self.0, Callbacks::FLUSH, [handle])
    }

    fn trim(&self, handle: &L::Handle, count: u32, offset: u64, flags: Flags) -> Result<()> {
        let (handle, offset) = (Argument::Handle(handle), offset_of::<L>(offset)?);
        if has_flags(&self.0) {
            let arguments = [handle, number(count), offset, number(flags.bits())];
            return act(&self.0, Callbacks::TRIM, arguments);
        }
        act(&self.0, Callbacks::TRIM, [handle, number(count), offset])
    }

    fn zero(&self, handle: &L::Handle, count: u32, offset: u64, flags: Flags) -> Result<()> {
        let (handle, offset) = (Argument::Handle(handle), offset_of::<L>(offset)?);
        let last = if has_flags(&self.0) {
            number(flags.bits())
        } else {
            Argument::Boolean(flags.contains(Flags::MAY_TRIM))
        };
        act(&self.0, Callbacks::ZERO, [handle, number(count), offset, last])
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
        self.0.call(Callbacks::EXTENTS, arguments, Wanted::List, |list| Vec::from_returned(list))
    }

    fn cache(&self, handle: &L::Handle, count: u32, offset: u64) -> Result<()> {
        let (handle, offset) = (Argument::Handle(handle), offset_of::<L>(offset)?);
        if self.0.api_version() == ApiVersion::Sh {
            return act(&self.0, Callbacks::CACHE, [handle, number(count), offset]);
        }
        let arguments = [handle, number(count), offset, number(NO_FLAGS.bits())];
        act(&self.0, Callbacks::CACHE, arguments)
    }
}

/// A read of version 2: the script fills nbdkit's own memory. Not inlined, to keep the path of a
/// version 1 read short.
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
    let has_returned_data =
        language.call(Callbacks::PREAD, arguments, Wanted::Action, |returned| {
            let is_data = returned.is_data(count);
            returned.done().map(|()| is_data)
        })?;
    drop(lent);
    // Otherwise the client would silently read zeroes.
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
