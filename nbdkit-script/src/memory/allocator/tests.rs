//! What the allocator does when the system has no memory.

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
