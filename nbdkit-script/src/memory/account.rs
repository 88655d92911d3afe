//! How much of Rust's memory each interpreter has allocated, for languages in Rust that do not
//! count it themselves.
//!
//! A thread's allocations are charged to the interpreter that it entered last. Only one thread at a
//! time is in an interpreter, and whatever a request allocates temporarily is freed before the
//! thread enters another. So an account is left with just what its interpreter keeps.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

use super::none_for;
use crate::error::Result;

/// Whether there is any account. Without one, this check is all that an allocation costs.
static ANY: AtomicBool = AtomicBool::new(false);

thread_local! {
    static ENTERED: Cell<Option<&'static Account>> = const { Cell::new(None) };
}

/// The memory of one interpreter, and its limit.
#[derive(Debug)]
pub struct Account {
    taken: AtomicIsize,
    limit: isize,
}

impl Account {
    /// An account with a limit in bytes; `None` without a limit. It lives until the process ends,
    /// since threads may refer to it.
    pub fn new(limit: Option<usize>) -> Option<&'static Account> {
        let limit = isize::try_from(limit?).unwrap_or(isize::MAX);
        ANY.store(true, Ordering::Relaxed);
        Some(Box::leak(Box::new(Account { taken: AtomicIsize::new(0), limit })))
    }

    /// Charges whatever this thread allocates and frees from now on to this account. Called before
    /// each call into the interpreter.
    pub fn enter(&'static self) {
        let _ = ENTERED.try_with(|entered| entered.set(Some(self)));
    }

    /// Checks that the interpreter is within its limit.
    ///
    /// # Errors
    /// `ENOMEM` if it is not.
    pub fn check(&self) -> Result<()> {
        if self.taken.load(Ordering::Relaxed) <= self.limit {
            return Ok(());
        }
        Err(none_for(format_args!("memory_limit={}", self.limit)))
    }
}

/// Records this many bytes as allocated, or as freed if negative.
#[inline]
pub(super) fn count(bytes: isize) {
    if ANY.load(Ordering::Relaxed) {
        count_for_thread(bytes);
    }
}

// Not inlined: without an account, this must not create thread locals; see `host/thread.rs`.
#[cold]
#[inline(never)]
fn count_for_thread(bytes: isize) {
    // The thread locals of a thread that is ending are already gone.
    let _ = ENTERED.try_with(|entered| {
        if let Some(account) = entered.get() {
            account.taken.fetch_add(bytes, Ordering::Relaxed);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(feature = "reserve")]
    fn kept_memory_is_on_the_account_and_freed_memory_is_not() {
        assert!(Account::new(None).is_none());
        let account = Account::new(Some(1 << 20)).unwrap();
        std::thread::spawn(move || {
            account.enter();
            for _ in 0..100 {
                drop(vec![1_u8; 100_000]);
            }
            assert!(account.check().is_ok());
            let kept: Vec<_> = (0..11).map(|_| vec![1_u8; 100_000]).collect();
            let error = account.check().unwrap_err();
            assert_eq!(error.errno(), libc::ENOMEM);
            drop(kept);
            assert!(account.check().is_ok());
            let mut grown = Vec::new();
            for number in 0..2_000_000 {
                grown.push(number as u8);
            }
            assert!(account.check().is_err());
            grown.truncate(1);
            grown.shrink_to_fit();
            assert!(account.check().is_ok());
        })
        .join()
        .unwrap();
    }
}
