//! Errors with an errno.

use std::rc::Rc;

use mlua::{Lua, Table, Value};
use nbdkit_script::library::Arguments as _;
use nbdkit_script::{Error, Result};

use super::arguments::Arguments;
use super::{add, throwing};
use crate::interpreter::Interpreter;

/// Where the metatable of errors is in Lua's registry.
const METATABLE: &str = "nbdkit.error";

/// An error that is concatenated is meant as its message.
const CONCAT: &str = "return function(a, b) return tostring(a) .. tostring(b) end";

/// Makes the metatable that [`table`] uses.
pub fn register_metatable(lua: &Lua) -> mlua::Result<()> {
    let metatable = lua.create_table()?;
    let message = lua.create_function(|_, error: Table| error.raw_get::<Value>("message"))?;
    metatable.raw_set("__tostring", message)?;
    metatable.raw_set("__concat", lua.load(CONCAT).set_name("=nbdkit").call::<Value>(())?)?;
    lua.set_named_registry_value(METATABLE, metatable)
}

/// `{errno = ..., message = ...}`, whose `tostring` is the message.
pub fn table(lua: &Lua, errno: i32, message: &str) -> mlua::Result<Table> {
    let error = lua.create_table()?;
    error.raw_set("errno", errno)?;
    error.raw_set("message", message)?;
    error.set_metatable(Some(lua.named_registry_value(METATABLE)?))?;
    Ok(error)
}

pub fn register(interpreter: &Interpreter, module: &Table) -> mlua::Result<()> {
    let lua = interpreter.lua();
    let pending = Rc::clone(interpreter.pending_errno());
    add(lua, module, "set_error", move |_, arguments| {
        arguments.at_most(1)?;
        pending.set(arguments.errno()?);
        Ok(())
    })?;
    // It never returns, so there is no result of a type. Its own error has no name before it.
    let error = throwing::<()>(lua, |_, values| {
        let made = made(&mut Arguments::new(values));
        Err(made.unwrap_or_else(|error| error.context("nbdkit.error")))
    })?;
    module.set("error", error)
}

/// The error that a script throws.
fn made(arguments: &mut Arguments) -> Result<Error> {
    arguments.at_most(2)?;
    Ok(Error::new(arguments.errno()?, arguments.text("the message")?))
}
