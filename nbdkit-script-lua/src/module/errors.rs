//! Errors with an errno.

use std::rc::Rc;

use mlua::{Lua, Table};
use nbdkit_script::Result;

use super::arguments::Arguments;
use super::{add, position};
use crate::interpreter::Interpreter;

/// `error` has to be a Lua function, for only Lua can throw a table. What it throws is made by the
/// function it gets. The 2 is its caller.
const ERROR: &str = "local make = ... return function(...) error(make(...), 0) end";

pub fn register(interpreter: &Interpreter, module: &Table) -> mlua::Result<()> {
    let lua = interpreter.lua();
    let pending = Rc::clone(interpreter.pending_errno());
    add(lua, module, "set_error", move |_, arguments| {
        pending.set(arguments.errno()?);
        Ok(())
    })?;

    let metatable = lua.create_table()?;
    metatable.set(
        "__tostring",
        lua.create_function(|_, error: Table| error.raw_get::<mlua::Value>("message"))?,
    )?;
    let make = lua.create_function(move |lua, values| {
        let mut arguments = Arguments::new("error", values);
        let made = make(lua, &mut arguments, &metatable);
        made.map_err(|error| {
            mlua::Error::external(error.context(format!("{}nbdkit.error", position(lua, 2))))
        })
    })?;
    let error = lua.load(ERROR).set_name("=nbdkit").call::<mlua::Function>(make)?;
    module.set("error", error)
}

/// `{errno = ..., message = ...}`.
fn make(lua: &Lua, arguments: &mut Arguments, metatable: &Table) -> Result<mlua::Result<Table>> {
    let errno = arguments.errno()?;
    let mut message = position(lua, 2).into_bytes();
    message.extend(arguments.bytes("the message")?);
    arguments.end()?;
    let make = || {
        let error = lua.create_table()?;
        error.raw_set("errno", errno)?;
        error.raw_set("message", lua.create_string(message)?)?;
        error.set_metatable(Some(metatable.clone()))?;
        Ok(error)
    };
    Ok(make())
}
