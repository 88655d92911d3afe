//! The allocator of plugins: the system's, and where that has no memory, the reserve.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::hint::black_box;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::account;
use super::granules::{GRANULE, Granules};

/// How large the reserve is, in bytes. It is part of the plugin's own file, of those that are zero
/// at first: so it is there once the plugin is loaded, nobody else's `malloc` can take it, and the
/// system gives no memory for it before it is touched.
const SIZE: usize = 2 << 20;

/// The largest block that comes from the reserve. What may be larger is asked for by `try_reserve`.
const LARGEST: usize = 64 << 10;

/// What the reserve begins at a multiple of, and so the greatest alignment of a block in it.
const ALIGNMENT: usize = 4096;

/// If the system has a block of this size, there is memory again.
const ENOUGH: usize = 256 << 10;

type Map = Granules<{ SIZE / GRANULE / u64::BITS as usize }>;

#[repr(C, align(4096))]
struct Region(UnsafeCell<[u8; SIZE]>);

/// An allocator, and a reserve for when it has no memory.
pub(super) struct Reserved<S> {
    system: S,
    region: Region,
    map: Mutex<Map>,
    /// Whether memory is short: the reserve has been touched, or somebody else has got no memory.
    short: AtomicBool,
}

// SAFETY: the bytes of the region are only those of blocks, each of which belongs to whoever has
// allocated it.
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

    /// Whether a block is of the reserve.
    #[inline]
    fn holds(&self, block: *mut u8) -> bool {
        block.addr().wrapping_sub(self.region.0.get().addr()) < SIZE
    }

    /// Nothing in here panics while the map is locked.
    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which granule a block of the reserve begins with.
    fn granule(&self, block: *mut u8) -> usize {
        (block.addr() - self.region.0.get().addr()) / GRANULE
    }

    /// A block of the reserve, or null.
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

    /// The same, with what is in another block, which is then still there.
    ///
    /// # Safety
    /// There are `layout.size()` bytes in the other one.
    #[cold]
    unsafe fn take_copy(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let copy = self.take(with_size(layout, size));
        if !copy.is_null() {
            // SAFETY: both have that many bytes, and the new one has not been there before.
            unsafe { ptr::copy_nonoverlapping(block, copy, layout.size().min(size)) };
        }
        copy
    }

    #[cold]
    fn give(&self, block: *mut u8, layout: Layout) {
        self.map().give(self.granule(block), granules(layout.size()));
    }

    /// Makes it known that there is no memory, as of an interpreter with an allocator of its own.
    pub(super) fn is_short(&self) {
        self.short.store(true, Ordering::Relaxed);
    }
}

impl<S: GlobalAlloc> Reserved<S> {
    /// Whether there is memory, as far as is known.
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

    /// Whether the reserve is as good as whole, and the system has memory.
    #[cold]
    fn has_memory_again(&self) -> bool {
        // What is kept for good may be in it. There is no harm in that as long as it is little.
        if self.half_is_used() {
            return false;
        }
        // SAFETY: the layout is not empty. The block is not used but to be freed.
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

    /// Changes the size of a block of the reserve. It leaves the reserve if it can.
    ///
    /// # Safety
    /// As of `realloc`.
    #[cold]
    unsafe fn resize(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let wanted = with_size(layout, size);
        // SAFETY: the caller's: the new size is not 0.
        let moved = unsafe { self.system.alloc(wanted) };
        if !moved.is_null() {
            // SAFETY: both blocks have that many bytes, and belong to different allocators.
            unsafe { ptr::copy_nonoverlapping(block, moved, layout.size().min(size)) };
            self.give(block, layout);
            return moved;
        }
        let (has, wants) = (granules(layout.size()), granules(size));
        if wants <= has {
            self.map().give(self.granule(block) + wants, has - wants);
            return block;
        }
        // SAFETY: the caller's block.
        let moved = unsafe { self.take_copy(block, layout, size) };
        if !moved.is_null() {
            self.give(block, layout);
        }
        moved
    }
}

// SAFETY: a block is the system's, or of granules that nobody else has, which are as many as it
// needs and begin at a multiple of its alignment. Nothing here unwinds.
unsafe impl<S: GlobalAlloc> GlobalAlloc for Reserved<S> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        let block = unsafe { self.system.alloc(layout) };
        counted(if block.is_null() { self.take(layout) } else { block }, layout.size() as isize)
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        let block = unsafe { self.system.alloc_zeroed(layout) };
        if !block.is_null() {
            return counted(block, layout.size() as isize);
        }
        let block = self.take(layout);
        if !block.is_null() {
            // SAFETY: a new block of that many bytes.
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
        // SAFETY: the caller's; it is not of the reserve, so it is the system's.
        unsafe { self.system.dealloc(block, layout) };
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller's; what is not of the reserve is the system's. A block that the system
        // could not make larger is still there.
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

/// Notes how many bytes more there are, if there is a block.
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
/// Never fails: the caller of `realloc` guarantees a valid layout.
fn with_size(layout: Layout, size: usize) -> Layout {
    Layout::from_size_align(size, layout.align()).unwrap_or(layout)
}

#[cfg(test)]
mod tests {
    use std::alloc::System;
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// A system that has no memory when it is told so.
    struct Failing(AtomicBool);

    impl Failing {
        const fn new() -> Self {
            Failing(AtomicBool::new(false))
        }
    }

    // SAFETY: the system's own answers, or null.
    unsafe impl GlobalAlloc for Failing {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if self.0.load(Ordering::Relaxed) {
                return ptr::null_mut();
            }
            // SAFETY: the caller's.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: the caller's.
            unsafe { System.dealloc(block, layout) };
        }
    }

    /// Each test has one of its own.
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

        /// A block that is filled with a byte; null if there is none.
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
            // SAFETY: the tests free what they have allocated so, once.
            unsafe { self.0.dealloc(block, layout) };
        }

        fn resized(self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // SAFETY: the tests resize what they have allocated so, and use the new block.
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
    fn errors_that_are_made_and_dropped_never_use_it_up() {
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
    fn large_blocks_do_not_come_from_it() {
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
    fn zeroed_blocks_are_zero_where_another_was() {
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
        // What is kept for good does not matter as long as it is little.
        assert!(!used.filled(layout(100), 0).is_null());
        assert!(!used.0.has_memory());
        used.fails(false);
        assert!(used.0.has_memory());
        used.0.is_short();
        assert!(used.0.has_memory());
        used.fails(true);
        assert!(used.0.has_memory(), "nobody has been refused memory since");
        used.0.is_short();
        assert!(!used.0.has_memory());
    }

    #[test]
    fn threads_have_blocks_of_their_own() {
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
