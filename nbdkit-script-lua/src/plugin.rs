//! [`Language`] for Lua: how a script is loaded and called.

use nbdkit_script::interrupt::Interrupter;
use nbdkit_script::language::{ApiVersion, ArgumentOf};
use nbdkit_script::returned::{self, FromReturned as _, Returned as _};
use nbdkit_script::{BlockSize, Callbacks, Error, Filled, Language, ReadBuffer, Result, Script};

use crate::c_modules;
use crate::convert;
use crate::interpreter::{Interpreter, Lent, Reference, Returned, Target};
use crate::lists::Listed;
use crate::module;
use crate::script::{self, Loaded};
use crate::thrown;
use crate::version;

/// A script in its own interpreter.
pub struct LuaPlugin {
    interpreter: Interpreter,
    loaded: Loaded,
}

impl Language for LuaPlugin {
    const NAME: &'static str = "lua";
    const LANGUAGE: &'static str = "Lua";
    const VERSION: Option<&'static str> = Some(env!("CARGO_PKG_VERSION"));
    const NO_MEMORY_LIMIT: Option<&'static str> = None;

    /// What a script's `open` returned: any Lua value.
    type Handle = Reference;
    type Returned<'a> = Returned<'a>;
    type Listed<'a> = Listed;
    type Lent<'a> = Lent<'a>;

    fn load(script: &Script) -> Result<Self> {
        let no_interpreter = |error: mlua::Error| {
            Error::msg(format!("could not create Lua interpreter: {}", thrown::lua_message(&error)))
        };
        let interpreter = Interpreter::new(script.limits().memory).map_err(no_interpreter)?;
        if cfg!(feature = "vendored") {
            c_modules::refuse(interpreter.lua()).map_err(no_interpreter)?;
        }
        module::register(&interpreter).map_err(no_interpreter)?;
        let interrupter = interpreter.interrupter();
        let run = || script::run(&interpreter, script);
        let loaded = script.run_limited(Some(interrupter), run)?;
        Ok(LuaPlugin { interpreter, loaded })
    }

    fn interrupter(&self) -> Option<Interrupter> {
        Some(self.interpreter.interrupter())
    }

    #[inline]
    fn api_version(&self) -> ApiVersion {
        self.loaded.api_version
    }

    fn callbacks(&self) -> Callbacks {
        self.interpreter.defined()
    }

    fn function_names(&self) -> Vec<String> {
        self.loaded.function_names.clone()
    }

    fn dump_fields() -> Vec<(&'static str, String)> {
        version::fields()
    }

    /// The function is looked up each time, for a script may define it anew while it serves.
    #[inline(always)]
    fn call<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [ArgumentOf<'_, '_, Self>; N],
        take: impl FnOnce(Returned<'_>) -> Result<T>,
    ) -> Result<T> {
        match self.interpreter.call(callback, arguments, take) {
            Ok(result) => result,
            Err(failure) => Err(thrown::error(&self.interpreter, failure)),
        }
    }

    fn call_for_list<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [ArgumentOf<'_, '_, Self>; N],
        take: impl FnOnce(Listed) -> Result<T>,
    ) -> Result<T> {
        self.interpreter
            .call_for_value(Target::Callback(callback), &arguments)
            .map_err(|failure| thrown::error(&self.interpreter, failure))
            .and_then(|value| take(Listed(value)))
    }

    fn call_for_handle(&self, arguments: [ArgumentOf<'_, '_, Self>; 1]) -> Result<Reference> {
        self.interpreter
            .call_and_keep(Target::Callback(Callbacks::OPEN), &arguments)
            .map_err(|failure| thrown::error(&self.interpreter, failure))
    }

    fn release(&self, handle: Reference) {
        self.interpreter.release(handle);
    }

    #[inline]
    fn copy<'request>(
        returned: Returned<'_>,
        buffer: ReadBuffer<'request>,
    ) -> Result<Filled<'request>> {
        buffer.copy_from(convert::string(returned)?)
    }

    /// As `return pcall(...)` says it.
    #[inline]
    fn done(returned: Returned<'_>) -> Result<()> {
        match returned.failure_after_false() {
            None => Ok(()),
            Some(failure) => Err(thrown::error(returned.interpreter(), failure)),
        }
    }

    #[inline]
    fn is_data(returned: &Returned<'_>, _: usize) -> bool {
        returned.bytes().is_some()
    }

    fn size(returned: Returned<'_>) -> Result<i64> {
        convert::size(returned)
    }

    /// Three results, or a list of them.
    fn block_size(sizes: Returned<'_>) -> Result<Option<BlockSize>> {
        if sizes.is_none() {
            return Ok(None);
        }
        if sizes.is_table() {
            return Option::from_returned(Listed(sizes.value()));
        }
        returned::block_size(sizes.all()).map(Some)
    }

    #[inline]
    fn offset(offset: u64) -> Result<i64> {
        convert::offset(offset)
    }
}

#[cfg(test)]
mod tests {
    use nbdkit_script::{Flags, ReadBuffer, Script, ScriptPlugin};

    use super::LuaPlugin;

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
