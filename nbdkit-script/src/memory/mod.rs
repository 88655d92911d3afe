//! What happens when there is no memory: one request fails, with `ENOMEM`, and the server goes on.
//!
//! Rust ends the process where it gets no memory for anything that is not asked for by
//! `try_reserve`: each text of an error, each argument in a list. So a plugin's allocator has a
//! *reserve* for small blocks, which is touched when the system has none. From then on all that
//! would keep memory is refused, until the system has some again: [`check`]. What may be large is
//! asked for by `try_reserve`.
//!
//! The allocator is that of every plugin, by the feature `reserve` of this crate, which is on by
//! default. A plugin with an allocator of its own switches it off, and goes without a reserve then.
//!
//! Rust's is not the only memory. When a callback has failed for lack of it, nbdkit gets some room
//! that was kept free until then, so that the next client can have its thread.

mod account;
mod allocator;
mod granules;
mod margin;

pub use account::Account;
pub(crate) use margin::{Kept, is_lent};

use std::alloc::System;
use std::cell::Cell;
use std::fmt::Display;
use std::hint::black_box;

use crate::error::{Error, Result};

#[cfg_attr(feature = "reserve", global_allocator)]
static ALLOCATOR: allocator::Reserved<System> = allocator::Reserved::new(System);

/// The message when memory runs out, alone or after what the memory was for. It is Lua's own text.
pub const MESSAGE: &str = "not enough memory";

/// What is worth a question, in bytes: to ask takes as long as to take them.
const LARGE: usize = 256 << 10;

/// Whether there is memory. For before something is kept, or made that may be large: what is small
/// and soon gone needs no such question.
///
/// May be called from any thread. It costs next to nothing as long as nobody was refused memory.
///
/// # Errors
/// `ENOMEM` from the moment that the system had none, until it has some again.
#[inline]
pub fn check() -> Result<()> {
    if ALLOCATOR.has_memory() { Ok(()) } else { Err(Error::new(libc::ENOMEM, MESSAGE)) }
}

/// Whether a script whose values are Rust's may go on: the reserve is not used up by half. It need
/// not stop before, for it may be about to let go of what it keeps. Asked at each step of an
/// engine.
///
/// # Errors
/// `ENOMEM` if it may not.
#[inline]
pub fn check_reserve() -> Result<()> {
    if ALLOCATOR.is_used_up() { Err(Error::new(libc::ENOMEM, MESSAGE)) } else { Ok(()) }
}

/// Tells that somebody was refused memory who does not ask Rust's allocator for it, as an
/// interpreter. The next [`check`] finds out whether there is some again.
pub fn is_short() {
    ALLOCATOR.is_short();
}

/// The error when there is no memory for something.
#[cold]
pub fn none_for(what: impl Display) -> Error {
    Error::new(libc::ENOMEM, format!("{what}: {MESSAGE}"))
}

/// Makes room for more elements of a list that may be long.
///
/// # Errors
/// `ENOMEM` if there is no memory for them.
pub fn reserve<T>(list: &mut Vec<T>, more: usize, what: &str) -> Result<()> {
    list.try_reserve(more).map_err(|_| none_for(what))
}

/// Puts an element into a list that may become long.
///
/// # Errors
/// Those of [`reserve`].
#[inline]
pub fn push<T>(list: &mut Vec<T>, element: T, what: &str) -> Result<()> {
    if list.len() == list.capacity() {
        reserve(list, 1, what)?;
    }
    list.push(element);
    Ok(())
}

/// Whether there is memory for so many bytes, which somebody else is going to take who would end
/// the process if there is none. It is not asked for what is small.
///
/// # Errors
/// `ENOMEM` if there is none.
pub fn room_for(bytes: usize, what: &str) -> Result<()> {
    if bytes < LARGE {
        return Ok(());
    }
    reserve(black_box(&mut Vec::<u8>::new()), bytes, what)
}

/// Bytes as a list of their own.
///
/// # Errors
/// Those of [`reserve`].
pub fn copied(bytes: &[u8], what: &str) -> Result<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len())
        .map_err(|_| none_for(format_args!("{} bytes of {what}", bytes.len())))?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

thread_local! {
    static OF_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// In a thread that is new to the plugin: the C library takes memory for the plugin's thread locals
/// when the first of them is used, and ends the process where it gets none. So that is now.
pub(crate) fn prepare_thread() {
    let _ = OF_THREAD.try_with(|cell| black_box(cell).set(true));
}

/// Keeps room in the address space for nbdkit, until a callback fails for lack of memory.
pub(crate) fn keep_margin() {
    margin::keep();
}

/// For a callback that is not of a connection: keeps it while that runs, if nbdkit has it
/// otherwise.
pub(crate) fn keep_if_lent() -> Option<Kept> {
    is_lent().then(Kept::new)
}

/// A callback has failed. If memory ran out, nbdkit gets the room that was kept.
#[cold]
pub(crate) fn failed(errno: i32) {
    if errno == libc::ENOMEM {
        is_short();
    }
    if errno == libc::ENOMEM || !ALLOCATOR.has_memory() || margin::is_all_there_is() {
        margin::lend();
    }
}
