//! The metatable of the errors that nbdkit's functions raise: see `push_error` in `answer.rs`.

use std::ffi::c_int;
use std::ptr;

use mlua::ffi::{self, lua_State};

/// Pushes the metatable.
///
/// # Safety
/// Only where Lua protects it, with room on the stack.
pub(super) unsafe fn push_metatable(state: *mut lua_State) {
    // SAFETY: the caller's.
    unsafe {
        ffi::lua_createtable(state, 0, 2);
        for (field, function) in
            [(c"__tostring", message as ffi::lua_CFunction), (c"__concat", concatenate)]
        {
            ffi::lua_pushcfunction(state, function);
            ffi::lua_setfield(state, -2, field.as_ptr());
        }
    }
}

/// `tostring(error)`: its message.
unsafe extern "C-unwind" fn message(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with room for 20 values more than the arguments.
    unsafe {
        if ffi::lua_type(state, 1) != ffi::LUA_TTABLE {
            return 0;
        }
        ffi::lua_pushstring(state, c"message".as_ptr());
        ffi::lua_rawget(state, 1);
    }
    1
}

/// `error .. value` or `value .. error`: concatenates the message.
unsafe extern "C-unwind" fn concatenate(state: *mut lua_State) -> c_int {
    // SAFETY: as in `message`. There are two arguments after lua_settop. This owns nothing.
    unsafe {
        ffi::lua_settop(state, 2);
        ffi::luaL_tolstring(state, 1, ptr::null_mut());
        ffi::luaL_tolstring(state, 2, ptr::null_mut());
        ffi::lua_concat(state, 2);
    }
    1
}
