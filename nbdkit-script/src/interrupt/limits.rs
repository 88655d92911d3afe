//! The limits that the user sets.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::{Call, Interrupter, Interruption, Reason, Running};
use crate::error::{Error, Result};
use crate::host::Caller;

/// The time between interruptions, in case a script catches one.
const AGAIN: Duration = Duration::from_millis(100);

/// The limits of one interpreter. `None` means unlimited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest time for a callback, and for the script's top level.
    pub time: Option<Duration>,
    /// The most memory for an interpreter, in bytes.
    pub memory: Option<usize>,
}

/// During the setup there is only one call.
struct OnlyCall;

const ONLY_CALL: Call = Call { number: 0, client: Caller::UNKNOWN };

impl Running for OnlyCall {
    fn call_of(&self, _: usize) -> Option<Call> {
        Some(ONLY_CALL)
    }
}

impl Limits {
    /// Runs a part of the setup within the time limit.
    ///
    /// nbdkit has not forked yet, so the watching thread ends with this part.
    ///
    /// # Errors
    /// Those of the part; also if the thread cannot be started.
    pub(crate) fn during<T>(
        &self,
        interrupter: Option<Interrupter>,
        run: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let (Some(limit), Some(interrupter)) = (self.time, interrupter) else {
            return run();
        };
        let running: Arc<dyn Running> = Arc::new(OnlyCall);
        thread::scope(|scope| {
            let (ended, end) = mpsc::channel::<()>();
            let interruption = Interruption {
                running: Arc::downgrade(&running),
                instance: 0,
                call: ONLY_CALL,
                reason: Reason::TimeLimit(limit),
            };
            let watch = move || {
                let mut time = limit;
                while end.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                    interrupter(interruption.clone());
                    time = AGAIN;
                }
            };
            thread::Builder::new()
                .spawn_scoped(scope, watch)
                .map_err(|error| Error::from(error).context("no thread for time_limit="))?;
            let result = run();
            drop(ended);
            result
        })
    }
}
