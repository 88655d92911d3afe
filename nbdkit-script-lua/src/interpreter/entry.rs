//! Code that runs under lua_pcall, where Lua may raise errors.

use std::ffi::c_int;
use std::ptr;

use mlua::ffi::{self, lua_State};
use nbdkit_script::Callbacks;

use super::answer::push_string;
use super::on_stack::RESULTS;
use super::{Argument, Interpreter, Places, RegistryKey, Target, lend};

/// A task for [`entry`], and its result.
pub(super) enum Task<'a> {
    /// Calls a function, which is the second argument if it was found already.
    Call {
        interpreter: &'a Interpreter,
        target: Target,
        arguments: &'a [Argument<'a>],
        defined: bool,
        /// Where to put the registry key of the first result, to keep it.
        keep: Option<&'a mut RegistryKey>,
    },
    /// Finds out whether a callback is defined.
    Probe { places: Places, callback: Callbacks, defined: bool },
    /// Makes a string of the second argument, a number.
    Text,
    /// Collects garbage.
    Collect,
    /// Raises an error.
    #[cfg(feature = "luajit")]
    Raise,
}

/// Runs a [`Task`] under lua_pcall. A Lua error may leave it anywhere, so neither this nor what it
/// calls owns anything that must be dropped.
pub(super) unsafe extern "C-unwind" fn entry(state: *mut lua_State) -> c_int {
    // SAFETY: the caller passes a task that outlives this call and that nobody else uses. A C
    // function may use 20 places of the stack. This uses one for each argument, of which callbacks
    // have at most four, and four more. lua_call makes room for the results.
    unsafe {
        let task = &mut *ffi::lua_touserdata(state, 1).cast::<Task<'_>>();
        match task {
            Task::Call { interpreter, target, arguments, defined, keep } => {
                match *target {
                    Target::Kept(function) => {
                        ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, function.0.into());
                    }
                    Target::Callback(_) if ffi::lua_gettop(state) == 2 => {}
                    Target::Callback(callback) => {
                        let place = interpreter.known.places.callbacks.0.into();
                        ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, place);
                        push_field(state, callback.name());
                        ffi::lua_replace(state, 2);
                    }
                }
                if ffi::lua_type(state, 2) != ffi::LUA_TFUNCTION {
                    *defined = false;
                    return 0;
                }
                for argument in *arguments {
                    push(state, interpreter, *argument);
                }
                // The results take the place of the function. After any number of results there may
                // be no room for another value.
                let results = if keep.is_some() { RESULTS } else { ffi::LUA_MULTRET };
                ffi::lua_call(state, arguments.len() as c_int, results);
                if let Some(keep) = keep {
                    ffi::lua_pushvalue(state, 2);
                    **keep = RegistryKey(ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX));
                }
                ffi::lua_gettop(state) - 1
            }
            Task::Probe { places, callback, defined } => {
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, places.callbacks.0.into());
                push_field(state, callback.name());
                *defined = ffi::lua_type(state, -1) == ffi::LUA_TFUNCTION;
                0
            }
            Task::Text => {
                ffi::lua_tolstring(state, 2, ptr::null_mut());
                1
            }
            #[cfg(feature = "luajit")]
            Task::Raise => ffi::lua_error(state),
            Task::Collect => {
                ffi::lua_gc(state, ffi::LUA_GCCOLLECT, 0);
                0
            }
        }
    }
}

/// Pushes a field of the table on top of the stack, and may call metamethods for it.
///
/// # Safety
/// Only from [`entry`], with a table on top: this may raise a Lua error.
unsafe fn push_field(state: *mut lua_State, name: &str) {
    // SAFETY: the caller's.
    unsafe {
        push_string(state, name.as_bytes());
        ffi::lua_gettable(state, -2);
    }
}

/// Pushes one value.
///
/// # Safety
/// With room on the stack. An argument that needs memory may raise a Lua error, so only [`entry`]
/// may push it.
#[inline(always)]
pub(super) unsafe fn push(
    state: *mut lua_State,
    interpreter: &Interpreter,
    argument: Argument<'_>,
) {
    // SAFETY: the caller's.
    unsafe {
        match argument {
            Argument::Handle(kept) => {
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, kept.0.into());
            }
            // This is a float in engines without integers.
            Argument::Integer(integer) => {
                ffi::lua_pushinteger(state, integer as ffi::lua_Integer);
            }
            Argument::Boolean(boolean) => ffi::lua_pushboolean(state, boolean.into()),
            Argument::Bytes(bytes) | Argument::Parameter(bytes) => {
                push_string(state, bytes);
            }
            Argument::Lent(lent) => lend::push(state, &interpreter.known, lent),
        }
    }
}

/// Message handler: puts a traceback into the registry, and leaves the error as it is.
pub(super) unsafe extern "C-unwind" fn remember(state: *mut lua_State) -> c_int {
    // SAFETY: Lua calls this with the error value on the stack. Without room, for example after a
    // stack overflow, there is no traceback. luaL_traceback may raise an error about memory, which
    // Lua then reports instead of the first one.
    unsafe {
        if ffi::lua_checkstack(state, ffi::LUA_MINSTACK) != 0 {
            let place = ffi::lua_tointeger(state, ffi::lua_upvalueindex(1));
            ffi::luaL_traceback(state, state, ptr::null(), 1);
            ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, place);
        }
    }
    1
}
