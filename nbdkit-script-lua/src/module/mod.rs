//! The module that scripts see, as the global `nbdkit` and as `require "nbdkit"`.

mod arguments;
mod constants;
mod errors;
mod functions;

use mlua::{Lua, Table};
use nbdkit_script::Result;

use crate::buffer;
use crate::interpreter::Interpreter;
use arguments::Arguments;

/// Puts the module into an interpreter, before the script runs.
pub fn register(interpreter: &Interpreter) -> mlua::Result<()> {
    let lua = interpreter.lua();
    let module = lua.create_table()?;
    functions::register(lua, &module)?;
    errors::register(interpreter, &module)?;
    constants::register(lua, &module)?;
    module.set("buffer", buffer::register(interpreter)?)?;

    lua.register_module("nbdkit", &module)?;
    lua.globals().set("nbdkit", module)
}

/// Adds a function to the module. Its error gets the position in the script, as Lua's own have.
fn add<R: mlua::IntoLuaMulti>(
    lua: &Lua,
    module: &Table,
    name: &'static str,
    function: impl Fn(&Lua, &mut Arguments) -> Result<R> + 'static,
) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, values| {
        let mut arguments = Arguments::new(name, values);
        function(lua, &mut arguments).and_then(|result| arguments.end().map(|()| result)).map_err(
            |error| {
                mlua::Error::external(error.context(format!("{}nbdkit.{name}", position(lua, 1))))
            },
        )
    })?;
    module.set(name, function)
}

/// Where a Lua function is, so many levels up: `FILE:LINE: `, or nothing for a C function.
fn position(lua: &Lua, level: usize) -> String {
    let position = lua.inspect_stack(level, |debug| {
        let line = debug.current_line()?;
        Some(format!("{}:{line}: ", debug.source().short_src?))
    });
    position.flatten().unwrap_or_default()
}
