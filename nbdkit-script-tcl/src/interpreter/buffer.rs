//! The buffers, disks and files behind our commands.

use std::rc::Rc;
use std::sync::Arc;

use nbdkit_script::file::Closable;
use nbdkit_script::script::api::{MadeIn, Memory};
use nbdkit_script::script::store::Disk;

use super::lent::Lent;

/// The object behind a command with methods.
pub(super) enum Content {
    Buffer(Buffer),
    Lent(Rc<Lent>),
    Disk(&'static Disk),
    File(Arc<Closable>),
}

impl Content {
    /// The name of its type, for scripts.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Content::Buffer(_) | Content::Lent(_) => "buffer",
            Content::Disk(_) => "disk",
            Content::File(_) => "file",
        }
    }
}

/// A script's own buffer.
pub(super) struct Buffer {
    bytes: *mut [u8],
    made: MadeIn,
}

impl Buffer {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Buffer { bytes: Box::into_raw(bytes.into_boxed_slice()), made: MadeIn::now() }
    }

    pub(super) fn memory(&self) -> Memory {
        Memory::Own(self.bytes, self.made)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: `new` made it from a box.
        drop(unsafe { Box::from_raw(self.bytes) });
    }
}
