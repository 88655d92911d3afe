//! The module that scripts see, as the global `nbdkit` and as `require "nbdkit"`.

use nbdkit_script::errno;
use nbdkit_script::script::api::{constants, shared};

use crate::interpreter::Interpreter;

/// Roughly how many fields the module has, because Lua copies a table when it grows.
const FIELDS: usize = 96;

/// Puts the module into an interpreter, before the script runs.
pub fn register(interpreter: &Interpreter) -> mlua::Result<()> {
    let lua = interpreter.lua();
    interpreter.register_types()?;
    let module = lua.create_table_with_capacity(0, FIELDS)?;
    let dictionary = lua.create_table_with_capacity(0, shared::ALL.len())?;
    interpreter.register_functions(&module, &dictionary)?;
    module.raw_set("shared", dictionary)?;

    let constants: Vec<_> = constants().collect();
    let constants: Vec<_> = constants.iter().map(|(name, number)| (&**name, *number)).collect();
    interpreter.set_numbers(&module, &constants)?;
    let errors: Vec<_> = errno::all().map(|(name, number)| (name, number.into())).collect();
    let numbers = lua.create_table_with_capacity(0, errors.len())?;
    interpreter.set_numbers(&numbers, &errors)?;
    module.raw_set("errno", numbers)?;

    lua.register_module("nbdkit", &module)?;
    lua.globals().raw_set("nbdkit", module)
}
