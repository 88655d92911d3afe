//! The constants, and the names of error numbers.

use mlua::{Lua, Table};
use nbdkit_script::{errno, library};

pub fn register(lua: &Lua, module: &Table) -> mlua::Result<()> {
    for (name, number) in library::constants() {
        module.set(name, number)?;
    }
    let numbers = lua.create_table()?;
    for (name, number) in errno::all() {
        numbers.set(name, number)?;
    }
    module.set("errno", numbers)
}
