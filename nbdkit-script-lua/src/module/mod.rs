//! The module that scripts see, as the global `nbdkit` and as `require "nbdkit"`.

mod arguments;
mod constants;
mod errors;
mod functions;
mod shared;

use std::cell::Cell;

use mlua::{IntoLuaMulti, Lua, MultiValue, Table, Value};
use nbdkit_script::{Error, Result, memory};

use crate::interpreter::{CHANGED, Interpreter};
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
    let garbage = Garbage::default();
    let dispatch = move |lua: &Lua, (place, values): (usize, MultiValue)| {
        if memory::check().is_err() {
            garbage.collect(lua)?;
        }
        match call(lua, place, values) {
            Ok(mut results) => {
                results.push_front(Value::Boolean(true));
                Ok(results)
            }
            Err(error) => thrown(lua, &error),
        }
    };
    interpreter.set_functions(table, &interpreter.lua().create_function(dispatch)?, names)
}

/// What is thrown for an error. Where there is no memory for a table it is Lua's own text: it is
/// there already, so that a script which catches errors for ever has none of Lua's memory walked
/// for each.
fn thrown(lua: &Lua, error: &Error) -> mlua::Result<MultiValue> {
    if memory::check().is_ok() {
        // 1 is the function that throws, and 2 its caller.
        let message = format!("{}{error}", position(lua, 2));
        if let Ok(table) = errors::table(lua, error.errno(), &message) {
            return (false, table).into_lua_multi(lua);
        }
        memory::is_short();
    }
    (false, memory::MESSAGE).into_lua_multi(lua)
}

/// The garbage that Lua has not collected yet, for it does not know when there is no memory for
/// others.
#[derive(Default)]
struct Garbage {
    /// How much memory Lua had after it was collected last, in bytes.
    left: Cell<usize>,
}

impl Garbage {
    /// Collects it, if there may be enough that it is worth the time.
    #[cold]
    fn collect(&self, lua: &Lua) -> mlua::Result<()> {
        const WORTH: usize = 1 << 20;
        if lua.used_memory() >= self.left.get() + WORTH {
            lua.gc_collect()?;
            self.left.set(lua.used_memory());
        }
        Ok(())
    }
}

/// A place that no function has.
fn changed() -> Error {
    Error::msg(CHANGED)
}

/// A result that Lua has no memory for.
fn no_memory(error: mlua::Error) -> Error {
    memory::is_short();
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
