//! Interrupts running callbacks: when the server ends, when the client has gone, and when the time
//! limit is over.
//!
//! This costs requests next to nothing. A separate thread, the watcher, looks at the instances now
//! and then, and interrupts callbacks that have run for too long. An engine provides an
//! [`Interrupter`], which makes it check an [`Interruption`] in the thread that runs the callback.
//! An engine that cannot be interrupted has none.

mod limits;
mod watcher;

pub use limits::Limits;
pub(crate) use watcher::Watcher;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::host::{self, Caller};

/// Makes an engine check an [`Interruption`] soon, in the thread that runs its callback. It is
/// called from another thread, at any time until the engine is dropped, and repeatedly until the
/// callback has ended.
pub type Interrupter = Arc<dyn Fn(Interruption) + Send + Sync>;

/// Tells which calls are running.
pub(crate) trait Running: Send + Sync + 'static {
    /// The call that an instance is running, if any.
    fn call_of(&self, instance: usize) -> Option<Call>;
}

/// A call of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call {
    /// No two calls of an instance have the same number.
    pub(crate) number: usize,
    /// The client for which it runs.
    pub(crate) client: Caller,
}

/// A request to stop a callback, if that is still running.
#[derive(Clone)]
pub struct Interruption {
    running: Weak<dyn Running>,
    instance: usize,
    /// The call to stop. The engine may be in a later one by now.
    call: Call,
    reason: Reason,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Reason {
    /// The server is ending.
    Ending,
    /// The time limit is over.
    TimeLimit(Duration),
    /// Only if the client has gone. Only the callback's own thread can find out.
    IfClientIsGone { likely: bool },
}

impl Interruption {
    /// Call this in the thread that runs the callback. If it returns an error, the callback must
    /// fail with it. If the script catches that error, fail again, until the callback has ended.
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
            Reason::IfClientIsGone { .. } if host::client_is_gone() => ends("the client has gone"),
            Reason::IfClientIsGone { .. } => Ok(()),
            Reason::TimeLimit(limit) => Err(Error::msg(format!(
                "interrupted: ETIMEDOUT: it took longer than time_limit={}",
                limit.as_secs_f64()
            ))),
        }
    }

    /// Whether [`check`](Interruption::check) will return an error if the callback is still
    /// running. Otherwise it may find nothing to do, because some client has gone, and we do not
    /// know whether it is the callback's own. An engine that cannot check without harm ignores such
    /// an interruption. After five seconds it gets a likely one all the same.
    pub fn is_likely(&self) -> bool {
        self.reason != Reason::IfClientIsGone { likely: false }
    }
}

impl std::fmt::Debug for Interruption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interruption").field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// A place where an [`Interrupter`] leaves an [`Interruption`] for its engine.
///
/// An engine that calls back at each of its steps needs nothing else. It returns
/// [`interrupter`](Interrupt::interrupter) to the framework, and calls [`check`](Interrupt::check)
/// at each step, which reads one variable.
#[derive(Debug, Default)]
pub struct Interrupt {
    wanted: AtomicBool,
    interruption: Mutex<Option<Interruption>>,
}

impl Interrupt {
    /// An empty place.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// An interrupter that only leaves the interruption here.
    pub fn interrupter(self: &Arc<Self>) -> Interrupter {
        let interrupt = Arc::clone(self);
        Arc::new(move |interruption| interrupt.set(interruption))
    }

    /// Leaves an interruption.
    pub fn set(&self, interruption: Interruption) {
        *self.lock() = Some(interruption);
        self.wanted.store(true, Ordering::Release);
    }

    /// Whether there is an interruption. It may be for an earlier call.
    #[inline]
    pub fn is_set(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }

    /// Call this in the thread that runs the callback.
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
        // It was for an earlier call, or the client is still there. If this loses a new one, the
        // watcher sends that again.
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
        fn call_of(&self, _: usize) -> Option<Call> {
            let number = self.0.load(Ordering::Relaxed);
            (number > 0).then_some(Call { number, client: Caller::UNKNOWN })
        }
    }

    #[test]
    fn an_interruption_is_for_one_call_and_stays_until_that_has_ended() {
        let running = Arc::new(InCall(AtomicUsize::new(7)));
        let weak = Arc::downgrade(&running) as Weak<dyn Running>;
        let call = running.call_of(0).unwrap();
        let of = |reason| Interruption { running: Weak::clone(&weak), instance: 0, call, reason };
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
