//! Errors with an errno.

use std::cell::Cell;
use std::rc::Rc;

use mlua::{Lua, MultiValue, Table, Value};
use nbdkit_script::script::api::Arguments as _;
use nbdkit_script::{Error, Result};

use super::add;
use super::arguments::Arguments;
use crate::interpreter::{ERROR_METATABLE, Interpreter};

/// Makes the metatable that [`table`] uses.
pub fn register_metatable(interpreter: &Interpreter) -> mlua::Result<()> {
    let lua = interpreter.lua();
    let metatable = lua.create_table()?;
    let message = lua.create_function(|_, error: Table| error.raw_get::<Value>("message"))?;
    metatable.raw_set("__tostring", message)?;
    // An error that is concatenated is meant as its message.
    metatable.raw_set("__concat", interpreter.concatenation()?)?;
    lua.set_named_registry_value(&ERROR_METATABLE.to_string_lossy(), metatable)
}

/// `{errno = ..., message = ...}`, whose `tostring` is the message.
pub fn table(lua: &Lua, errno: i32, message: &str) -> mlua::Result<Table> {
    let error = lua.create_table()?;
    error.raw_set("errno", errno)?;
    error.raw_set("message", message)?;
    error.set_metatable(Some(lua.named_registry_value(&ERROR_METATABLE.to_string_lossy())?))?;
    Ok(error)
}

pub fn register(interpreter: &Interpreter, module: &Table) -> mlua::Result<()> {
    let pending = Rc::clone(interpreter.pending_errno());
    add(interpreter, module, ["set_error"].into_iter(), move |lua, _, values| {
        set(&pending, &mut Arguments::new(lua, values))
            .map_err(|error| error.context("nbdkit.set_error"))?;
        Ok(MultiValue::new())
    })?;
    // It never returns. Its own error has no name before it.
    add(interpreter, module, ["error"].into_iter(), |lua, _, values| {
        let made = made(&mut Arguments::new(lua, values));
        Err(made.unwrap_or_else(|error| error.context("nbdkit.error")))
    })
}

/// Sets the error number of the next failure.
fn set(pending: &Cell<i32>, arguments: &mut Arguments<'_>) -> Result<()> {
    arguments.at_most(1)?;
    pending.set(arguments.errno()?);
    Ok(())
}

/// The error that a script throws.
fn made(arguments: &mut Arguments<'_>) -> Result<Error> {
    arguments.at_most(2)?;
    Ok(Error::new(arguments.errno()?, arguments.error_message("the message")?))
}
