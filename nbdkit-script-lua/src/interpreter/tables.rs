//! Tables that are filled or read as a whole, in one protected call. Through mlua's safe calls each
//! field is a protected call of its own, or two.

use std::collections::BTreeSet;
use std::ffi::{c_char, c_int};
use std::{ptr, slice};

use mlua::ffi::{self, lua_State};
use mlua::{Function, Table};

use super::Interpreter;

impl Interpreter {
    /// Puts numbers into a table.
    pub fn set_numbers(&self, table: &Table, numbers: &[(&str, i64)]) -> mlua::Result<()> {
        // SAFETY: mlua calls this protected, with the table alone on the stack. A Lua error leaves
        // nothing behind, for the numbers are borrowed.
        unsafe {
            self.lua().exec_raw::<()>(table, |state| {
                for (name, number) in numbers {
                    push_text(state, name);
                    ffi::lua_pushinteger(state, *number as ffi::lua_Integer);
                    ffi::lua_rawset(state, 1);
                }
            })
        }
    }

    /// Puts functions into a table. Each passes its arguments on to `dispatch`, behind its place
    /// among the names, counted from 0. That returns `true` and the results, or `false` and what is
    /// to be thrown: only Lua can throw a table.
    pub fn set_functions<'a>(
        &self,
        table: &Table,
        dispatch: &Function,
        names: impl Iterator<Item = &'a str>,
    ) -> mlua::Result<()> {
        let names: Vec<_> = names.collect();
        // SAFETY: mlua calls this protected, with the table and the function alone on the stack. A
        // Lua error leaves nothing behind, for the names are borrowed.
        unsafe {
            self.lua().exec_raw::<()>((table, dispatch), |state| {
                for (place, name) in names.iter().enumerate() {
                    push_text(state, name);
                    ffi::lua_pushvalue(state, 2);
                    ffi::lua_pushinteger(state, place as ffi::lua_Integer);
                    ffi::lua_pushcclosure(state, throwing, 2);
                    ffi::lua_rawset(state, 1);
                }
            })
        }
    }

    /// A function that concatenates two values as `tostring` shows them.
    pub fn concatenation(&self) -> mlua::Result<Function> {
        // SAFETY: mlua calls this protected and takes the one value that is pushed.
        unsafe { self.lua().exec_raw((), |state| ffi::lua_pushcfunction(state, concatenate)) }
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

/// Pushes a string.
///
/// # Safety
/// Only where Lua protects it: it may raise a Lua error.
pub(super) unsafe fn push_text(state: *mut lua_State, text: &str) {
    // SAFETY: the caller's; Lua copies the bytes.
    unsafe { ffi::lua_pushlstring(state, text.as_ptr().cast::<c_char>(), text.len()) };
}

/// A function of [`Interpreter::set_functions`].
unsafe extern "C-unwind" fn throwing(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with its upvalues, the function and a place, and with room for 20
    // values more than the arguments. This owns nothing that a Lua error would leave behind.
    unsafe {
        let arguments = ffi::lua_gettop(state);
        for upvalue in [1, 2] {
            ffi::lua_pushvalue(state, ffi::lua_upvalueindex(upvalue));
            ffi::lua_insert(state, upvalue);
        }
        ffi::lua_call(state, arguments + 1, ffi::LUA_MULTRET);
        if ffi::lua_toboolean(state, 1) == 0 {
            ffi::lua_settop(state, 2);
            ffi::lua_error(state);
        }
        ffi::lua_gettop(state) - 1
    }
}

/// `tostring(one) .. tostring(other)`.
unsafe extern "C-unwind" fn concatenate(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with room for 20 values more than the arguments, which are two here
    // whatever they were. This owns nothing that a Lua error would leave behind.
    unsafe {
        ffi::lua_settop(state, 2);
        ffi::luaL_tolstring(state, 1, ptr::null_mut());
        ffi::luaL_tolstring(state, 2, ptr::null_mut());
        ffi::lua_concat(state, 2);
    }
    1
}
