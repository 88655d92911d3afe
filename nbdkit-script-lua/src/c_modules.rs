//! Refuses C modules if Lua is compiled in.

use mlua::{Lua, Result};

/// The reason, for scripts.
const WHY: &str = "C modules cannot be loaded: this plugin has Lua compiled in \
                   (feature \"vendored\"); build it with the system's Lua instead";

/// Written in Lua: LuaJIT may run a finalizer that calls these after mlua's own functions are gone.
const REFUSE: &str = r#"
    local why = ...
    -- Named `loaders` up to Lua 5.1. The first two look for preloaded modules and for Lua files.
    local searchers = package.searchers or package.loaders
    searchers[3] = function() return "\n\t" .. why end
    searchers[4] = nil
    function package.loadlib() return nil, why, "absent" end
"#;

/// Makes `require` of a C module fail, and say why. A C module calls the Lua library that it finds
/// in the process. If Lua is compiled in (the feature `vendored`), it finds none or, worse, another
/// one.
pub fn refuse(lua: &Lua) -> Result<()> {
    lua.load(REFUSE).set_name("=nbdkit").call(WHY)
}
