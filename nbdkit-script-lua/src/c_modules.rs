//! Refuses C modules if Lua is compiled in.

use mlua::{Lua, Result};

/// Makes `require` of a C module fail, and say why. A C module calls the Lua library that it finds
/// in the process. If Lua is compiled in (the feature `vendored`), it finds none or, worse, another
/// one.
pub fn refuse(lua: &Lua) -> Result<()> {
    const WHY: &str = "C modules cannot be loaded: this plugin has Lua compiled in \
                       (feature \"vendored\"); build it with the system's Lua instead";
    let package: mlua::Table = lua.globals().get("package")?;
    // Named `loaders` up to Lua 5.1. The first two look for preloaded modules and for Lua files.
    let searchers: mlua::Table = match package.get("searchers")? {
        Some(searchers) => searchers,
        None => package.get("loaders")?,
    };
    let refuse = lua.create_function(|_, _: mlua::Value| Ok(format!("\n\t{WHY}")))?;
    searchers.set(3, refuse)?;
    searchers.set(4, mlua::Nil)?;
    let refuse = lua.create_function(|_, _: mlua::MultiValue| Ok((mlua::Nil, WHY, "absent")))?;
    package.set("loadlib", refuse)
}
