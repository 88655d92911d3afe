//! Keys of values in Lua's registry.

use std::ffi::c_int;

use mlua::ffi::{self, lua_State};

/// The key of a value in Lua's registry, which keeps the value from being collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegistryKey(pub(super) c_int);

/// Places in Lua's registry, created once, so that nothing is allocated outside of lua_pcall.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    /// The function that pushes values that own memory: see `answer.rs`.
    pub(super) returner: RegistryKey,
    /// The metatable of errors.
    pub(super) error: RegistryKey,
    /// The message of an error about memory.
    pub(super) no_memory: RegistryKey,
    /// The function that describes an error for a message.
    pub(super) describe: RegistryKey,
    /// The last value that was thrown, or that went from the stack to mlua.
    pub(super) thrown: RegistryKey,
    /// The traceback of the last error.
    pub(super) traceback: RegistryKey,
    /// The last buffer that was lent.
    pub(super) lent: RegistryKey,
    /// The table in which callbacks are looked up.
    pub(super) callbacks: RegistryKey,
    /// The metatable of buffers.
    pub(super) buffer: RegistryKey,
    /// The metatable of disks.
    pub(super) disk: RegistryKey,
    /// The metatable of files.
    pub(super) file: RegistryKey,
}

/// How many places are made for the handles of connections.
const HANDLES: usize = 16;

/// Makes places for handles, all at once: then they are in the array part of the registry, where
/// Lua finds a value without hashing its key.
///
/// # Safety
/// Only where Lua protects it, with room on the stack.
pub(super) unsafe fn make_room_for_handles(state: *mut lua_State) {
    // SAFETY: the caller's. luaL_ref pops the value, and hands out again what luaL_unref has freed.
    unsafe {
        let mut places = [0; HANDLES];
        for place in &mut places {
            ffi::lua_pushboolean(state, 0);
            *place = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
        }
        for place in places.into_iter().rev() {
            ffi::luaL_unref(state, ffi::LUA_REGISTRYINDEX, place);
        }
    }
}

impl Places {
    /// Creates them.
    ///
    /// # Safety
    /// Only where Lua protects it, with room on the stack.
    pub(super) unsafe fn create(state: *mut lua_State) -> Self {
        let place = || {
            // SAFETY: the caller's. luaL_ref pops the value.
            unsafe {
                // Any value but nil, which would get no place.
                ffi::lua_pushboolean(state, 0);
                RegistryKey(ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX))
            }
        };
        Places {
            returner: place(),
            error: place(),
            no_memory: place(),
            describe: place(),
            thrown: place(),
            traceback: place(),
            lent: place(),
            callbacks: place(),
            buffer: place(),
            disk: place(),
            file: place(),
        }
    }
}
