//! A lock on a whole file, which this process can take any number of times.
//!
//! We lock open file descriptions (`F_OFD_SETLK`). flock(2) would release a shared lock before it
//! makes it exclusive, and neither qemu nor fcntl(2) would see it. The ordinary locks of fcntl(2)
//! belong to the process: the child that nbdkit serves from would not inherit them, and closing any
//! descriptor of the file would release them all.
//!
//! But descriptions exclude each other even within a process, and each interpreter opens the file
//! itself. So one description holds the lock for all of them, and we count the users.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::identity::Identity;
use crate::system::{Hold, lock_file};

/// The files that this process has locked.
static LOCKED: Mutex<BTreeMap<Identity, Locked>> = Mutex::new(BTreeMap::new());

#[derive(Debug)]
struct Locked {
    /// The description that holds the lock.
    holder: File,
    readers: usize,
    writers: usize,
}

/// One user's share of the lock. Dropping it releases that share.
#[derive(Debug)]
pub(super) struct Lock {
    identity: Identity,
    exclusive: bool,
}

impl Lock {
    /// Locks a file. An exclusive lock needs a file that is open for writing.
    ///
    /// # Errors
    /// `EAGAIN` if another process has locked the file; those of the system.
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
        // If unlocking fails, there is nobody to tell and nothing to do.
        let _ = match (there.writers, there.readers) {
            (0, 0) => {
                // Closing is not enough: whoever opened the file may still have the description
                // open.
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

    /// The holder may be open for reading only, which rules out an exclusive lock. So we move the
    /// lock to `file` first. The file stays locked for sharing throughout.
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
