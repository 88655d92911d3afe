//! A lock on a whole file, which the process has as often as it likes.
//!
//! The locks are those of open file descriptions (`F_OFD_SETLK`). Those of flock(2) give up what
//! they have before they become exclusive, and qemu and fcntl(2) know nothing of them. Those of
//! fcntl(2) belong to the process: the child that nbdkit serves from would not have them, and the
//! first file that is closed would end them for all.
//!
//! But descriptions keep each other out, also those of one process, in which each interpreter opens
//! the file. So one description has the lock for all of them, and it is counted who wants it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::identity::Identity;
use crate::system::{Hold, lock_file};

/// What this process has locked.
static LOCKED: Mutex<BTreeMap<Identity, Locked>> = Mutex::new(BTreeMap::new());

#[derive(Debug)]
struct Locked {
    /// Has the lock.
    holder: File,
    readers: usize,
    writers: usize,
}

/// One who has a file locked, until this is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    identity: Identity,
    exclusive: bool,
}

impl Lock {
    /// Locks a file, which has to be open for writing if the lock is to be exclusive.
    ///
    /// # Errors
    /// `EAGAIN` if another process has locked it; those of the system.
    pub(super) fn take(file: &File, exclusive: bool) -> io::Result<Lock> {
        let identity = Identity::of(&file.metadata()?);
        let mut all = locked();
        let wanted = if exclusive { Hold::Exclusive } else { Hold::Shared };
        match all.get_mut(&identity) {
            None => {
                let holder = file.try_clone()?;
                lock_file(&holder, wanted)?;
                all.insert(identity, Locked { holder, readers: 0, writers: 0 });
            }
            Some(there) if exclusive && there.writers == 0 => there.become_exclusive(file)?,
            Some(_) => {}
        }
        if let Some(there) = all.get_mut(&identity) {
            *there.count(exclusive) += 1;
        }
        Ok(Lock { identity, exclusive })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut all = locked();
        let Some(there) = all.get_mut(&self.identity) else { return };
        *there.count(self.exclusive) -= 1;
        // There is nobody to tell that it failed, and nothing to be done about it.
        let _ = match (there.writers, there.readers) {
            (0, 0) => {
                // Not by closing it: who opened the file may have the description still.
                let unlocked = lock_file(&there.holder, Hold::None);
                all.remove(&self.identity);
                unlocked
            }
            (0, _) => lock_file(&there.holder, Hold::Shared),
            _ => Ok(()),
        };
    }
}

impl Locked {
    fn count(&mut self, exclusive: bool) -> &mut usize {
        if exclusive { &mut self.writers } else { &mut self.readers }
    }

    /// The description that has the shared lock may be one that only reads, which cannot have the
    /// other. So it is handed over, and shared all the while.
    fn become_exclusive(&mut self, file: &File) -> io::Result<()> {
        let holder = file.try_clone()?;
        lock_file(&holder, Hold::Shared)?;
        lock_file(&self.holder, Hold::None)?;
        self.holder = holder;
        lock_file(&self.holder, Hold::Exclusive)
    }
}

fn locked() -> MutexGuard<'static, BTreeMap<Identity, Locked>> {
    LOCKED.lock().unwrap_or_else(PoisonError::into_inner)
}
