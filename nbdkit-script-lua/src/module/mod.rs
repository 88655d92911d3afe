//! The module that scripts see, as the global `nbdkit` and as `require "nbdkit"`.

mod arguments;
mod constants;
mod errors;
mod functions;
mod shared;

use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Table, Value};
use nbdkit_script::{Error, Result};

use crate::interpreter::Interpreter;
use crate::types;
use arguments::Arguments;

/// Puts the module into an interpreter, before the script runs.
pub fn register(interpreter: &Interpreter) -> mlua::Result<()> {
    let lua = interpreter.lua();
    let module = lua.create_table()?;
    let throwing: Function = lua.load(THROWING).set_name("=nbdkit").eval()?;
    lua.set_named_registry_value(THROWING_KEY, throwing)?;
    errors::register_metatable(lua)?;
    functions::register(lua, &module)?;
    errors::register(interpreter, &module)?;
    constants::register(lua, &module)?;
    shared::register(lua, &module)?;
    types::register(interpreter)?;
    for constructor in types::CONSTRUCTORS {
        module.set(constructor.name, interpreter.function(&constructor)?)?;
    }

    lua.register_module("nbdkit", &module)?;
    lua.globals().set("nbdkit", module)
}

/// Only Lua can throw a table. So what is written in Rust returns whether it went well, and then its
/// results or the error, which this throws. It is compiled once for all functions: to do so for each
/// took a quarter of the time in which a script is loaded.
const THROWING: &str = "local function results(ok, ...)
  if ok then return ... end
  error((...), 0)
end
return function(f)
  return function(...) return results(f(...)) end
end";

/// The name in Lua's registry under which the function of [`THROWING`] is.
const THROWING_KEY: &str = "nbdkit.throwing";

/// Adds a function to the module. Its error is a table, as `nbdkit.error` throws it, and has the
/// position in the script, as Lua's own have.
fn add<R: IntoLuaMulti>(
    lua: &Lua,
    module: &Table,
    name: &'static str,
    function: impl Fn(&Lua, &mut Arguments) -> Result<R> + 'static,
) -> mlua::Result<()> {
    let function = throwing(lua, move |lua, values| {
        function(lua, &mut Arguments::new(values))
            .map_err(|error| error.context(format!("nbdkit.{name}")))
    })?;
    module.set(name, function)
}

/// A Lua function of one in Rust, whose error it throws as a table.
fn throwing<R: IntoLuaMulti>(
    lua: &Lua,
    function: impl Fn(&Lua, MultiValue) -> Result<R> + 'static,
) -> mlua::Result<Function> {
    let function = lua.create_function(move |lua, values| match function(lua, values) {
        Ok(results) => {
            let mut results = results.into_lua_multi(lua)?;
            results.push_front(Value::Boolean(true));
            Ok(results)
        }
        Err(error) => {
            // 1 is the function that throws, and 2 its caller.
            let error = errors::table(lua, error.errno(), &format!("{}{error}", position(lua, 2)))?;
            (false, error).into_lua_multi(lua)
        }
    })?;
    lua.named_registry_value::<Function>(THROWING_KEY)?.call(function)
}

/// A result that Lua has no memory for.
fn no_memory(error: mlua::Error) -> Error {
    Error::new(libc::ENOMEM, error.to_string())
}

/// Where a Lua function is, so many levels up: `FILE:LINE: `, or nothing for a C function.
fn position(lua: &Lua, level: usize) -> String {
    let position = lua.inspect_stack(level, |debug| {
        let line = debug.current_line()?;
        Some(format!("{}:{line}: ", debug.source().short_src?))
    });
    position.flatten().unwrap_or_default()
}
