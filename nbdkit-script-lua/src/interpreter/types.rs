//! The types of buffers and of disks, and functions: C functions of methods, with what they know.

use std::ffi::{c_char, c_int};
use std::ptr;

use mlua::ffi::{self, lua_State};
use nbdkit_script::script::api::Method;

use super::Interpreter;
use super::block::{Known, Seal};
use super::method::{BUFFERS, DISKS, KNOWN, method};

/// A type of userdata, for [`Interpreter::register_types`].
pub struct Type<'a> {
    pub name: &'static str,
    pub methods: &'a [Register],
    pub metamethods: &'a [Register],
}

/// A function for Lua, with its name.
#[derive(Clone, Copy)]
pub struct Register {
    pub name: &'static str,
    function: ffi::lua_CFunction,
}

impl Register {
    /// The method `M` under this name.
    pub const fn new<M: Method>(name: &'static str) -> Self {
        Register { name, function: method::<M> }
    }
}

impl Interpreter {
    /// Makes the types of buffers and of disks, with these methods and metamethods.
    pub fn register_types(&self, buffers: Type<'_>, disks: Type<'_>) -> mlua::Result<()> {
        let places = self.places;
        let known = &*self.known;
        // SAFETY: mlua calls this protected. The values at 1 and 2 are the metatables, and at 3 is
        // what methods know.
        unsafe {
            self.lua.exec_raw::<()>((), |state| {
                ffi::lua_newtable(state);
                ffi::lua_newtable(state);
                known.seal.set(Seal::of_known(known));
                known.buffers.set(ffi::lua_topointer(state, BUFFERS));
                known.disks.set(ffi::lua_topointer(state, DISKS));
                push_known(state, known);
                for (metatable, kind) in [(BUFFERS, buffers), (DISKS, disks)] {
                    for function in kind.metamethods {
                        set(state, metatable, function);
                    }
                    ffi::lua_createtable(state, 0, kind.methods.len() as c_int);
                    let methods = ffi::lua_gettop(state);
                    for function in kind.methods {
                        set(state, methods, function);
                    }
                    ffi::lua_setfield(state, metatable, c"__index".as_ptr());
                    for field in [c"__name", c"__metatable"] {
                        ffi::lua_pushlstring(state, kind.name.as_ptr().cast(), kind.name.len());
                        ffi::lua_setfield(state, metatable, field.as_ptr());
                    }
                }
                ffi::lua_settop(state, DISKS);
                ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, places.disk.0.into());
                ffi::lua_rawseti(state, ffi::LUA_REGISTRYINDEX, places.buffer.0.into());
            })?;
        }
        #[cfg(feature = "luajit")]
        self.open_windows()?;
        Ok(())
    }

    /// A Lua function of a [`Register`], for a table of mlua's.
    pub fn function(&self, function: &Register) -> mlua::Result<mlua::Function> {
        let places = self.places;
        // SAFETY: mlua calls this protected and takes the one value that is left.
        unsafe {
            self.lua.exec_raw((), |state| {
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, places.buffer.0.into());
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, places.disk.0.into());
                push_known(state, &self.known);
                ffi::lua_pushcclosure(state, function.function, KNOWN);
            })
        }
    }
}

/// Pushes what methods know.
///
/// # Safety
/// With room on the stack.
unsafe fn push_known(state: *mut lua_State, known: &Known) {
    // SAFETY: the caller's. A light userdata needs no memory.
    unsafe { ffi::lua_pushlightuserdata(state, ptr::from_ref(known).cast_mut().cast()) };
}

/// Puts a function into the table at this place.
///
/// # Safety
/// Only where Lua protects it, with the upvalues at the places of their numbers.
unsafe fn set(state: *mut lua_State, table: c_int, function: &Register) {
    // SAFETY: the caller's.
    unsafe {
        let name = function.name;
        ffi::lua_pushlstring(state, name.as_ptr().cast::<c_char>(), name.len());
        ffi::lua_pushvalue(state, BUFFERS);
        ffi::lua_pushvalue(state, DISKS);
        ffi::lua_pushvalue(state, KNOWN);
        ffi::lua_pushcclosure(state, function.function, KNOWN);
        ffi::lua_rawset(state, table);
    }
}
