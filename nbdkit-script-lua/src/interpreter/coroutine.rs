//! Which coroutine runs, for `interrupt.rs`: `coroutine.resume` and `coroutine.wrap` note it.
//!
//! Both are Lua's own functions with a few lines around them. Scripts without coroutines never get
//! here.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

use super::Interpreter;
use super::block::Known;

impl Interpreter {
    /// Puts ours in the place of Lua's.
    pub(super) fn watch_coroutines(&self) -> mlua::Result<()> {
        // SAFETY: mlua calls this protected. The library is there: it has just been opened.
        unsafe {
            self.lua.exec_raw::<()>((), |state| {
                ffi::lua_getglobal(state, c"coroutine".as_ptr());
                for (name, function) in [(c"resume", resume as ffi::lua_CFunction), (c"wrap", wrap)]
                {
                    ffi::lua_getfield(state, -1, name.as_ptr());
                    ffi::lua_pushcclosure(state, function, 1);
                    ffi::lua_setfield(state, -2, name.as_ptr());
                }
            })
        }
    }
}

/// `coroutine.resume`. The upvalue is Lua's own.
unsafe extern "C-unwind" fn resume(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with room for 20 values. A coroutine that is an argument stays.
    unsafe {
        let coroutine = ffi::lua_tothread(state, 1);
        match run(state, coroutine) {
            ffi::LUA_OK => ffi::lua_gettop(state),
            _ => ffi::lua_error(state),
        }
    }
}

/// `coroutine.wrap`. The upvalue is Lua's own, which returns a function whose upvalue is the
/// coroutine.
unsafe extern "C-unwind" fn wrap(state: *mut lua_State) -> c_int {
    // SAFETY: as above.
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

/// What `coroutine.wrap` returns. The upvalues are Lua's own function, and the coroutine.
unsafe extern "C-unwind" fn resume_wrapped(state: *mut lua_State) -> c_int {
    // SAFETY: as above. The upvalue keeps the coroutine.
    unsafe {
        let coroutine = ffi::lua_tothread(state, ffi::lua_upvalueindex(2));
        let status = run(state, coroutine);
        if status == ffi::LUA_OK {
            return ffi::lua_gettop(state);
        }
        // Lua's own puts before a message where it was called. That is here now, which is nowhere.
        if status != ffi::LUA_ERRMEM && ffi::lua_type(state, -1) == ffi::LUA_TSTRING {
            ffi::luaL_where(state, 1);
            ffi::lua_insert(state, -2);
            ffi::lua_concat(state, 2);
        }
        ffi::lua_error(state)
    }
}

/// Calls the first upvalue with all that is on the stack, while this coroutine is the one that
/// runs. The results are on the stack then, or the error on top of it.
///
/// # Safety
/// Only from a C function that Lua calls; the coroutine has to stay, or be null for none.
unsafe fn run(state: *mut lua_State, coroutine: *mut lua_State) -> c_int {
    // SAFETY: the caller's. An error of the function ends in lua_pcall, so that the coroutine
    // before is noted again in any case.
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
