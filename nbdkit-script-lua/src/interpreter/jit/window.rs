//! Where a buffer's bytes are, as LuaJIT's compiler looks at them: see `window.lua`.

use std::ptr;

use nbdkit_script::script::api::Memory;

/// The bytes that may be read and written in place. The C type in `window.lua` is the same.
#[repr(C)]
pub(in super::super) struct Window {
    pub(super) bytes: *mut u8,
    /// How many, from the first on.
    pub(super) readable: i32,
    pub(super) writable: i32,
}

/// In place of a number of bytes: `window.lua` asks `open` first.
const CLOSED: i32 = -1;

impl Window {
    /// What there is to see of a buffer.
    pub(in super::super) fn of(memory: Memory) -> Window {
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
pub(super) fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(0)
}
