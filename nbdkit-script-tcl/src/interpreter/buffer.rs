//! The buffers, disks and files behind our commands.

use std::sync::Arc;

use nbdkit_script::file::Closable;
use nbdkit_script::script::api::{MadeIn, Memory};
use nbdkit_script::script::store::Disk;

/// The object behind a command with methods.
pub(super) enum Content {
    Buffer(Buffer),
    Disk(&'static Disk),
    File(Arc<Closable>),
}

impl Content {
    /// The name of its type, for scripts.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Content::Buffer(_) => "buffer",
            Content::Disk(_) => "disk",
            Content::File(_) => "file",
        }
    }
}

/// The bytes of a buffer: the script's own, or nbdkit's.
pub(super) struct Buffer {
    pub(super) memory: Memory,
}

impl Buffer {
    pub(super) fn own(bytes: Vec<u8>) -> Self {
        let bytes = Box::into_raw(bytes.into_boxed_slice());
        Buffer { memory: Memory::Own(bytes, MadeIn::now()) }
    }

    pub(super) fn lent(memory: Memory) -> Self {
        Buffer { memory }
    }

    pub(super) fn is_lent(&self) -> bool {
        !matches!(self.memory, Memory::Own(..))
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Memory::Own(bytes, _) = self.memory {
            // SAFETY: `own` made it from a box.
            drop(unsafe { Box::from_raw(bytes) });
        }
    }
}
