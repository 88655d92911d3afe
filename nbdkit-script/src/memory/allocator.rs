//! The allocator of plugins: the system's, or the reserve when the system has no memory.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::hint::black_box;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::account;
use super::granules::{GRANULE, Granules};

/// The size of the reserve in bytes. It lies in the plugin's zero-initialised data: so it exists
/// once the plugin is loaded, no `malloc` can take it, and the system spends no memory on it until
/// it is used.
const SIZE: usize = 2 << 20;

/// The largest block that comes from the reserve. Anything that may be larger is allocated with
/// `try_reserve`.
const LARGEST: usize = 64 << 10;

/// The alignment of the reserve, and so the greatest alignment of a block in it.
const ALIGNMENT: usize = 4096;

/// There is memory again once the system can provide a block of this size.
const ENOUGH: usize = 256 << 10;

type Map = Granules<{ SIZE / GRANULE / u64::BITS as usize }>;

#[repr(C, align(4096))]
struct Region(UnsafeCell<[u8; SIZE]>);

/// An allocator, and a reserve for when its memory runs out.
pub(super) struct Reserved<S> {
    system: S,
    region: Region,
    map: Mutex<Map>,
    /// Whether memory is short: the reserve has been used, or an allocation elsewhere has failed.
    short: AtomicBool,
}

// SAFETY: the region's bytes are only used as blocks, and each block belongs to whoever allocated
// it.
unsafe impl<S: Sync> Sync for Reserved<S> {}

impl<S> Reserved<S> {
    pub(super) const fn new(system: S) -> Self {
        Reserved {
            system,
            region: Region(UnsafeCell::new([0; SIZE])),
            map: Mutex::new(Map::new()),
            short: AtomicBool::new(false),
        }
    }

    /// Whether a block belongs to the reserve.
    #[inline]
    fn holds(&self, block: *mut u8) -> bool {
        block.addr().wrapping_sub(self.region.0.get().addr()) < SIZE
    }

    /// Locks the map. Nothing in here panics while it is locked.
    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first granule of a block of the reserve.
    fn granule(&self, block: *mut u8) -> usize {
        (block.addr() - self.region.0.get().addr()) / GRANULE
    }

    /// Takes a block from the reserve. Null if there is none.
    #[cold]
    fn take(&self, layout: Layout) -> *mut u8 {
        self.short.store(true, Ordering::Relaxed);
        if layout.size() > LARGEST || layout.align() > ALIGNMENT {
            return ptr::null_mut();
        }
        let step = layout.align().div_ceil(GRANULE);
        match self.map().take(granules(layout.size()), step) {
            Some(first) => self.region.0.get().cast::<u8>().wrapping_add(first * GRANULE),
            None => ptr::null_mut(),
        }
    }

    /// Takes a block from the reserve and copies another block into it, which stays allocated.
    ///
    /// # Safety
    /// `block` must have `layout.size()` bytes.
    #[cold]
    unsafe fn take_copy(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let copy = self.take(with_size(layout, size));
        if !copy.is_null() {
            // SAFETY: both blocks have at least this many bytes, and they cannot overlap because
            // both are allocated.
            unsafe { ptr::copy_nonoverlapping(block, copy, layout.size().min(size)) };
        }
        copy
    }

    #[cold]
    fn give(&self, block: *mut u8, layout: Layout) {
        self.map().give(self.granule(block), granules(layout.size()));
    }

    /// Records that memory is short, on behalf of an interpreter with an allocator of its own.
    pub(super) fn is_short(&self) {
        self.short.store(true, Ordering::Relaxed);
    }
}

impl<S: GlobalAlloc> Reserved<S> {
    /// Whether there is memory, as far as we know.
    #[inline]
    pub(super) fn has_memory(&self) -> bool {
        !self.short.load(Ordering::Relaxed) || self.has_memory_again()
    }

    /// Whether more than half of the reserve is in use.
    #[inline]
    pub(super) fn is_used_up(&self) -> bool {
        self.short.load(Ordering::Relaxed) && self.half_is_used()
    }

    #[cold]
    fn half_is_used(&self) -> bool {
        self.map().count() > Map::ALL / 2
    }

    /// Whether at least half of the reserve is free, and the system has memory.
    #[cold]
    fn has_memory_again(&self) -> bool {
        // Some blocks in the reserve may stay for good. That does no harm as long as they are few.
        if self.half_is_used() {
            return false;
        }
        // SAFETY: the layout is not empty. The block is only freed, never used.
        let given = unsafe {
            let layout = Layout::new::<[u8; ENOUGH]>();
            let block = black_box(self.system.alloc(layout));
            if !block.is_null() {
                self.system.dealloc(block, layout);
            }
            !block.is_null()
        };
        if given {
            self.short.store(false, Ordering::Relaxed);
        }
        given
    }

    /// Changes the size of a block of the reserve, and moves it to the system if possible.
    ///
    /// # Safety
    /// As for `realloc`.
    #[cold]
    unsafe fn resize(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let wanted = with_size(layout, size);
        // SAFETY: the caller guarantees that the new size is not 0.
        let moved = unsafe { self.system.alloc(wanted) };
        if !moved.is_null() {
            // SAFETY: both blocks have at least this many bytes, and they belong to different
            // allocators.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size().min(size)) };
            self.give(block, layout);
            return moved;
        }
        let (has, wants) = (granules(layout.size()), granules(size));
        if wants <= has {
            self.map().give(self.granule(block) + wants, has - wants);
            return block;
        }
        // SAFETY: the caller guarantees that the block has this layout.
        let moved = unsafe { self.take_copy(block, layout, size) };
        if !moved.is_null() {
            self.give(block, layout);
        }
        moved
    }
}

// SAFETY: a block comes from the system, or consists of granules that no other block uses, with the
// right size and alignment. Nothing here unwinds.
unsafe impl<S: GlobalAlloc> GlobalAlloc for Reserved<S> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to the contract of `alloc`.
        let block = unsafe { self.system.alloc(layout) };
        counted(if block.is_null() { self.take(layout) } else { block }, layout.size() as isize)
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to the contract of `alloc_zeroed`.
        let block = unsafe { self.system.alloc_zeroed(layout) };
        if !block.is_null() {
            return counted(block, layout.size() as isize);
        }
        let block = self.take(layout);
        if !block.is_null() {
            // SAFETY: `block` is new and has this many bytes.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        counted(block, layout.size() as isize)
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        account::count(-(layout.size() as isize));
        if self.holds(block) {
            return self.give(block, layout);
        }
        // SAFETY: the caller keeps to the contract of `dealloc`. A block outside the reserve is the
        // system's.
        unsafe { self.system.dealloc(block, layout) };
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps to the contract of `realloc`. A block outside the reserve is the
        // system's, and is still allocated after the system failed to resize it.
        unsafe {
            let more = size as isize - layout.size() as isize;
            if self.holds(block) {
                return counted(self.resize(block, layout, size), more);
            }
            let moved = self.system.realloc(block, layout, size);
            if !moved.is_null() {
                return counted(moved, more);
            }
            let moved = self.take_copy(block, layout, size);
            if !moved.is_null() {
                self.system.dealloc(block, layout);
            }
            counted(moved, more)
        }
    }
}

/// Counts `more` bytes if the allocation succeeded, and returns the block.
#[inline]
fn counted(block: *mut u8, more: isize) -> *mut u8 {
    if !block.is_null() {
        account::count(more);
    }
    block
}

fn granules(size: usize) -> usize {
    size.div_ceil(GRANULE).max(1)
}

/// # Panics
/// Never: the caller of `realloc` guarantees a valid layout.
fn with_size(layout: Layout, size: usize) -> Layout {
    Layout::from_size_align(size, layout.align()).unwrap_or(layout)
}

#[cfg(test)]
mod tests;
