//! Warns of the most common mistake with several interpreters: a disk in a buffer. Each interpreter
//! has its own buffer, so one client does not read what another one writes.
//!
//! The sign is a `pwrite` that writes into a buffer which existed before it, and does nothing that
//! other interpreters could see. We watch the first writes until we find one like that.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::host;

/// How many writes we watch. Later ones only check that nobody is watching.
const MOST_WRITES: u32 = 1000;

static WATCHING: AtomicBool = AtomicBool::new(false);

/// How many writes we have watched.
static WRITES: AtomicU32 = AtomicU32::new(0);

thread_local! {
    static NOW: Cell<Write> = const { Cell::new(NO_WRITE) };
}

/// The write that this thread is running.
#[derive(Clone, Copy)]
struct Write {
    /// Counted from 1; 0 for none.
    number: u32,
    /// Whether it wrote into a buffer that existed before it.
    to_own: bool,
    /// Whether it did something that all interpreters see.
    to_all: bool,
}

const NO_WRITE: Write = Write { number: 0, to_own: false, to_all: false };

/// The write in which a buffer was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MadeIn(u32);

impl MadeIn {
    /// The value for a buffer that is made now.
    #[inline]
    pub fn now() -> Self {
        if is_watching() { MadeIn(NOW.get().number) } else { MadeIn(0) }
    }
}

#[inline]
fn is_watching() -> bool {
    WATCHING.load(Ordering::Relaxed)
}

/// Starts to watch. Call this if there are several interpreters.
pub(crate) fn begin() {
    WATCHING.store(true, Ordering::Relaxed);
}

/// Call this when a script's own buffer is written to.
#[inline]
pub(super) fn written(made: MadeIn) {
    if is_watching() {
        note(Some(made));
    }
}

/// Call this for anything that all interpreters see.
#[inline]
pub(super) fn shared() {
    if is_watching() {
        note(None);
    }
}

/// Notes what this write did: it wrote into a buffer or, for `None`, where all interpreters see it.
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

/// Begins a write. Returns true if we watch it, and it must end with [`end_write`].
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

/// Ends a write that we watch, and warns if it is the mistake.
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
