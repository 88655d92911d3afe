//! Remembers what a file cannot do, so that we ask only once.

use std::sync::atomic::{AtomicU8, Ordering};

use rustix::io::Errno;

bitflags::bitflags! {
    /// What some file systems and devices cannot do.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Ability: u8 {
        /// `fallocate` with `FALLOC_FL_PUNCH_HOLE`.
        const PUNCH = 1 << 0;
        /// `fallocate` with `FALLOC_FL_ZERO_RANGE`.
        const ZERO_RANGE = 1 << 1;
        /// `fallocate` without flags.
        const ALLOCATE = 1 << 2;
        /// The ioctl `BLKZEROOUT`.
        const ZERO_OUT = 1 << 3;
        /// The ioctl `BLKDISCARD`.
        const DISCARD = 1 << 4;
        /// `lseek` with `SEEK_DATA` and `SEEK_HOLE`.
        const SEEK = 1 << 5;
    }
}

/// What one file can do, for all threads that use it. An ability is present until it fails.
#[derive(Debug)]
pub(super) struct Abilities(AtomicU8);

impl Abilities {
    pub(super) fn new(there: Ability) -> Self {
        Abilities(AtomicU8::new(there.bits()))
    }

    pub(super) fn has(&self, ability: Ability) -> bool {
        Ability::from_bits_truncate(self.0.load(Ordering::Relaxed)).contains(ability)
    }

    fn lose(&self, ability: Ability) {
        self.0.fetch_and(!ability.bits(), Ordering::Relaxed);
    }

    /// Tries something that needs an ability, again after each interruption.
    ///
    /// Returns false if the ability is missing, or turns out to be.
    ///
    /// # Errors
    /// Those of `act`, except that it is not supported.
    pub(super) fn attempt(
        &self,
        ability: Ability,
        act: impl FnMut() -> rustix::io::Result<()>,
    ) -> rustix::io::Result<bool> {
        if !self.has(ability) {
            return Ok(false);
        }
        match rustix::io::retry_on_intr(act) {
            Ok(()) => Ok(true),
            Err(errno) if is_unsupported(errno) => {
                self.lose(ability);
                Ok(false)
            }
            Err(errno) => Err(errno),
        }
    }

    /// Remembers that [`Ability::SEEK`] is missing.
    pub(super) fn cannot_seek(&self) {
        self.lose(Ability::SEEK);
    }
}

/// A file system returns the first. The others come from block devices before Linux 4.9, from
/// devices without the ioctl, and from systems that lack or block the system call.
fn is_unsupported(errno: Errno) -> bool {
    [Errno::OPNOTSUPP, Errno::NOTSUP, Errno::NODEV, Errno::NOTTY, Errno::NOSYS].contains(&errno)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_once_is_not_asked_for_again() {
        let abilities = Abilities::new(Ability::all());
        for errno in [Errno::OPNOTSUPP, Errno::NODEV, Errno::NOTTY, Errno::NOSYS] {
            let abilities = Abilities::new(Ability::PUNCH | Ability::SEEK);
            assert_eq!(abilities.attempt(Ability::PUNCH, || Err(errno)), Ok(false));
            assert_eq!(abilities.attempt(Ability::PUNCH, || unreachable!()), Ok(false));
            assert!(abilities.has(Ability::SEEK));
        }
        let mut interruptions = 3;
        let attempted = abilities.attempt(Ability::ZERO_RANGE, || {
            interruptions -= 1;
            if interruptions > 0 { Err(Errno::INTR) } else { Ok(()) }
        });
        assert_eq!((attempted, interruptions), (Ok(true), 0));
        assert_eq!(abilities.attempt(Ability::PUNCH, || Err(Errno::IO)), Err(Errno::IO));
        assert!(abilities.has(Ability::all()));
    }
}
