//! What each interpreter has taken of Rust's memory: for a language in Rust that does not count.
//!
//! A thread's allocations go on the account of the interpreter that it has entered last. Only one
//! thread at a time is in an interpreter, and what one request has taken is freed before the same
//! thread enters another. So nothing is left on an account but what its interpreter keeps.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};

use super::none_for;
use crate::error::Result;

/// Whether there is any account. Without one, to allocate is no more work than this question.
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
    /// One for an interpreter that may have so many bytes. It stays until the process ends, for
    /// threads may have it; `None` without a limit.
    pub fn new(limit: Option<usize>) -> Option<&'static Account> {
        let limit = isize::try_from(limit?).unwrap_or(isize::MAX);
        ANY.store(true, Ordering::Relaxed);
        Some(Box::leak(Box::new(Account { taken: AtomicIsize::new(0), limit })))
    }

    /// From now on, what this thread allocates and frees goes on this account. Called before each
    /// call into the interpreter.
    pub fn enter(&'static self) {
        let _ = ENTERED.try_with(|entered| entered.set(Some(self)));
    }

    /// Whether the interpreter keeps to its limit.
    ///
    /// # Errors
    /// `ENOMEM` if it does not.
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

// Not in line: a thread that is not asked for has no thread locals, see `host/thread.rs`.
#[cold]
#[inline(never)]
fn count_for_thread(bytes: isize) {
    // A thread that is ending has no thread locals any more.
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
    fn what_is_kept_is_on_the_account_and_what_is_freed_is_not() {
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
