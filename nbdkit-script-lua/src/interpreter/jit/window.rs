//! The place of a buffer's bytes, for LuaJIT's compiled code: see `window.lua`.

use std::ptr;

use nbdkit_script::script::api::Memory;

/// The bytes that may be read and written in place. `window.lua` declares the same type in C.
#[repr(C)]
pub(in super::super) struct Window {
    pub(super) bytes: *mut u8,
    /// How many bytes, counted from the first.
    pub(super) readable: i32,
    pub(super) writable: i32,
}

/// Instead of a number of bytes: `window.lua` must call `open` first.
const CLOSED: i32 = -1;

impl Window {
    /// The window on a buffer.
    pub(in super::super) fn of(memory: Memory) -> Window {
        match memory {
            Memory::Own(bytes, _) => {
                let length = count(bytes.len());
                Window { bytes: bytes.cast::<u8>(), readable: length, writable: length }
            }
            // Opening it zeroes the missing bytes. Only the methods of `window.lua` need that:
            // those in C know which bytes are still missing.
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

/// A number of bytes. A buffer that is too long for it is left to the methods in C.
pub(super) fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(0)
}
