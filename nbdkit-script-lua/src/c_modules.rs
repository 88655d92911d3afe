//! C modules, where the engine is compiled in.

use mlua::{Lua, Result};

/// A C module calls the Lua that it finds in the process. With the engine compiled in (the feature
/// `vendored`) there is none to be found, or, worse, another one. So they are refused, and the
/// error of `require` says why.
pub fn refuse(lua: &Lua) -> Result<()> {
    const WHY: &str = "C modules cannot be loaded: this plugin has Lua compiled in \
                       (feature \"vendored\"); build it with the system's Lua instead";
    let package: mlua::Table = lua.globals().get("package")?;
    // Called `loaders` up to Lua 5.1. The first two look for loaded modules and for Lua files.
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
