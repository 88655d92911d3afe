//! What LuaJIT's compiler can reach of a buffer without a C function: see `window.lua`.

use std::ffi::c_int;
use std::ptr;

use mlua::Table;
use mlua::ffi::{self, lua_State};

use super::Interpreter;
use super::lend::{Header, Memory};

/// The bytes that may be read and written in place. The C type in `window.lua` is the same.
#[repr(C)]
pub(super) struct Window {
    bytes: *mut u8,
    /// How many, from the first on.
    readable: i32,
    writable: i32,
}

/// In place of a number of bytes: ask [`open`] first.
const CLOSED: i32 = -1;

impl Window {
    /// What there is to see of a buffer.
    pub(super) fn of(memory: Memory) -> Window {
        match memory {
            Memory::Own(bytes, _) => {
                let length = count(bytes.len());
                Window { bytes: bytes.cast::<u8>(), readable: length, writable: length }
            }
            // The script may not do this at all, or only by methods that are written in C. They
            // know which bytes are still missing; a window does not.
            Memory::Fill(_) => {
                Window { bytes: ptr::null_mut(), readable: CLOSED, writable: CLOSED }
            }
            Memory::Data(data) => Window {
                bytes: data.cast::<u8>().cast_mut(),
                readable: count(data.len()),
                writable: 0,
            },
            Memory::Gone => Window { bytes: ptr::null_mut(), readable: 0, writable: 0 },
        }
    }
}

/// A buffer that is longer than the number can say is left to the methods in C.
fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(0)
}

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
    pub(super) fn open_windows(&self) -> mlua::Result<()> {
        let place = self.places.buffer;
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
