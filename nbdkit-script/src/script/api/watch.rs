//! The most common mistake with several interpreters: a disk in a buffer, of which each interpreter
//! has its own. What one client writes there another one does not read.
//!
//! It shows in a `pwrite` that writes into a buffer which was there before it, and does nothing
//! that other interpreters could see. The first writes are looked at, until there is such a one.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::host;

/// How many writes are looked at. After them, what is left is to see that nobody is looking.
const MOST_WRITES: u32 = 1000;

static WATCHING: AtomicBool = AtomicBool::new(false);

/// How many writes have been looked at.
static WRITES: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static NOW: Cell<Write> = const { Cell::new(NO_WRITE) };
}

/// The write that this thread is about.
#[derive(Clone, Copy)]
struct Write {
    /// From 1 on; 0 for none.
    number: u32,
    /// Whether it has written into a buffer that was there before.
    to_own: bool,
    /// Whether it has written where all interpreters see it.
    to_all: bool,
}

const NO_WRITE: Write = Write { number: 0, to_own: false, to_all: false };

/// Which write a buffer was made in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MadeIn(u32);

impl MadeIn {
    /// What a buffer has that is made now.
    #[inline]
    pub fn now() -> Self {
        if is_watching() { MadeIn(NOW.get().number) } else { MadeIn(0) }
    }
}

#[inline]
fn is_watching() -> bool {
    WATCHING.load(Ordering::Relaxed)
}

/// There are several interpreters.
pub(crate) fn begin() {
    WATCHING.store(true, Ordering::Relaxed);
}

/// A buffer of a script's own is written to.
#[inline]
pub(super) fn written(made: MadeIn) {
    if is_watching() {
        note(Some(made));
    }
}

/// Something is done that all interpreters see.
#[inline]
pub(super) fn shared() {
    if is_watching() {
        note(None);
    }
}

/// What this write has written to: a buffer, or what all interpreters see.
#[cold]
#[inline(never)]
fn note(buffer: Option<MadeIn>) {
    let mut write = NOW.get();
    match buffer {
        Some(made) => write.to_own |= write.number != made.0,
        None => write.to_all = true,
    }
    NOW.set(write);
}

/// A write begins. Whether it is looked at, and is to be ended by [`end_write`].
#[inline]
pub(crate) fn begin_write() -> bool {
    is_watching() && begin_watched()
}

#[cold]
fn begin_watched() -> bool {
    let number = WRITES.fetch_add(1, Ordering::Relaxed) + 1;
    if number > MOST_WRITES {
        WATCHING.store(false, Ordering::Relaxed);
        return false;
    }
    NOW.set(Write { number, ..NO_WRITE });
    true
}

/// A write ends that is looked at.
#[cold]
pub(crate) fn end_write(pwrite: &str, shared_disk: &str, has_succeeded: bool) {
    let write = NOW.replace(NO_WRITE);
    let is_mistake = has_succeeded && write.to_own && !write.to_all;
    if is_mistake && WATCHING.swap(false, Ordering::Relaxed) {
        host::error(&format!(
            "warning: {pwrite} has written into a buffer that one interpreter of several has, and \
             the others do not see it: expected {shared_disk}, which is the same for all of them"
        ));
    }
}
