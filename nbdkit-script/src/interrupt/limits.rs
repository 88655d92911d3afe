//! What the user lets a script take.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::{Interrupter, Interruption, Reason, Running};
use crate::error::{Error, Result};

/// How long after an interruption there is another, in case a script has caught it.
pub(super) const AGAIN: Duration = Duration::from_millis(100);

/// What one interpreter may take at most. Without a limit, as much as there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// How long a callback may run, and the top level of a script.
    pub time: Option<Duration>,
    /// How much memory an interpreter may have, in bytes.
    pub memory: Option<usize>,
}

/// The one call that there is while a script is being set up.
struct OnlyCall;

impl Running for OnlyCall {
    fn call_of(&self, _: usize) -> Option<usize> {
        Some(0)
    }
}

impl Limits {
    /// Runs a part of a script while nbdkit does not serve yet, within the limit of time.
    ///
    /// nbdkit forks later, so there is a thread that watches only as long as the part runs.
    ///
    /// # Errors
    /// Those of the part; and if there is no thread to be had.
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
                call: 0,
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
