//! The calls of an instance, as the watcher sees them.

#[cfg(all(test, loom))]
use loom::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
#[cfg(not(all(test, loom)))]
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use crate::host::Caller;
use crate::interrupt::Call;

/// Counts the calls of an instance, and knows for whom the latest one runs. Only the holder of the
/// instance's lock writes this; other threads may read it.
pub(super) struct Calls {
    number: AtomicUsize,
    client: AtomicI32,
}

impl Calls {
    pub(super) fn new() -> Self {
        let client = AtomicI32::new(Caller::UNKNOWN.number());
        Calls { number: AtomicUsize::new(0), client }
    }

    /// A call begins. Only for the holder of the lock.
    #[inline]
    pub(super) fn begin(&self, client: Caller) {
        let number = self.number.load(Ordering::Relaxed).wrapping_add(1);
        self.number.store(number, Ordering::Relaxed);
        // After the number: see `latest`.
        self.client.store(client.number(), Ordering::Release);
    }

    /// The latest call. If its number was seen before, the client is certainly that call's: whoever
    /// sees the client of a later call sees that call's number too.
    pub(super) fn latest(&self) -> Call {
        let client = Caller::from_number(self.client.load(Ordering::Acquire));
        Call { number: self.number.load(Ordering::Relaxed), client }
    }
}

#[cfg(test)]
mod tests {
    #[cfg(loom)]
    use loom::thread;
    #[cfg(not(loom))]
    use std::thread;

    use std::sync::Arc;

    use super::super::pool::model;
    use super::*;

    #[test]
    fn a_call_that_is_seen_again_is_seen_with_its_own_client() {
        model(|| {
            let calls = Arc::new(Calls::new());
            calls.begin(Caller::from_number(1));
            let seen = calls.latest();
            let holder = Arc::clone(&calls);
            let holder = thread::spawn(move || {
                for client in 2..4 {
                    holder.begin(Caller::from_number(client));
                }
            });
            let again = calls.latest();
            if again.number == seen.number {
                assert_eq!(again.client, seen.client);
            }
            holder.join().unwrap();
            assert_eq!(calls.latest().client, Caller::from_number(3));
        });
    }
}
