//! Tables that are filled or read as a whole, in one protected call. Through mlua's safe calls each
//! field is a protected call of its own, or two.

use std::collections::BTreeSet;
use std::slice;

use mlua::Table;
use mlua::ffi;

use super::Interpreter;
use super::answer::push_string;

impl Interpreter {
    /// Puts numbers into a table.
    pub fn set_numbers(&self, table: &Table, numbers: &[(&str, i64)]) -> mlua::Result<()> {
        // SAFETY: mlua calls this protected, with the table alone on the stack. A Lua error leaves
        // nothing behind, for the numbers are borrowed.
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
        // SAFETY: mlua calls this protected, with the table alone on the stack. The keys are
        // lua_next's own, and only those that are strings are looked at as such, so nothing is
        // converted. Should there be an error nevertheless, `names` lives outside of it.
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
