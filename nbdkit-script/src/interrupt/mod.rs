//! How a callback that runs is made to stop: at the end of the server, when its client has gone,
//! and when it takes longer than the user lets it.
//!
//! A request knows nothing of this. A thread beside it, the watcher, looks at the instances now
//! and then, and interrupts from outside what has been running for too long. An engine takes part
//! with an [`Interrupter`], which has it look at an [`Interruption`] in the thread that runs the
//! callback; one that cannot be interrupted has none.

mod limits;
mod watcher;

pub use limits::Limits;
pub(crate) use watcher::Watcher;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::host;

/// Has an engine look at an [`Interruption`] soon, in the thread that runs its callback. It is
/// called from another thread, at any time until the engine is dropped, and again until the
/// callback has ended.
pub type Interrupter = Arc<dyn Fn(Interruption) + Send + Sync>;

/// What instances are doing.
pub(crate) trait Running: Send + Sync + 'static {
    /// The number of the call that an instance is in; `None` if it is in none.
    fn call_of(&self, instance: usize) -> Option<usize>;
}

/// Why a callback is to stop, if it still is.
#[derive(Clone)]
pub struct Interruption {
    running: Weak<dyn Running>,
    instance: usize,
    /// The call that is meant. The one that an engine is in by now may be another.
    call: usize,
    reason: Reason,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Reason {
    /// The server is ending.
    Ending,
    /// The user's limit.
    TimeLimit(Duration),
    /// There is none if the client is still there, which only the callback's own thread can ask.
    IfClientIsGone,
}

impl Interruption {
    /// Asked in the thread that runs the callback. Nothing to do, or the error that the callback is
    /// to fail with. A script that catches it is to fail again, until its callback has ended.
    ///
    /// # Errors
    /// `ESHUTDOWN` or `EIO`, with the reason.
    pub fn check(&self) -> Result<()> {
        let call = self.running.upgrade().and_then(|running| running.call_of(self.instance));
        if call != Some(self.call) {
            return Ok(());
        }
        let ends = |why| Err(Error::new(libc::ESHUTDOWN, format!("interrupted: {why}")));
        match self.reason {
            Reason::Ending => ends("the server is ending"),
            Reason::IfClientIsGone if host::client_is_gone() => ends("the client has gone"),
            Reason::IfClientIsGone => Ok(()),
            Reason::TimeLimit(limit) => Err(Error::msg(format!(
                "interrupted: ETIMEDOUT: it took longer than time_limit={}",
                limit.as_secs_f64()
            ))),
        }
    }

    /// Whether it depends on an answer that is most often no. An engine that cannot be asked
    /// without harm leaves it at that.
    pub fn is_a_question(&self) -> bool {
        self.reason == Reason::IfClientIsGone
    }
}

impl std::fmt::Debug for Interruption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interruption").field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// Where an [`Interrupter`] leaves an [`Interruption`] for its engine.
///
/// An engine that calls back at each of its steps needs nothing else: it gives the framework
/// [`interrupter`](Interrupt::interrupter), and [checks](Interrupt::check) at each step, for the
/// price of looking at one variable.
#[derive(Debug, Default)]
pub struct Interrupt {
    wanted: AtomicBool,
    interruption: Mutex<Option<Interruption>>,
}

impl Interrupt {
    /// One without an interruption.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// An interrupter that does no more than to leave the interruption here.
    pub fn interrupter(self: &Arc<Self>) -> Interrupter {
        let interrupt = Arc::clone(self);
        Arc::new(move |interruption| interrupt.set(interruption))
    }

    /// Leaves an interruption.
    pub fn set(&self, interruption: Interruption) {
        *self.lock() = Some(interruption);
        self.wanted.store(true, Ordering::Release);
    }

    /// Whether there is an interruption, which may be for an earlier call.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }

    /// Asked in the thread that runs the callback.
    ///
    /// # Errors
    /// Those of [`Interruption::check`].
    #[inline]
    pub fn check(&self) -> Result<()> {
        if self.is_set() { self.check_what_is_left() } else { Ok(()) }
    }

    #[cold]
    fn check_what_is_left(&self) -> Result<()> {
        let interruption = self.lock().clone();
        interruption.map_or(Ok(()), |interruption| interruption.check())?;
        // It was for an earlier call, or the client is still there. If another one is left here
        // now, that comes again.
        self.wanted.store(false, Ordering::Release);
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Interruption>> {
        self.interruption.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    struct InCall(AtomicUsize);

    impl Running for InCall {
        fn call_of(&self, _: usize) -> Option<usize> {
            Some(self.0.load(Ordering::Relaxed)).filter(|call| *call > 0)
        }
    }

    #[test]
    fn an_interruption_is_for_one_call_and_stays_until_that_has_ended() {
        let running = Arc::new(InCall(AtomicUsize::new(7)));
        let weak = Arc::downgrade(&running) as Weak<dyn Running>;
        let of =
            |reason| Interruption { running: Weak::clone(&weak), instance: 0, call: 7, reason };
        let interrupt = Interrupt::new();
        assert!(interrupt.check().is_ok());
        interrupt.interrupter()(of(Reason::Ending));
        for _ in 0..2 {
            let error = interrupt.check().unwrap_err();
            assert_eq!(error.to_string(), "interrupted: the server is ending");
            assert_eq!(error.errno(), libc::ESHUTDOWN);
        }
        for call in [8, 0] {
            running.0.store(call, Ordering::Relaxed);
            interrupt.set(of(Reason::Ending));
            assert!(interrupt.check().is_ok());
        }
        running.0.store(7, Ordering::Relaxed);
        assert!(interrupt.check().is_ok(), "what was for another call is gone");

        interrupt.set(of(Reason::TimeLimit(Duration::from_millis(1500))));
        let error = interrupt.check().unwrap_err();
        let expected = "interrupted: ETIMEDOUT: it took longer than time_limit=1.5";
        assert_eq!((error.to_string().as_str(), error.errno()), (expected, libc::EIO));
        drop(running);
        assert!(interrupt.check().is_ok());
    }
}
