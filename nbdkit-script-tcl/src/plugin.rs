//! [`ScriptPlugin`] for Tcl: which arguments each callback gets, and what it may return.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use nbdkit_script::{
    BlockSize, Cache, Callbacks, Error, Export, Extent, Filled, Flags, Fua, ReadBuffer, Result,
    Script, ScriptPlugin, ThreadModel,
};

use crate::convert;
use crate::interpreter::{Argument, Handle, Interpreter, Lent, Value, thread};
use crate::module;
use crate::raised;
use crate::script::{self, ApiVersion, Loaded};

/// A script in its own interpreter.
pub struct TclPlugin {
    interpreter: Interpreter,
    loaded: Loaded,
}

impl TclPlugin {
    #[inline]
    fn call<T>(
        &self,
        callback: Callbacks,
        arguments: &[Argument<'_>],
        take: impl FnOnce(Value<'_>) -> Result<T>,
    ) -> Result<T> {
        match self.interpreter.call(callback, arguments, take) {
            Ok(result) => result,
            Err(failure) => Err(self.error(failure)),
        }
    }

    #[cold]
    fn error(&self, failure: crate::interpreter::Failure) -> Error {
        raised::error(&self.loaded, failure, self.interpreter.take_pending_errno())
    }

    /// Calls what returns nothing; what it does return is ignored.
    #[inline]
    fn act(&self, callback: Callbacks, arguments: &[Argument<'_>]) -> Result<()> {
        self.call(callback, arguments, |_| Ok(()))
    }

    /// Calls what answers a question about a connection.
    fn ask<T>(
        &self,
        callback: Callbacks,
        handle: &Handle,
        take: impl FnOnce(Value<'_>) -> Result<T>,
    ) -> Result<T> {
        self.call(callback, &[Argument::Handle(*handle)], take)
    }

    fn is_v2(&self) -> bool {
        self.loaded.api_version == ApiVersion::V2
    }
}

/// nbdkit has checked that an offset is inside the disk, whose size is an `i64`.
fn offset_of(offset: u64) -> Argument<'static> {
    Argument::Integer(offset as i64)
}

fn count_of(count: u32) -> Argument<'static> {
    Argument::Integer(count.into())
}

fn flags_of(flags: Flags) -> Argument<'static> {
    Argument::Integer(flags.bits().into())
}

/// What nbdkit passes to callbacks for which it has no flags yet.
const NO_FLAGS: Argument<'static> = Argument::Integer(0);

impl ScriptPlugin for TclPlugin {
    const NAME: &'static str = "tcl";
    const LANGUAGE: &'static str = "Tcl";
    const VERSION: Option<&'static str> = Some(env!("CARGO_PKG_VERSION"));
    const CONFIG_HELP: Option<&'static str> = Some(
        "interpreters=<N>      How many run at once, where the script's thread model lets them.\n\
         script=<FILENAME>     (required) The Tcl script to run.\n\
         [other arguments may be used by the script that you load]",
    );

    type Source = Script;
    type Handle = Handle;

    /// `open`, `close` and `flush` are commands of Tcl itself.
    fn callback_name(callback: Callbacks) -> &'static str {
        match callback {
            Callbacks::OPEN => "plugin_open",
            Callbacks::CLOSE => "plugin_close",
            Callbacks::FLUSH => "plugin_flush",
            callback => callback.name(),
        }
    }

    fn load(script: &Script) -> Result<Self> {
        let interpreter = Interpreter::new().map_err(|message| {
            Error::msg(format!("cannot initialize Tcl interpreter: {message}"))
        })?;
        module::register(&interpreter);
        let loaded = script::run(&interpreter, script)?;
        Ok(TclPlugin { interpreter, loaded })
    }

    fn callbacks(&self) -> Callbacks {
        self.interpreter.defined()
    }

    fn takes_flags(&self) -> bool {
        self.is_v2()
    }

    fn function_names(&self) -> Vec<String> {
        self.loaded.procedures.clone()
    }

    fn dump_fields() -> Vec<(&'static str, String)> {
        let Ok(interpreter) = Interpreter::new() else {
            return Vec::new();
        };
        interpreter.inside(|inside| {
            let field = |key, variable| {
                inside.variable(variable).map(|value| (key, value.text().into_owned()))
            };
            [field("tcl_version", "tcl_version"), field("tcl_patch_level", "tcl_patchLevel")]
                .into_iter()
                .flatten()
                .collect()
        })
    }

    fn dump_plugin(&self) -> Result<()> {
        self.act(Callbacks::DUMP_PLUGIN, &[])
    }

    fn magic_config_key(&self) -> Result<String> {
        self.call(Callbacks::MAGIC_CONFIG_KEY, &[], convert::text)
    }

    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        let arguments = [Argument::External(key.as_bytes()), Argument::External(value.as_bytes())];
        self.act(Callbacks::CONFIG, &arguments)
    }

    fn config_complete(&mut self) -> Result<()> {
        self.act(Callbacks::CONFIG_COMPLETE, &[])
    }

    fn thread_model(&self) -> Result<ThreadModel> {
        let model = self.call(Callbacks::THREAD_MODEL, &[], convert::answer)?;
        match model {
            ThreadModel::SerializeRequests | ThreadModel::Parallel if !thread::separable() => {
                Err(Error::new(
                    libc::ENOTSUP,
                    "this Tcl cannot run several interpreters at once: \
                     expected serialize_all_requests or serialize_connections",
                ))
            }
            model => Ok(model),
        }
    }

    fn get_ready(&mut self) -> Result<()> {
        self.act(Callbacks::GET_READY, &[])
    }

    fn after_fork(&self) -> Result<()> {
        self.act(Callbacks::AFTER_FORK, &[])
    }

    fn cleanup(&self) -> Result<()> {
        self.act(Callbacks::CLEANUP, &[])
    }

    fn preconnect(&self, readonly: bool) -> Result<()> {
        self.act(Callbacks::PRECONNECT, &[Argument::Boolean(readonly)])
    }

    fn list_exports(&self, readonly: bool, is_tls: bool) -> Result<Vec<Export>> {
        let arguments = [Argument::Boolean(readonly), Argument::Boolean(is_tls)];
        self.call(Callbacks::LIST_EXPORTS, &arguments, convert::exports)
    }

    fn default_export(&self, readonly: bool, is_tls: bool) -> Result<Option<String>> {
        let arguments = [Argument::Boolean(readonly), Argument::Boolean(is_tls)];
        self.call(Callbacks::DEFAULT_EXPORT, &arguments, convert::text).map(Some)
    }

    fn open(&self, readonly: bool) -> Result<Handle> {
        let opened = self.interpreter.call_open(&[Argument::Boolean(readonly)]);
        opened.map_err(|failure| self.error(failure))
    }

    fn close(&self, handle: Handle) -> Result<()> {
        let result = self.act(Callbacks::CLOSE, &[Argument::Handle(handle)]);
        self.interpreter.release(handle);
        match result {
            Err(error) if error.is_not_defined() => Ok(()),
            result => result,
        }
    }

    fn export_description(&self, handle: &Handle) -> Result<Option<String>> {
        self.ask(Callbacks::EXPORT_DESCRIPTION, handle, convert::optional_text)
    }

    fn get_size(&self, handle: &Handle) -> Result<i64> {
        self.ask(Callbacks::GET_SIZE, handle, convert::size)
    }

    fn block_size(&self, handle: &Handle) -> Result<Option<BlockSize>> {
        self.ask(Callbacks::BLOCK_SIZE, handle, convert::block_size)
    }

    fn can_write(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_WRITE, handle, convert::boolean)
    }

    fn can_flush(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_FLUSH, handle, convert::boolean)
    }

    fn is_rotational(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::IS_ROTATIONAL, handle, convert::boolean)
    }

    fn can_trim(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_TRIM, handle, convert::boolean)
    }

    fn can_zero(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_ZERO, handle, convert::boolean)
    }

    fn can_fast_zero(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_FAST_ZERO, handle, convert::boolean)
    }

    fn can_extents(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_EXTENTS, handle, convert::boolean)
    }

    fn can_fua(&self, handle: &Handle) -> Result<Fua> {
        self.ask(Callbacks::CAN_FUA, handle, convert::answer)
    }

    fn can_multi_conn(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_MULTI_CONN, handle, convert::boolean)
    }

    fn can_cache(&self, handle: &Handle) -> Result<Cache> {
        self.ask(Callbacks::CAN_CACHE, handle, convert::answer)
    }

    #[inline]
    fn pread<'request>(
        &self,
        handle: &Handle,
        mut buffer: ReadBuffer<'request>,
        offset: u64,
    ) -> Result<Filled<'request>> {
        let (handle, offset) = (Argument::Handle(*handle), offset_of(offset));
        if self.is_v2() {
            let lent = Lent::fill(&mut buffer);
            let arguments = [handle, Argument::Lent(&lent), offset, NO_FLAGS];
            self.act(Callbacks::PREAD, &arguments)?;
            return Ok(buffer.finish_with_zeroes());
        }
        let arguments = [handle, Argument::Integer(buffer.len() as i64), offset];
        self.call(Callbacks::PREAD, &arguments, |value| buffer.copy_from(convert::bytes(value)?))
    }

    fn pwrite(&self, handle: &Handle, data: &[u8], offset: u64, flags: Flags) -> Result<()> {
        let (handle, offset) = (Argument::Handle(*handle), offset_of(offset));
        if self.is_v2() {
            let lent = Lent::data(data);
            let arguments = [handle, Argument::Lent(&lent), offset, flags_of(flags)];
            return self.act(Callbacks::PWRITE, &arguments);
        }
        self.act(Callbacks::PWRITE, &[handle, Argument::Bytes(data), offset])
    }

    fn flush(&self, handle: &Handle) -> Result<()> {
        let handle = Argument::Handle(*handle);
        if self.is_v2() {
            return self.act(Callbacks::FLUSH, &[handle, NO_FLAGS]);
        }
        self.act(Callbacks::FLUSH, &[handle])
    }

    fn trim(&self, handle: &Handle, count: u32, offset: u64, flags: Flags) -> Result<()> {
        let (handle, count, offset) =
            (Argument::Handle(*handle), count_of(count), offset_of(offset));
        if self.is_v2() {
            return self.act(Callbacks::TRIM, &[handle, count, offset, flags_of(flags)]);
        }
        self.act(Callbacks::TRIM, &[handle, count, offset])
    }

    fn zero(&self, handle: &Handle, count: u32, offset: u64, flags: Flags) -> Result<()> {
        let last = if self.is_v2() {
            flags_of(flags)
        } else {
            Argument::Boolean(flags.contains(Flags::MAY_TRIM))
        };
        let handle = Argument::Handle(*handle);
        self.act(Callbacks::ZERO, &[handle, count_of(count), offset_of(offset), last])
    }

    fn extents(
        &self,
        handle: &Handle,
        count: u32,
        offset: u64,
        flags: Flags,
    ) -> Result<Vec<Extent>> {
        let handle = Argument::Handle(*handle);
        let arguments = [handle, count_of(count), offset_of(offset), flags_of(flags)];
        self.call(Callbacks::EXTENTS, &arguments, convert::extents)
    }

    fn cache(&self, handle: &Handle, count: u32, offset: u64) -> Result<()> {
        let handle = Argument::Handle(*handle);
        self.act(Callbacks::CACHE, &[handle, count_of(count), offset_of(offset), NO_FLAGS])
    }
}
