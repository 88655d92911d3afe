//! Puts the methods of `window.lua` in the place of those in C: LuaJIT's compiler can put no C
//! function into a loop.

use std::ffi::c_int;

use mlua::Table;
use mlua::ffi::{self, lua_State};

use nbdkit_script::script::api::Memory;

use super::super::Interpreter;
use super::super::block::Header;
use super::window::{Window, count};

/// Makes the bytes of a read request zero that are still missing, and shows them all.
unsafe extern "C-unwind" fn open(state: *mut lua_State) -> c_int {
    // SAFETY: `window.lua`, which alone has this function, passes a buffer that it has checked. A
    // request that it fills goes on as long as its memory is not Gone, and then the window shows
    // nothing. Nothing else refers to the bytes while Lua runs.
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
    /// Puts the methods of `window.lua` in the place of those in C.
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
