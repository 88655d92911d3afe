//! What a userdata of ours begins with, and how it is told from any other.

use std::cell::Cell;
use std::ffi::c_void;

use nbdkit_script::Extent;
use nbdkit_script::script::store::Disk;

#[cfg(feature = "luajit")]
use super::jit::Window;
use super::memory::Memory;

/// What a buffer's userdata begins with.
#[repr(C)]
pub(super) struct Header {
    /// First, for `window.lua` looks here.
    #[cfg(feature = "luajit")]
    pub(super) window: Window,
    pub(super) seal: Seal,
    pub(super) memory: Memory,
}

impl Header {
    /// What a buffer's userdata is to begin with.
    ///
    /// # Safety
    /// There must be room for a header.
    pub(super) unsafe fn put(header: *mut Header, memory: Memory) {
        // SAFETY: the caller's.
        unsafe {
            header.write(Header {
                #[cfg(feature = "luajit")]
                window: Window::of(memory),
                seal: Seal::of_buffer(header),
                memory,
            });
        }
    }
}

/// What tells a userdata of ours from any other: made of where it is, and of what it is. Its
/// metatable does not, for `debug.setmetatable` gives that to any value.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub(super) struct Seal(usize);

impl Seal {
    #[inline]
    pub(super) fn of_buffer(header: *const Header) -> Seal {
        Seal(header.addr() ^ 0x6275_6666)
    }

    #[inline]
    pub(super) fn of_known(known: *const Known) -> Seal {
        Seal(known.addr() ^ 0x6b6e_6f77)
    }

    #[inline]
    pub(super) fn of_disk(block: *const DiskBlock) -> Seal {
        Seal(block.addr() ^ 0x6469_736b)
    }
}

/// The userdata of a disk.
#[repr(C)]
pub(super) struct DiskBlock {
    pub(super) seal: Seal,
    pub(super) disk: &'static Disk,
}

/// What tells methods whose userdata they have been given. Its place stays the same.
#[derive(Default)]
#[repr(C)]
pub(super) struct Known {
    /// First, so that of anything else no more than this is read. Set once it has its address.
    pub(super) seal: Cell<Seal>,
    /// The buffer that is lent now. It stays alive until it is taken back, so that nothing else can
    /// be where it is: no need to look for its seal.
    pub(super) lent: Cell<*mut Header>,
    /// Where the two metatables are that new ones get.
    pub(super) buffers: Cell<*const c_void>,
    pub(super) disks: Cell<*const c_void>,
    /// A list that is about to be copied. Here a Lua error does not leak it.
    pub(super) extents: Cell<Vec<Extent>>,
}
