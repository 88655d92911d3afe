//! Fills or reads a whole table in one protected call. mlua's safe functions make a protected call
//! or two for each field.

use std::collections::BTreeSet;
use std::slice;

use mlua::Table;
use mlua::ffi;

use super::Interpreter;
use super::answer::push_string;

impl Interpreter {
    /// Puts numbers into a table.
    pub fn set_numbers(&self, table: &Table, numbers: &[(&str, i64)]) -> mlua::Result<()> {
        // SAFETY: mlua calls this protected, with the table alone on the stack. A Lua error drops
        // nothing, and need not: the numbers are borrowed.
        unsafe {
            self.lua().exec_raw::<()>(table, |state| {
                for (name, number) in numbers {
                    push_string(state, name.as_bytes());
                    ffi::lua_pushinteger(state, *number as ffi::lua_Integer);
                    ffi::lua_rawset(state, 1);
                }
            })
        }
    }

    /// The names of the functions in a table.
    pub fn function_names(&self, table: &Table) -> mlua::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        // SAFETY: mlua calls this protected, with the table alone on the stack. Only keys that are
        // strings are read as strings, so lua_tolstring converts none, which would confuse
        // lua_next. Even if there were an error, `names` lives outside.
        unsafe {
            self.lua().exec_raw::<()>(table, |state| {
                ffi::lua_pushnil(state);
                while ffi::lua_next(state, 1) != 0 {
                    let is_name = ffi::lua_type(state, -2) == ffi::LUA_TSTRING;
                    if is_name && ffi::lua_type(state, -1) == ffi::LUA_TFUNCTION {
                        let mut length = 0;
                        let name = ffi::lua_tolstring(state, -2, &mut length);
                        let name = slice::from_raw_parts(name.cast::<u8>(), length);
                        names.insert(String::from_utf8_lossy(name).into_owned());
                    }
                    ffi::lua_settop(state, -2);
                }
            })?;
        }
        Ok(names)
    }
}
