//! Room in the process's address space that is kept free while a plugin's code runs, for what
//! nobody can take from the reserve: the stack of a new client's thread, and nbdkit's own memory.
//!
//! It is there from the start. When a callback has failed for lack of memory, nbdkit may use it
//! between the callbacks, until there is memory again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::system::AddressSpace;

/// It is kept in pieces, 32 MiB in all, so that little is lost where the whole cannot be had any
/// more. The stack of a thread is usually 8 MiB.
const PIECES: [usize; 9] =
    [16 << 20, 8 << 20, 4 << 20, 2 << 20, 1 << 20, 512 << 10, 256 << 10, 128 << 10, 64 << 10];

/// If there is so much besides the margin, in bytes, there is memory again.
const ENOUGH: usize = 16 << 20;

static STATE: Mutex<State> =
    Mutex::new(State { pieces: [const { None }; PIECES.len()], running: 0, wanted: false });

/// Whether nbdkit has it when no callback is running. It changes while the state is locked.
static LENT: AtomicBool = AtomicBool::new(false);

struct State {
    pieces: [Option<AddressSpace>; PIECES.len()],
    /// How many callbacks are running that it is to be kept from.
    running: usize,
    /// Whether the plugin has one at all.
    wanted: bool,
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// As much as there is, in pieces of at least this size.
    fn keep(&mut self, least: usize) {
        if !self.wanted {
            return;
        }
        for (piece, size) in self.pieces.iter_mut().zip(PIECES) {
            if piece.is_none() && size >= least {
                *piece = AddressSpace::take(size);
            }
        }
    }

    /// Leaves it to nbdkit, when no callback is running that it is to be kept from.
    fn let_go(&mut self) {
        if is_lent() && self.running == 0 {
            self.pieces = [const { None }; PIECES.len()];
        }
    }

    fn is_whole(&self) -> bool {
        self.pieces.iter().all(Option::is_some)
    }
}

/// Whether it is nbdkit's between callbacks. Then each of them has to be run with a [`Kept`].
#[inline]
pub(crate) fn is_lent() -> bool {
    LENT.load(Ordering::Relaxed)
}

/// Keeps it from now on.
pub(super) fn keep() {
    let mut state = state();
    state.wanted = true;
    state.keep(0);
}

/// Whether there is hardly anything besides it: a script may have taken all the addresses, and then
/// failed with an error of its own.
pub(super) fn is_all_there_is() -> bool {
    state().wanted && AddressSpace::take(ENOUGH).is_none()
}

/// Leaves it to nbdkit between callbacks, until there is memory again.
pub(super) fn lend() {
    let mut state = state();
    LENT.store(true, Ordering::Relaxed);
    state.let_go();
}

/// While there is one, the script that is running does not get the last of the address space, which
/// is nbdkit's.
#[must_use]
pub(crate) struct Kept(());

impl Kept {
    /// All of it.
    pub(crate) fn new() -> Self {
        Self::in_pieces_of(0)
    }

    /// All but a MiB, for a callback that a new client cannot do without: the script may have taken
    /// all else.
    pub(crate) fn most() -> Self {
        Self::in_pieces_of(1 << 20)
    }

    fn in_pieces_of(least: usize) -> Self {
        let mut state = state();
        state.running += 1;
        state.keep(least);
        Kept(())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let mut state = state();
        state.running -= 1;
        if is_lent() && state.is_whole() && AddressSpace::take(ENOUGH).is_some() {
            LENT.store(false, Ordering::Relaxed);
        }
        state.let_go();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_lent_until_there_is_memory_again() {
        keep();
        assert!(!is_lent() && state().is_whole());
        let kept = Kept::new();
        lend();
        // Not while a callback runs that it is kept from.
        assert!(is_lent() && state().is_whole());
        drop(kept);
        assert!(!is_lent(), "there is memory");
        lend();
        assert!(is_lent() && !state().is_whole());
        drop(Kept::most());
        assert!(is_lent(), "the smallest pieces were not asked for");
        drop(Kept::new());
        assert!(!is_lent() && state().is_whole());
    }
}
