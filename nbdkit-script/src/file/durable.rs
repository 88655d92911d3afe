//! Whether what was written may still be called durable.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};

/// The errno of the first flush that failed, or 0.
///
/// The system tells of data that it could not write once, and forgets them then: the next flush
/// would succeed without them.
#[derive(Debug, Default)]
pub(super) struct Durable(AtomicI32);

impl Durable {
    /// Remembers what a flush came to, and returns it.
    pub(super) fn note(&self, flushed: io::Result<()>) -> io::Result<()> {
        let Err(error) = flushed else { return Ok(()) };
        let errno = error.raw_os_error().unwrap_or(libc::EIO);
        self.0.store(errno, Ordering::Relaxed);
        Err(error)
    }

    pub(super) fn failed_before(&self) -> Option<io::Error> {
        let errno = self.0.load(Ordering::Relaxed);
        (errno != 0).then(|| io::Error::from_raw_os_error(errno))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flush_that_failed_is_not_forgotten() {
        let durable = Durable::default();
        assert!(durable.note(Ok(())).is_ok());
        assert!(durable.failed_before().is_none());
        assert!(durable.note(Err(io::Error::from_raw_os_error(libc::ENOSPC))).is_err());
        let before = durable.failed_before().and_then(|error| error.raw_os_error());
        assert_eq!(before, Some(libc::ENOSPC));
    }
}
