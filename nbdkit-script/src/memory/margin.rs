//! A margin: address space kept free while a plugin's code runs, for what the reserve cannot
//! provide: the stack of a new client's thread, and nbdkit's own memory.
//!
//! We set it aside from the start. Once a callback has failed for lack of memory, nbdkit may use it
//! between callbacks, until there is memory again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::system::AddressSpace;

/// The margin consists of pieces, 32 MiB in all, so that little is lost if there is no longer room
/// for the whole. A thread's stack usually takes 8 MiB.
const PIECES: [usize; 9] =
    [16 << 20, 8 << 20, 4 << 20, 2 << 20, 1 << 20, 512 << 10, 256 << 10, 128 << 10, 64 << 10];

/// There is memory again once this many bytes of address space are free besides the margin.
const ENOUGH: usize = 16 << 20;

static STATE: Mutex<State> =
    Mutex::new(State { pieces: [const { None }; PIECES.len()], running: 0, wanted: false });

/// Whether the margin is nbdkit's while no callback is running. Only changes while the state is
/// locked.
static LENT: AtomicBool = AtomicBool::new(false);

struct State {
    pieces: [Option<AddressSpace>; PIECES.len()],
    /// How many running callbacks must not use the margin.
    running: usize,
    /// Whether the plugin wants a margin at all.
    wanted: bool,
}

fn state() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// Takes as many pieces of at least this size as possible.
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

    /// Leaves the margin to nbdkit, unless a callback is running that must not use it.
    fn let_go(&mut self) {
        if is_lent() && self.running == 0 {
            self.pieces = [const { None }; PIECES.len()];
        }
    }

    fn is_whole(&self) -> bool {
        self.pieces.iter().all(Option::is_some)
    }
}

/// Whether the margin is nbdkit's between callbacks. If so, each callback has to run with a
/// [`Kept`].
#[inline]
pub(crate) fn is_lent() -> bool {
    LENT.load(Ordering::Relaxed)
}

/// Keeps a margin from now on.
pub(super) fn keep() {
    let mut state = state();
    state.wanted = true;
    state.keep(0);
}

/// Whether hardly any address space is left besides the margin: a script may have taken it all, and
/// then failed with an error of its own.
pub(super) fn is_all_there_is() -> bool {
    state().wanted && AddressSpace::take(ENOUGH).is_none()
}

/// Leaves the margin to nbdkit between callbacks, until there is memory again.
pub(super) fn lend() {
    let mut state = state();
    LENT.store(true, Ordering::Relaxed);
    state.let_go();
}

/// While this exists, the running script cannot take the last of the address space, which is
/// nbdkit's.
#[must_use]
pub(crate) struct Kept(());

impl Kept {
    /// Keeps all of the margin.
    pub(crate) fn new() -> Self {
        Self::in_pieces_of(0)
    }

    /// Keeps the margin except for 1 MiB, for a callback that a new client needs, because the
    /// script may have taken all the rest.
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
    fn the_margin_is_lent_until_there_is_memory_again() {
        keep();
        assert!(!is_lent() && state().is_whole());
        let kept = Kept::new();
        lend();
        // Not while a callback is running that must not use it.
        assert!(is_lent() && state().is_whole());
        drop(kept);
        assert!(!is_lent(), "there is memory");
        lend();
        assert!(is_lent() && !state().is_whole());
        drop(Kept::most());
        assert!(is_lent(), "the smallest pieces were not taken");
        drop(Kept::new());
        assert!(!is_lent() && state().is_whole());
    }
}
