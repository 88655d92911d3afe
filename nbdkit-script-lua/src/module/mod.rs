//! The module that scripts see, as the global `nbdkit` and as `require "nbdkit"`.

mod arguments;
mod constants;
mod errors;
mod functions;
mod shared;

pub use errors::METATABLE as ERROR_METATABLE;

use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};
use nbdkit_script::{Error, Result};

use crate::interpreter::Interpreter;
use crate::types;

/// About how many fields the module has: a table that grows is made anew each time.
const FIELDS: usize = 64;

/// Puts the module into an interpreter, before the script runs.
pub fn register(interpreter: &Interpreter) -> mlua::Result<()> {
    let lua = interpreter.lua();
    let module = lua.create_table_with_capacity(0, FIELDS)?;
    errors::register_metatable(interpreter)?;
    functions::register(interpreter, &module)?;
    errors::register(interpreter, &module)?;
    constants::register(interpreter, &module)?;
    shared::register(interpreter, &module)?;
    types::register(interpreter)?;
    for constructor in types::CONSTRUCTORS {
        module.set(constructor.name, interpreter.function(&constructor)?)?;
    }

    lua.register_module("nbdkit", &module)?;
    lua.globals().set("nbdkit", module)
}

/// Adds functions to a table. `call` gets the place of the one that is called among the names. Its
/// error is thrown as a table, as `nbdkit.error` throws it, and has the position in the script, as
/// Lua's own have.
///
/// One function of mlua's serves them all: to make one for each took a tenth of the time in which
/// nbdkit starts.
fn add<'a>(
    interpreter: &Interpreter,
    table: &Table,
    names: impl Iterator<Item = &'a str>,
    call: impl Fn(&Lua, usize, MultiValue) -> Result<MultiValue> + 'static,
) -> mlua::Result<()> {
    let dispatch = move |lua: &Lua, (place, values): (usize, MultiValue)| {
        match call(lua, place, values) {
            Ok(mut results) => {
                results.push_front(Value::Boolean(true));
                Ok(results)
            }
            Err(error) => {
                // 1 is the function that throws, and 2 its caller.
                let message = format!("{}{error}", position(lua, 2));
                (false, errors::table(lua, error.errno(), &message)?).into_lua_multi(lua)
            }
        }
    };
    interpreter.set_functions(table, &interpreter.lua().create_function(dispatch)?, names)
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
