//! The version of Lua, for `nbdkit --dump-plugin`.

use mlua::{Lua, Table};

use crate::interpreter;

/// `lua_version`, and `luajit_version` on LuaJIT.
pub fn fields() -> Vec<(&'static str, String)> {
    let lua = Lua::new();
    let globals = lua.globals();
    let language = globals.get::<String>("_VERSION").unwrap_or_default();
    let language = language.trim_start_matches("Lua ").to_string();
    let mut fields = vec![("lua_version", release().unwrap_or(language))];
    if let Ok(version) = globals.get::<Table>("jit").and_then(|jit| jit.get::<String>("version")) {
        fields.push(("luajit_version", version.trim_start_matches("LuaJIT ").to_string()));
    }
    fields
}

/// Major, minor and release number of the loaded library. The headers at build time may have come
/// from another release.
fn release() -> Option<String> {
    let mut words = interpreter::identification()?.split_whitespace();
    words.find(|word| *word == "Lua")?;
    words.next().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_belongs_to_the_language() {
        let fields = fields();
        let (key, version) = &fields[0];
        assert_eq!(*key, "lua_version");
        assert!(version.starts_with("5."), "{version}");
        assert_eq!(fields.len() > 1, cfg!(feature = "luajit"));
        if cfg!(feature = "lua54") {
            assert!(version.starts_with("5.4."), "{version}");
        }
    }
}
