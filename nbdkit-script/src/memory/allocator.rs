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
mod tests {
    use std::alloc::System;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// A system whose allocations fail on demand.
    struct Failing(AtomicBool);

    impl Failing {
        const fn new() -> Self {
            Failing(AtomicBool::new(false))
        }
    }

    // SAFETY: returns the system's own blocks, or null.
    unsafe impl GlobalAlloc for Failing {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if self.0.load(Ordering::Relaxed) {
                return ptr::null_mut();
            }
            // SAFETY: the caller keeps to the contract of `alloc`.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: the caller keeps to the contract of `dealloc`.
            unsafe { System.dealloc(block, layout) };
        }
    }

    /// Each test has its own reserve.
    macro_rules! reserved {
        ($name:ident) => {
            static RESERVED: Reserved<Failing> = Reserved::new(Failing::new());
            let $name = Used(&RESERVED);
        };
    }

    #[derive(Clone, Copy)]
    struct Used(&'static Reserved<Failing>);

    impl Used {
        fn fails(self, fails: bool) {
            self.0.system.0.store(fails, Ordering::Relaxed);
        }

        /// Allocates a block and fills it with a byte. Null if the allocation fails.
        fn filled(self, layout: Layout, byte: u8) -> *mut u8 {
            // SAFETY: no layout here is empty.
            unsafe {
                let block = self.0.alloc(layout);
                if !block.is_null() {
                    block.write_bytes(byte, layout.size());
                }
                block
            }
        }

        fn free(self, block: *mut u8, layout: Layout) {
            // SAFETY: the tests free each block once, with the layout it was allocated with.
            unsafe { self.0.dealloc(block, layout) };
        }

        fn resized(self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // SAFETY: the tests pass the layout that the block was allocated with, and then use
            // only the new block.
            unsafe { self.0.realloc(block, layout, size) }
        }
    }

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 8).unwrap()
    }

    fn is_full_of(block: *mut u8, size: usize, byte: u8) -> bool {
        // SAFETY: the tests pass a block and its size.
        unsafe { std::slice::from_raw_parts(block, size) }.iter().all(|each| *each == byte)
    }

    #[test]
    fn small_blocks_come_from_the_reserve_until_it_is_used_up() {
        reserved!(used);
        used.fails(true);
        let blocks: Vec<_> = std::iter::from_fn(|| {
            let block = used.filled(layout(1000), 7);
            (!block.is_null()).then_some(block)
        })
        .collect();
        assert_eq!(blocks.len(), SIZE / 1024);
        assert!(blocks.iter().all(|block| used.0.holds(*block)));
        assert!(blocks.iter().all(|block| is_full_of(*block, 1000, 7)));
        blocks.into_iter().for_each(|block| used.free(block, layout(1000)));
        assert_eq!(used.0.map().count(), 0);
        let large = used.filled(layout(LARGEST), 1);
        assert!(used.0.holds(large));
        used.free(large, layout(LARGEST));
    }

    #[test]
    fn errors_that_are_made_and_dropped_never_use_up_the_reserve() {
        reserved!(used);
        used.fails(true);
        let kept = used.filled(layout(100), 1);
        for round in 0..20_000_usize {
            let size = 1 + round * 37 % 5000;
            let (one, other) = (used.filled(layout(size), 2), used.filled(layout(size / 2 + 1), 3));
            assert!(!one.is_null() && !other.is_null(), "round {round}");
            used.free(one, layout(size));
            used.free(other, layout(size / 2 + 1));
        }
        assert!(is_full_of(kept, 100, 1));
    }

    #[test]
    fn large_blocks_do_not_come_from_the_reserve() {
        reserved!(used);
        used.fails(true);
        assert!(used.filled(layout(LARGEST + 1), 0).is_null());
        assert!(!used.0.has_memory());
    }

    #[test]
    fn blocks_are_aligned() {
        reserved!(used);
        used.fails(true);
        for align in [1, 16, 128, 4096] {
            let layout = Layout::from_size_align(100, align).unwrap();
            let block = used.filled(layout, 1);
            assert!(used.0.holds(block));
            assert_eq!(block.addr() % align, 0);
        }
        assert!(used.filled(Layout::from_size_align(100, 8192).unwrap(), 1).is_null());
    }

    #[test]
    fn a_zeroed_block_is_zero_where_another_was() {
        reserved!(used);
        used.fails(true);
        let before = used.filled(layout(64), 9);
        used.free(before, layout(64));
        // SAFETY: the layout is not empty.
        let zeroed = unsafe { used.0.alloc_zeroed(layout(64)) };
        assert_eq!(zeroed, before);
        assert!(is_full_of(zeroed, 64, 0));
    }

    #[test]
    fn a_block_that_grows_goes_into_the_reserve_and_out_of_it() {
        reserved!(used);
        let block = used.filled(layout(100), 5);
        assert!(!used.0.holds(block));
        used.fails(true);
        let block = used.resized(block, layout(100), 3000);
        assert!(used.0.holds(block) && is_full_of(block, 100, 5));
        let block = used.resized(block, layout(3000), 9000);
        assert!(used.0.holds(block) && is_full_of(block, 100, 5));
        assert_eq!(used.0.map().count(), granules(9000));
        let same = used.resized(block, layout(9000), 200);
        assert_eq!(same, block);
        assert_eq!(used.0.map().count(), granules(200));
        assert!(used.resized(block, layout(200), LARGEST + 1).is_null());
        assert!(is_full_of(block, 100, 5));
        used.fails(false);
        let block = used.resized(block, layout(200), 100_000);
        assert!(!used.0.holds(block) && is_full_of(block, 100, 5));
        assert_eq!(used.0.map().count(), 0);
        used.free(block, layout(100_000));
    }

    #[test]
    fn there_is_memory_again_when_the_system_has_some() {
        reserved!(used);
        assert!(used.0.has_memory());
        used.fails(true);
        // A few blocks that stay for good do not matter.
        assert!(!used.filled(layout(100), 0).is_null());
        assert!(!used.0.has_memory());
        used.fails(false);
        assert!(used.0.has_memory());
        used.0.is_short();
        assert!(used.0.has_memory());
        used.fails(true);
        assert!(used.0.has_memory(), "no allocation has failed since");
        used.0.is_short();
        assert!(!used.0.has_memory());
    }

    #[test]
    fn threads_do_not_share_blocks() {
        reserved!(used);
        used.fails(true);
        let given = &AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 1..=4 {
                scope.spawn(move || {
                    for round in 0..5000_usize {
                        let layout = layout(1 + round * 61 % 3000);
                        let block = used.filled(layout, thread);
                        assert!(is_full_of(block, layout.size(), thread));
                        used.free(block, layout);
                        given.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!((given.load(Ordering::Relaxed), used.0.map().count()), (20_000, 0));
    }
}
