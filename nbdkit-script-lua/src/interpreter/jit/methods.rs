//! Replaces methods in C with those of `window.lua`: LuaJIT cannot compile a loop that calls a C
//! function.

use std::ffi::c_int;

use mlua::Table;
use mlua::ffi::{self, lua_State};

use nbdkit_script::script::api::Memory;

use super::super::Interpreter;
use super::super::block::Header;
use super::window::{Window, count};

/// Zeroes the bytes of a read request that are still missing, and opens the window on all bytes.
unsafe extern "C-unwind" fn open(state: *mut lua_State) -> c_int {
    // SAFETY: only `window.lua` has this function, and it passes a buffer that it has checked. A
    // read request goes on until its memory is Gone, and then the window is empty. Nothing else
    // refers to the bytes while Lua runs.
    unsafe {
        let header = ffi::lua_touserdata(state, 1).cast::<Header>();
        if let Memory::Fill(buffer) = (*header).memory {
            let bytes = (*buffer).zero_missing();
            let length = count(bytes.len());
            (*header).window =
                Window { bytes: bytes.as_mut_ptr(), readable: length, writable: length };
        }
    }
    0
}

impl Interpreter {
    /// Replaces methods in C with those of `window.lua`.
    pub(in super::super) fn open_windows(&self) -> mlua::Result<()> {
        let place = self.known.places.buffer;
        // SAFETY: mlua calls this protected and takes the two values that are left.
        let (buffers, open): (Table, mlua::Function) = unsafe {
            self.lua.exec_raw((), |state| {
                ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, place.0.into());
                ffi::lua_pushcfunction(state, open);
            })?
        };
        let methods: Table = buffers.raw_get("__index")?;
        let chunk = self.lua.load(include_str!("window.lua")).set_name("=nbdkit");
        chunk.call((methods, buffers, open))
    }
}
