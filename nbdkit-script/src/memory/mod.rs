//! What happens when memory runs out: one request fails with `ENOMEM`, and the server goes on.
//!
//! Rust aborts the process when an allocation fails that was not made with `try_reserve`, such as
//! the text of an error or an argument in a list. So a plugin's allocator has a *reserve* for small
//! blocks, which it uses when the system has no memory. From then on [`check`] refuses whatever
//! would keep memory, until the system has some again. Anything that may be large is allocated with
//! `try_reserve`.
//!
//! Every plugin gets this allocator from the feature `reserve` of this crate, which is on by
//! default. A plugin with its own allocator turns the feature off, and then has no reserve.
//!
//! Not all memory is Rust's. When a callback has failed for lack of memory, nbdkit gets some
//! address space that we have kept free until then, so that the next client can have its thread.

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

/// The message when memory runs out, alone or after what the memory was for. The words are Lua's.
pub const MESSAGE: &str = "not enough memory";

/// From this size in bytes on, a check is worthwhile: checking takes as long as allocating.
const LARGE: usize = 256 << 10;

/// Checks that there is memory. Call this before you keep something, or make something that may be
/// large. Small, short-lived values need no check.
///
/// May be called from any thread. It costs next to nothing unless an allocation has failed.
///
/// # Errors
/// `ENOMEM` from the moment an allocation failed, until the system has memory again.
#[inline]
pub fn check() -> Result<()> {
    if ALLOCATOR.has_memory() { Ok(()) } else { Err(Error::new(libc::ENOMEM, MESSAGE)) }
}

/// Checks that a script whose values are Rust's may go on: no more than half of the reserve is in
/// use. It need not stop earlier, because it may be about to free what it holds. Called at each
/// step of an engine.
///
/// # Errors
/// `ENOMEM` if it may not.
#[inline]
pub fn check_reserve() -> Result<()> {
    if ALLOCATOR.is_used_up() { Err(Error::new(libc::ENOMEM, MESSAGE)) } else { Ok(()) }
}

/// Records that an allocation outside Rust's allocator has failed, for example in an interpreter.
/// The next [`check`] finds out whether there is memory again.
pub fn is_short() {
    ALLOCATOR.is_short();
}

/// The error when memory for something runs out.
#[cold]
pub fn none_for(what: impl Display) -> Error {
    Error::new(libc::ENOMEM, format!("{what}: {MESSAGE}"))
}

/// Makes room for `more` elements of a list that may be long.
///
/// # Errors
/// `ENOMEM` if there is no memory for them.
pub fn reserve<T>(list: &mut Vec<T>, more: usize, what: &str) -> Result<()> {
    list.try_reserve(more).map_err(|_| none_for(what))
}

/// Appends an element to a list that may become long.
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

/// Checks that there is memory for this many bytes, on behalf of code that would abort the process
/// if its allocation failed. Small amounts are not checked.
///
/// # Errors
/// `ENOMEM` if there is none.
pub fn room_for(bytes: usize, what: &str) -> Result<()> {
    if bytes < LARGE {
        return Ok(());
    }
    reserve(black_box(&mut Vec::<u8>::new()), bytes, what)
}

/// Copies bytes.
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

/// Prepares a thread that is new to the plugin. The C library allocates the plugin's thread locals
/// when a thread first uses one of them, and aborts the process if that fails. So we use one right
/// away.
pub(crate) fn prepare_thread() {
    let _ = OF_THREAD.try_with(|cell| black_box(cell).set(true));
}

/// Keeps address space free for nbdkit, until a callback fails for lack of memory.
pub(crate) fn keep_margin() {
    margin::keep();
}

/// For a callback outside connections: keeps the margin while the callback runs, if it is otherwise
/// nbdkit's.
pub(crate) fn keep_if_lent() -> Option<Kept> {
    is_lent().then(Kept::new)
}

/// Handles a failed callback: if memory ran out, nbdkit gets the margin.
#[cold]
pub(crate) fn failed(errno: i32) {
    if errno == libc::ENOMEM {
        is_short();
    }
    if errno == libc::ENOMEM || !ALLOCATOR.has_memory() || margin::is_all_there_is() {
        margin::lend();
    }
}
