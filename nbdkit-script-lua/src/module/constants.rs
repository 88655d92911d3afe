//! The constants, and the names of error numbers.

use mlua::Table;
use nbdkit_script::errno;
use nbdkit_script::script::api;

use crate::interpreter::Interpreter;

pub fn register(interpreter: &Interpreter, module: &Table) -> mlua::Result<()> {
    let constants: Vec<_> = api::constants().collect();
    let constants: Vec<_> = constants.iter().map(|(name, number)| (&**name, *number)).collect();
    interpreter.set_numbers(module, &constants)?;
    let errors: Vec<_> = errno::all().map(|(name, number)| (name, number.into())).collect();
    let numbers = interpreter.lua().create_table_with_capacity(0, errors.len())?;
    interpreter.set_numbers(&numbers, &errors)?;
    module.set("errno", numbers)
}
