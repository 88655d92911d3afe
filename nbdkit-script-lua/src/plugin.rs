//! [`ScriptPlugin`] for Lua: which arguments each callback gets, and what it may return.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use nbdkit_script::returned::{self, FromReturned, Returned as _};
use nbdkit_script::{
    BlockSize, Cache, Callbacks, Error, Export, Extent, Filled, Flags, Fua, ReadBuffer, Result,
    Script, ScriptPlugin, ThreadModel,
};

use crate::c_modules;
use crate::convert;
use crate::interpreter::{Argument, Interpreter, Lent, Reference, Returned, Target};
use crate::lists::Listed;
use crate::module;
use crate::script::{self, ApiVersion, Loaded};
use crate::thrown;
use crate::version;

/// A script in its own interpreter.
pub struct LuaPlugin {
    interpreter: Interpreter,
    loaded: Loaded,
}

/// What a script's `open` returned: any Lua value.
#[derive(Debug)]
pub struct Handle(Reference);

impl LuaPlugin {
    /// Calls the script's function of this name. It is looked up each time, for a script may
    /// define it anew while it serves.
    #[inline(always)]
    fn call<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [Argument<'_>; N],
        take: impl FnOnce(Returned<'_>) -> Result<T>,
    ) -> Result<T> {
        match self.interpreter.call(callback, arguments, take) {
            Ok(result) => result,
            Err(failure) => Err(thrown::error(&self.interpreter, failure)),
        }
    }

    /// Calls what returns nothing; what it does return is ignored.
    fn act<const N: usize>(&self, callback: Callbacks, arguments: [Argument<'_>; N]) -> Result<()> {
        self.call(callback, arguments, |_| Ok(()))
    }

    /// Calls what answers a question.
    fn ask<T, const N: usize>(&self, callback: Callbacks, arguments: [Argument<'_>; N]) -> Result<T>
    where
        T: for<'a> FromReturned<Returned<'a>>,
    {
        self.call(callback, arguments, |returned| T::from_returned(returned))
    }

    /// Calls what returns a list.
    fn list<T>(&self, callback: Callbacks, arguments: &[Argument<'_>]) -> Result<Vec<T>>
    where
        Vec<T>: FromReturned<Listed>,
    {
        self.interpreter
            .call_for_value(Target::Callback(callback), arguments)
            .map_err(|failure| thrown::error(&self.interpreter, failure))
            .and_then(|value| Vec::from_returned(Listed(value)))
    }

    /// A read of version 2: the script fills nbdkit's own memory.
    #[inline(never)]
    fn pread_in_place<'request>(
        &self,
        handle: &Handle,
        mut buffer: ReadBuffer<'request>,
        offset: u64,
    ) -> Result<Filled<'request>> {
        let lent = Lent::fill(&mut buffer);
        let offset = convert::bytes(offset)?;
        self.act(Callbacks::PREAD, [handle.argument(), Argument::Lent(&lent), offset, NO_FLAGS])?;
        Ok(buffer.finish_with_zeroes())
    }

    fn is_v2(&self) -> bool {
        self.loaded.api_version == ApiVersion::V2
    }
}

impl Handle {
    #[inline]
    fn argument(&self) -> Argument<'static> {
        Argument::Reference(self.0)
    }
}

fn argument_of(flags: Flags) -> Argument<'static> {
    Argument::Integer(flags.bits().into())
}

/// What nbdkit passes to callbacks for which it has no flags yet.
const NO_FLAGS: Argument<'static> = Argument::Integer(0);

impl ScriptPlugin for LuaPlugin {
    const NAME: &'static str = "lua";
    const LANGUAGE: &'static str = "Lua";
    const VERSION: Option<&'static str> = Some(env!("CARGO_PKG_VERSION"));
    const CONFIG_HELP: Option<&'static str> = Some(
        "interpreters=<N>      How many run at once, where the script's thread model lets them.\n\
         script=<FILENAME>     (required) The Lua script to run.\n\
         [other arguments may be used by the script that you load]",
    );

    type Source = Script;
    type Handle = Handle;

    fn load(script: &Script) -> Result<Self> {
        let no_interpreter = |error: mlua::Error| {
            Error::msg(format!("could not create Lua interpreter: {}", thrown::lua_message(&error)))
        };
        let interpreter = Interpreter::new().map_err(no_interpreter)?;
        if cfg!(feature = "vendored") {
            c_modules::refuse(interpreter.lua()).map_err(no_interpreter)?;
        }
        module::register(&interpreter).map_err(no_interpreter)?;
        let loaded = script::run(&interpreter, script)?;
        Ok(LuaPlugin { interpreter, loaded })
    }

    fn callbacks(&self) -> Callbacks {
        self.interpreter.defined()
    }

    fn takes_flags(&self) -> bool {
        self.is_v2()
    }

    fn function_names(&self) -> Vec<String> {
        self.loaded.function_names.clone()
    }

    fn dump_fields() -> Vec<(&'static str, String)> {
        version::fields()
    }

    fn dump_plugin(&self) -> Result<()> {
        self.act(Callbacks::DUMP_PLUGIN, [])
    }

    fn magic_config_key(&self) -> Result<String> {
        self.ask::<Option<_>, 0>(Callbacks::MAGIC_CONFIG_KEY, [])?
            .ok_or_else(|| Error::new(libc::EINVAL, "returned nil, expected a string"))
    }

    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        let arguments = [Argument::Bytes(key.as_bytes()), Argument::Bytes(value.as_bytes())];
        self.act(Callbacks::CONFIG, arguments)
    }

    fn config_complete(&mut self) -> Result<()> {
        self.act(Callbacks::CONFIG_COMPLETE, [])
    }

    fn thread_model(&self) -> Result<ThreadModel> {
        self.ask(Callbacks::THREAD_MODEL, [])
    }

    fn get_ready(&mut self) -> Result<()> {
        self.act(Callbacks::GET_READY, [])
    }

    fn after_fork(&self) -> Result<()> {
        self.act(Callbacks::AFTER_FORK, [])
    }

    fn cleanup(&self) -> Result<()> {
        self.act(Callbacks::CLEANUP, [])
    }

    fn preconnect(&self, readonly: bool) -> Result<()> {
        self.act(Callbacks::PRECONNECT, [Argument::Boolean(readonly)])
    }

    fn list_exports(&self, readonly: bool, is_tls: bool) -> Result<Vec<Export>> {
        let arguments = [Argument::Boolean(readonly), Argument::Boolean(is_tls)];
        self.list(Callbacks::LIST_EXPORTS, &arguments)
    }

    fn default_export(&self, readonly: bool, is_tls: bool) -> Result<Option<String>> {
        let arguments = [Argument::Boolean(readonly), Argument::Boolean(is_tls)];
        self.ask(Callbacks::DEFAULT_EXPORT, arguments)
    }

    fn open(&self, readonly: bool) -> Result<Handle> {
        let arguments = [Argument::Boolean(readonly)];
        let target = Target::Callback(Callbacks::OPEN);
        let opened = self.interpreter.call_and_keep(target, &arguments);
        opened.map(Handle).map_err(|failure| thrown::error(&self.interpreter, failure))
    }

    fn close(&self, handle: Handle) -> Result<()> {
        let result = self.act(Callbacks::CLOSE, [handle.argument()]);
        self.interpreter.release(handle.0);
        result
    }

    fn export_description(&self, handle: &Handle) -> Result<Option<String>> {
        self.ask(Callbacks::EXPORT_DESCRIPTION, [handle.argument()])
    }

    fn get_size(&self, handle: &Handle) -> Result<i64> {
        self.call(Callbacks::GET_SIZE, [handle.argument()], convert::size)
    }

    fn block_size(&self, handle: &Handle) -> Result<Option<BlockSize>> {
        self.call(Callbacks::BLOCK_SIZE, [handle.argument()], |sizes| {
            if sizes.is_none() { Ok(None) } else { returned::block_size(sizes.all()).map(Some) }
        })
    }

    fn can_write(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_WRITE, [handle.argument()])
    }

    fn can_flush(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_FLUSH, [handle.argument()])
    }

    fn is_rotational(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::IS_ROTATIONAL, [handle.argument()])
    }

    fn can_trim(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_TRIM, [handle.argument()])
    }

    fn can_zero(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_ZERO, [handle.argument()])
    }

    fn can_fast_zero(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_FAST_ZERO, [handle.argument()])
    }

    fn can_extents(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_EXTENTS, [handle.argument()])
    }

    fn can_fua(&self, handle: &Handle) -> Result<Fua> {
        self.ask(Callbacks::CAN_FUA, [handle.argument()])
    }

    fn can_multi_conn(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_MULTI_CONN, [handle.argument()])
    }

    fn can_cache(&self, handle: &Handle) -> Result<Cache> {
        self.ask(Callbacks::CAN_CACHE, [handle.argument()])
    }

    #[inline]
    fn pread<'request>(
        &self,
        handle: &Handle,
        buffer: ReadBuffer<'request>,
        offset: u64,
    ) -> Result<Filled<'request>> {
        if self.is_v2() {
            return self.pread_in_place(handle, buffer, offset);
        }
        let offset = convert::bytes(offset)?;
        let arguments = [handle.argument(), convert::bytes(buffer.len() as u64)?, offset];
        self.call(Callbacks::PREAD, arguments, |returned| {
            buffer.copy_from(convert::string(returned)?)
        })
    }

    fn pwrite(&self, handle: &Handle, data: &[u8], offset: u64, flags: Flags) -> Result<()> {
        let offset = convert::bytes(offset)?;
        if self.is_v2() {
            let lent = Lent::data(data);
            let flags = argument_of(flags);
            let arguments = [handle.argument(), Argument::Lent(&lent), offset, flags];
            return self.act(Callbacks::PWRITE, arguments);
        }
        self.act(Callbacks::PWRITE, [handle.argument(), Argument::Bytes(data), offset])
    }

    fn flush(&self, handle: &Handle) -> Result<()> {
        if self.is_v2() {
            return self.act(Callbacks::FLUSH, [handle.argument(), NO_FLAGS]);
        }
        self.act(Callbacks::FLUSH, [handle.argument()])
    }

    fn trim(&self, handle: &Handle, count: u32, offset: u64, flags: Flags) -> Result<()> {
        let arguments = [handle.argument(), count_of(count), convert::bytes(offset)?];
        if self.is_v2() {
            let [handle, count, offset] = arguments;
            return self.act(Callbacks::TRIM, [handle, count, offset, argument_of(flags)]);
        }
        self.act(Callbacks::TRIM, arguments)
    }

    fn zero(&self, handle: &Handle, count: u32, offset: u64, flags: Flags) -> Result<()> {
        let last = if self.is_v2() {
            argument_of(flags)
        } else {
            Argument::Boolean(flags.contains(Flags::MAY_TRIM))
        };
        let arguments = [handle.argument(), count_of(count), convert::bytes(offset)?, last];
        self.act(Callbacks::ZERO, arguments)
    }

    fn extents(
        &self,
        handle: &Handle,
        count: u32,
        offset: u64,
        flags: Flags,
    ) -> Result<Vec<Extent>> {
        let offset = convert::bytes(offset)?;
        let arguments = [handle.argument(), count_of(count), offset, argument_of(flags)];
        self.list(Callbacks::EXTENTS, &arguments)
    }

    fn cache(&self, handle: &Handle, count: u32, offset: u64) -> Result<()> {
        let offset = convert::bytes(offset)?;
        self.act(Callbacks::CACHE, [handle.argument(), count_of(count), offset, NO_FLAGS])
    }
}

fn count_of(count: u32) -> Argument<'static> {
    Argument::Integer(count.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plugin of this script, as nbdkit would load it.
    fn plugin(name: &str, text: &str) -> LuaPlugin {
        let file = format!("nbdkit-script-lua-{}-{name}.lua", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, text).unwrap();
        let script = Script::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        LuaPlugin::load(&script).unwrap()
    }

    #[test]
    fn a_read_is_filled_in_nbdkits_own_memory() {
        let plugin = plugin(
            "fill",
            "API_VERSION = 2
             function open() end
             function get_size() return 512 end
             function pread(h, buf) buf:writestring(2, 'in place') error('after that') end",
        );
        let handle = plugin.open(false).unwrap();
        let mut memory = [0xaa; 16];
        let error = plugin.pread(&handle, ReadBuffer::new(&mut memory), 0).unwrap_err();
        assert!(error.to_string().ends_with("after that"), "{error}");
        // The callback failed, so nothing can have been copied after it: what the script wrote is
        // here because it wrote here. What lies before it is zeroed, and the rest is untouched.
        assert_eq!(&memory, b"\0\0in place\xaa\xaa\xaa\xaa\xaa\xaa");
    }

    #[test]
    fn a_write_is_read_in_nbdkits_own_memory() {
        let plugin = plugin(
            "data",
            "API_VERSION = 2
             function open() end
             function get_size() return 512 end
             function pread() end
             function pwrite(h, buf) first, length = buf:readu8(0), #buf end",
        );
        let handle = plugin.open(false).unwrap();
        let lua = plugin.interpreter.lua();
        lua.gc_stop();
        let before = lua.used_memory();
        let data = vec![7; 32 << 20];
        plugin.pwrite(&handle, &data, 0, Flags::empty()).unwrap();
        let grown = lua.used_memory() - before;
        assert!(grown < 1024, "Lua has {grown} bytes more, for {} that were written", data.len());
        let globals = lua.globals();
        assert_eq!(globals.get::<u8>("first").unwrap(), 7);
        assert_eq!(globals.get::<usize>("length").unwrap(), data.len());
    }
}
