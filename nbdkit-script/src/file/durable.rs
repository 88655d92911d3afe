//! Whether the data written to a file can still become durable.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::identity::Identity;

/// The files that are open in this process.
static OPEN: Mutex<BTreeMap<Identity, Weak<Durable>>> = Mutex::new(BTreeMap::new());

/// The errno of the first failed flush of an open file, or 0. All its openings share one of these.
///
/// The system reports data that it could not write only once, and then drops it: the next flush
/// succeeds although the data is lost. So does the first flush of anybody who opens the file later,
/// such as another interpreter or a client that reconnects.
#[derive(Debug)]
pub(super) struct Durable {
    identity: Identity,
    errno: AtomicI32,
}

impl Durable {
    /// The state of this file, shared by everybody who has it open.
    pub(super) fn of(identity: Identity) -> Arc<Durable> {
        let mut all = open();
        if let Some(durable) = all.get(&identity).and_then(Weak::upgrade) {
            return durable;
        }
        let durable = Arc::new(Durable { identity, errno: AtomicI32::new(0) });
        all.insert(identity, Arc::downgrade(&durable));
        durable
    }

    /// Records the result of a flush, and returns it.
    pub(super) fn note(&self, flushed: io::Result<()>) -> io::Result<()> {
        let Err(error) = flushed else { return Ok(()) };
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        self.errno.store(errno, Ordering::Relaxed);
        Err(error)
    }

    pub(super) fn failed_before(&self) -> Option<io::Error> {
        let errno = self.errno.load(Ordering::Relaxed);
        (errno != 0).then(|| io::Error::from_raw_os_error(errno))
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        let mut all = open();
        // Somebody may have opened the file again meanwhile.
        if all.get(&self.identity).is_some_and(|durable| durable.strong_count() == 0) {
            all.remove(&self.identity);
        }
    }
}

fn open() -> MutexGuard<'static, BTreeMap<Identity, Weak<Durable>>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_that_failed_is_not_forgotten_while_the_file_is_open() {
        // No file system has this number.
        let identity = Identity::File(u64::MAX, 1);
        let failed = |durable: &Durable| durable.failed_before().and_then(|e| e.raw_os_error());
        let first = Durable::of(identity);
        assert!(first.note(Ok(())).is_ok());
        assert_eq!(failed(&first), None);
        assert!(first.note(Err(io::Error::from_raw_os_error(libc::ENOSPC))).is_err());
        assert_eq!(failed(&first), Some(libc::ENOSPC));

        let second = Durable::of(identity);
        drop(first);
        assert_eq!(failed(&second), Some(libc::ENOSPC));
        assert_eq!(failed(&Durable::of(Identity::File(u64::MAX, 2))), None);

        drop(second);
        assert!(!open().contains_key(&identity));
        assert_eq!(failed(&Durable::of(identity)), None);
    }
}
