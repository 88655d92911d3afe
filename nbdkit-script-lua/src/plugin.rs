//! [`Language`] for Lua: loads and calls scripts.

use nbdkit_script::interrupt::Interrupter;
use nbdkit_script::script::api::Lease;
use nbdkit_script::script::{ApiVersion, ArgumentOf, Wanted};
use nbdkit_script::{Callbacks, Error, Language, Result, Script};

use crate::c_modules;
use crate::error;
use crate::interpreter::{DOUBLES, EXACT, Interpreter, RegistryKey, Target};
use crate::module;
use crate::returned::Returned;
use crate::script::{self, Loaded};
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
    /// A script's number may have been rounded to 2^53, so 2^53 itself is too large.
    const LARGEST_INTEGER: i64 = if DOUBLES { (EXACT - 1) as i64 } else { i64::MAX };

    /// The return value of a script's `open`: any Lua value.
    type Handle = RegistryKey;
    type Program = ();
    type Returned<'a> = Returned<'a>;
    type Lent<'a> = Lease<'a>;

    fn load(script: &Script, _: &()) -> Result<Self> {
        let no_interpreter = |error: mlua::Error| {
            Error::msg(format!("could not create Lua interpreter: {}", error::lua_message(&error)))
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

    /// Looks up the function each time, because a script may redefine it while it serves.
    #[inline(always)]
    fn call<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [ArgumentOf<'_, '_, Self>; N],
        wanted: Wanted,
        take: impl FnOnce(Returned<'_>) -> Result<T>,
    ) -> Result<T> {
        // block_size may return three results instead of a list.
        if wanted == Wanted::List && callback != Callbacks::BLOCK_SIZE {
            let value = self.interpreter.call_for_value(Target::Callback(callback), &arguments)?;
            return take(Returned::Element(value));
        }
        self.interpreter.call(callback, arguments, |result| take(Returned::Result(result)))
    }

    fn open(&self, arguments: [ArgumentOf<'_, '_, Self>; 1]) -> Result<RegistryKey> {
        self.interpreter.call_and_keep(Target::Callback(Callbacks::OPEN), &arguments)
    }

    fn run_test(&self, name: &str) -> Result<()> {
        script::run_test(&self.interpreter, name)
    }

    fn release(&self, handle: RegistryKey) {
        self.interpreter.release(handle);
    }
}

#[cfg(test)]
mod tests {
    use nbdkit_script::__private::Plugin;
    use nbdkit_script::{Flags, Language, ReadBuffer, Script, Scripted};

    use super::LuaPlugin;

    /// Loads a script with this text.
    fn plugin(name: &str, text: &str) -> Scripted<LuaPlugin> {
        let file = format!("nbdkit-script-lua-{}-{name}.lua", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, text).unwrap();
        let script = Script::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        Scripted(LuaPlugin::load(&script, &()).unwrap())
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
        // The callback failed, so nothing was copied afterwards: the script wrote directly into
        // this memory. The bytes before its own are zeroed, and the rest is untouched.
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
        let lua = plugin.0.interpreter.lua();
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
