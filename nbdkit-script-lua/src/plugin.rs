//! [`ScriptPlugin`] for Lua: which arguments each callback gets, and what it may return.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;

use nbdkit_script::{Callbacks, Error, Filled, Flags, ReadBuffer, Result, Script, ScriptPlugin};

use crate::convert;
use crate::interpreter::{Argument, Interpreter, Reference, Returned, Target, hot};
use crate::modules;
use crate::script;
use crate::version;

/// A script in its own interpreter.
pub struct LuaPlugin {
    interpreter: Interpreter,
}

/// What a script's `open` returned: any Lua value.
#[derive(Debug)]
pub struct Handle(Reference);

/// The callbacks whose presence is looked up, as Lua's C API wants their names.
const NAMES: &[(Callbacks, &CStr)] = &[
    (Callbacks::DUMP_PLUGIN, c"dump_plugin"),
    (Callbacks::CONFIG, c"config"),
    (Callbacks::CONFIG_COMPLETE, c"config_complete"),
    (Callbacks::OPEN, c"open"),
    (Callbacks::CLOSE, c"close"),
    (Callbacks::GET_SIZE, c"get_size"),
    (Callbacks::CAN_WRITE, c"can_write"),
    (Callbacks::CAN_FLUSH, c"can_flush"),
    (Callbacks::IS_ROTATIONAL, c"is_rotational"),
    (Callbacks::CAN_TRIM, c"can_trim"),
    (Callbacks::PREAD, c"pread"),
    (Callbacks::PWRITE, c"pwrite"),
    (Callbacks::FLUSH, c"flush"),
    (Callbacks::TRIM, c"trim"),
    (Callbacks::ZERO, c"zero"),
];

impl LuaPlugin {
    /// Calls the script's function of this name. It is looked up each time, for a script may
    /// define it anew while it serves.
    #[inline]
    fn call<T>(
        &self,
        callback: Target<'_>,
        arguments: &[Argument<'_>],
        take: impl FnOnce(Returned<'_>) -> Result<T>,
    ) -> Result<T> {
        match self.interpreter.call(callback, arguments, take) {
            Ok(result) => result,
            Err(failure) => Err(convert::failure(failure)),
        }
    }

    /// Calls what returns nothing; what it does return is ignored.
    fn act(&self, callback: Target<'_>, arguments: &[Argument<'_>]) -> Result<()> {
        self.call(callback, arguments, |_| Ok(()))
    }

    /// Calls what answers a question about a connection.
    fn ask(&self, callback: &CStr, handle: &Handle) -> Result<bool> {
        self.call(Target::Global(callback), &[handle.argument()], convert::boolean)
    }
}

impl Handle {
    #[inline]
    fn argument(&self) -> Argument<'static> {
        Argument::Reference(self.0)
    }
}

impl ScriptPlugin for LuaPlugin {
    const NAME: &'static str = "lua";
    const LANGUAGE: &'static str = "Lua";
    const VERSION: Option<&'static str> = Some(env!("CARGO_PKG_VERSION"));
    const CONFIG_HELP: Option<&'static str> = Some(
        "script=<FILENAME>     (required) The Lua script to run.\n\
         [other arguments may be used by the script that you load]",
    );

    type Source = Script;
    type Handle = Handle;

    fn load(script: &Script) -> Result<Self> {
        let no_interpreter =
            |error: mlua::Error| Error::msg(format!("could not create Lua interpreter: {error}"));
        let interpreter = Interpreter::new().map_err(no_interpreter)?;
        if cfg!(feature = "vendored") {
            modules::refuse_c_modules(interpreter.lua()).map_err(no_interpreter)?;
        }
        script::run(&interpreter, script)?;
        Ok(LuaPlugin { interpreter })
    }

    fn callbacks(&self) -> Callbacks {
        let names: Vec<&CStr> = NAMES.iter().map(|(_, name)| *name).collect();
        let mut defined = vec![false; names.len()];
        // An error here is one of a metatable of the globals, which then has no function there.
        let _ = self.interpreter.defined(&names, &mut defined);
        let found = NAMES.iter().zip(&defined).filter(|(_, defined)| **defined);
        found.map(|((callback, _), _)| *callback).collect()
    }

    fn dump_fields() -> Vec<(&'static str, String)> {
        version::fields()
    }

    fn dump_plugin(&self) -> Result<()> {
        self.act(Target::Global(c"dump_plugin"), &[])
    }

    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        self.act(
            Target::Global(c"config"),
            &[Argument::Bytes(key.as_bytes()), Argument::Bytes(value.as_bytes())],
        )
    }

    fn config_complete(&mut self) -> Result<()> {
        self.act(Target::Global(c"config_complete"), &[])
    }

    fn open(&self, readonly: bool) -> Result<Handle> {
        let arguments = [Argument::Boolean(readonly)];
        let opened = self.interpreter.call_and_keep(Target::Global(c"open"), &arguments);
        opened.map(Handle).map_err(convert::failure)
    }

    fn close(&self, handle: Handle) -> Result<()> {
        let result = self.act(Target::Global(c"close"), &[handle.argument()]);
        self.interpreter.release(handle.0);
        match result {
            Err(error) if error.is_not_defined() => Ok(()),
            result => result,
        }
    }

    fn get_size(&self, handle: &Handle) -> Result<i64> {
        self.call(Target::Global(c"get_size"), &[handle.argument()], convert::size)
    }

    fn can_write(&self, handle: &Handle) -> Result<bool> {
        self.ask(c"can_write", handle)
    }

    fn can_flush(&self, handle: &Handle) -> Result<bool> {
        self.ask(c"can_flush", handle)
    }

    fn is_rotational(&self, handle: &Handle) -> Result<bool> {
        self.ask(c"is_rotational", handle)
    }

    fn can_trim(&self, handle: &Handle) -> Result<bool> {
        self.ask(c"can_trim", handle)
    }

    fn pread<'request>(
        &self,
        handle: &Handle,
        buffer: ReadBuffer<'request>,
        offset: u64,
    ) -> Result<Filled<'request>> {
        let count = convert::bytes(buffer.len() as u64)?;
        let arguments = [handle.argument(), count, convert::bytes(offset)?];
        self.call(const { hot(c"pread") }, &arguments, |returned| {
            buffer.copy_from(convert::string(returned)?)
        })
    }

    fn pwrite(&self, handle: &Handle, data: &[u8], offset: u64, _: Flags) -> Result<()> {
        let arguments = [handle.argument(), Argument::Bytes(data), convert::bytes(offset)?];
        self.act(const { hot(c"pwrite") }, &arguments)
    }

    fn flush(&self, handle: &Handle) -> Result<()> {
        self.act(const { hot(c"flush") }, &[handle.argument()])
    }

    fn trim(&self, handle: &Handle, count: u32, offset: u64, _: Flags) -> Result<()> {
        let count = convert::bytes(count.into())?;
        self.act(const { hot(c"trim") }, &[handle.argument(), count, convert::bytes(offset)?])
    }

    fn zero(&self, handle: &Handle, count: u32, offset: u64, flags: Flags) -> Result<()> {
        let count = convert::bytes(count.into())?;
        let may_trim = Argument::Boolean(flags.contains(Flags::MAY_TRIM));
        self.act(
            const { hot(c"zero") },
            &[handle.argument(), count, convert::bytes(offset)?, may_trim],
        )
    }
}
