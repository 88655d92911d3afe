//! Keeps track of the running coroutine, for `stopper.rs`: `coroutine.resume`, `coroutine.wrap` and
//! `coroutine.close` are Lua's own functions with a few lines around them.
//!
//! Scripts without coroutines never get here.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::Interpreter;
use super::block::Known;

impl Interpreter {
    /// Replaces Lua's functions with ours.
    pub(super) fn watch_coroutines(&self) -> mlua::Result<()> {
        // SAFETY: mlua calls this protected. The library has just been opened.
        unsafe {
            self.lua.exec_raw::<()>((), |state| {
                ffi::lua_getglobal(state, c"coroutine".as_ptr());
                let functions: [(_, ffi::lua_CFunction); 3] =
                    [(c"resume", resume), (c"wrap", wrap), (c"close", close)];
                for (name, function) in functions {
                    ffi::lua_getfield(state, 1, name.as_ptr());
                    // Lua has `close` from 5.4 on.
                    if ffi::lua_type(state, -1) == ffi::LUA_TFUNCTION {
                        ffi::lua_pushcclosure(state, function, 1);
                        ffi::lua_setfield(state, 1, name.as_ptr());
                    }
                }
                ffi::lua_settop(state, 0);
            })
        }
    }
}

/// `coroutine.resume`. The upvalue is Lua's own function.
unsafe extern "C-unwind" fn resume(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with room for 20 values. A coroutine that is an argument stays alive.
    unsafe {
        let coroutine = ffi::lua_tothread(state, 1);
        match run(state, coroutine) {
            ffi::LUA_OK => ffi::lua_gettop(state),
            _ => ffi::lua_error(state),
        }
    }
}

/// `coroutine.close`, which runs the `__close` of the coroutine's variables in it. The upvalue is
/// Lua's own function.
unsafe extern "C-unwind" fn close(state: *mut lua_State) -> c_int {
    // SAFETY: as in `resume`. In Lua 5.5 a coroutine may close itself, which ends this function:
    // it owns nothing, and whoever resumed the coroutine notes that it has ended.
    unsafe {
        let coroutine = ffi::lua_tothread(state, 1);
        match run(state, coroutine) {
            ffi::LUA_OK => ffi::lua_gettop(state),
            status => raise_here(state, status),
        }
    }
}

/// `coroutine.wrap`. The upvalue is Lua's own function, which returns a function whose upvalue is
/// the coroutine.
unsafe extern "C-unwind" fn wrap(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with room for 20 values.
    unsafe {
        ffi::lua_settop(state, 1);
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
        ffi::lua_pushvalue(state, 1);
        ffi::lua_call(state, 1, 1);
        if ffi::lua_getupvalue(state, -1, 1).is_null() {
            return 1;
        }
        ffi::lua_pushcclosure(state, resume_wrapped, 2);
        1
    }
}

/// The function that `coroutine.wrap` returns. The upvalues are Lua's own, and the coroutine.
unsafe extern "C-unwind" fn resume_wrapped(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with room for 20 values. The upvalue keeps the coroutine alive.
    unsafe {
        let coroutine = ffi::lua_tothread(state, ffi::lua_upvalueindex(2));
        let status = run(state, coroutine);
        if status == ffi::LUA_OK {
            return ffi::lua_gettop(state);
        }
        raise_here(state, status)
    }
}

/// Raises the error on top. Lua's own function prefixes a message with its caller's position. Its
/// caller is our function, which has none, so this adds the script's position.
///
/// # Safety
/// Only at the end of a C function that Lua calls.
unsafe fn raise_here(state: *mut lua_State, status: c_int) -> c_int {
    // SAFETY: the caller's. This owns nothing.
    unsafe {
        if status != ffi::LUA_ERRMEM && ffi::lua_type(state, -1) == ffi::LUA_TSTRING {
            ffi::luaL_where(state, 1);
            ffi::lua_insert(state, -2);
            ffi::lua_concat(state, 2);
        }
        ffi::lua_error(state)
    }
}

/// Calls the first upvalue with all values on the stack, and records during the call that this
/// coroutine runs. Leaves the results on the stack, or the error on top.
///
/// # Safety
/// Only from a C function that Lua calls. The coroutine must stay alive, or be null for none.
unsafe fn run(state: *mut lua_State, coroutine: *mut lua_State) -> c_int {
    // SAFETY: the caller's. lua_pcall catches an error of the function, so the previous coroutine
    // is noted again, unless the coroutine closes itself: see `close`.
    unsafe {
        let stopper = &Known::of_state(state).stopper;
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
        ffi::lua_insert(state, 1);
        let arguments = ffi::lua_gettop(state) - 1;
        let before = (!coroutine.is_null()).then(|| stopper.enter(coroutine));
        let status = ffi::lua_pcall(state, arguments, ffi::LUA_MULTRET, 0);
        if let Some(before) = before {
            stopper.back_to(before);
        }
        status
    }
}
