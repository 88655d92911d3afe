//! The watcher thread: it watches running callbacks and the end of the server.

use std::io::{PipeReader, PipeWriter, pipe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::limits::AGAIN;
use super::{Interrupter, Interruption, Reason, Running};
use crate::error::{Error, Result};
use crate::host::{self, Clients, Event, Thread};

/// How often it looks. A call that it sees twice is a long one.
const TICK: Duration = Duration::from_millis(400);

/// How long a callback may run while another client is gone, before we ask even engines that this
/// may harm.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long running callbacks may continue once the server is ending.
const ENDING: Duration = Duration::from_millis(500);

/// The time limit for callbacks that are called because the server is ending.
const CLOSING: Duration = Duration::from_secs(10);

/// How long to wait for nbdkit to disconnect clients itself.
const LET_GO: Duration = Duration::from_millis(100);

/// Its stack size, in bytes. It runs no script.
const STACK: usize = 128 << 10;

/// The watcher thread. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    closing: Arc<AtomicBool>,
    /// Dropped first, which ends the thread; then `_thread` waits for it.
    _stopper: PipeWriter,
    _thread: Thread,
}

impl Watcher {
    /// Starts it. `interrupters` are those of the instances of `running`, in order.
    ///
    /// # Errors
    /// If the system cannot provide a thread or a pipe.
    pub(crate) fn start(
        running: Weak<dyn Running>,
        interrupters: Vec<Option<Interrupter>>,
        limit: Option<Duration>,
    ) -> Result<Self> {
        let no_thread = |error| Error::from(error).context("could not start a thread");
        let (stop, stopper) = pipe().map_err(no_thread)?;
        let closing = Arc::new(AtomicBool::new(false));
        let mut watch = Watch {
            running,
            instances: interrupters.into_iter().map(Instance::new).collect(),
            limit,
            ending: None,
            closing: Arc::clone(&closing),
        };
        let run = move || watch.run(&stop);
        let thread = Thread::start(c"watcher", STACK, run).map_err(no_thread)?;
        Ok(Watcher { closing, _stopper: stopper, _thread: thread })
    }

    /// No requests run any more. Callbacks from now on are part of the server's end and have more
    /// time.
    pub(crate) fn closing(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }
}

struct Watch {
    running: Weak<dyn Running>,
    instances: Vec<Instance>,
    limit: Option<Duration>,
    /// When the server began to end.
    ending: Option<Instant>,
    closing: Arc<AtomicBool>,
}

/// An instance, and the call in which it was last seen.
struct Instance {
    interrupter: Option<Interrupter>,
    seen: Option<(usize, Instant)>,
}

impl Instance {
    fn new(interrupter: Option<Interrupter>) -> Self {
        Instance { interrupter, seen: None }
    }
}

impl Watch {
    fn run(&mut self, stop: &PipeReader) {
        let looks = self.instances.iter().any(|instance| instance.interrupter.is_some());
        let limit = self.limit.unwrap_or(TICK * 4) / 4;
        let tick = looks.then(|| limit.clamp(Duration::from_millis(1), TICK));
        loop {
            let event = match self.ending {
                None => host::wait_for_end(stop, tick),
                Some(_) => host::wait_for_stop(stop, AGAIN),
            };
            let now = Instant::now();
            match event {
                Event::Stop => return,
                Event::Ending => self.ending = Some(now),
                Event::TimeOut => {}
            }
            if self.ending.is_some_and(|since| now - since >= LET_GO) {
                host::let_clients_go();
            }
            self.look(now);
        }
    }

    /// Looks at each instance.
    fn look(&mut self, now: Instant) {
        let Some(running) = self.running.upgrade() else { return };
        // Computed at most once, and only if needed: while all clients are connected, no engine is
        // disturbed.
        let mut clients = None;
        for number in 0..self.instances.len() {
            let call = running.call_of(number);
            let seen = self.instances[number].seen.filter(|(before, _)| Some(*before) == call);
            let seen = seen.or(call.map(|call| (call, now)));
            self.instances[number].seen = seen;
            let Some((call, since)) = seen else { continue };
            let mut reason = self.reason(now, now - since);
            if let Some(Reason::IfClientIsGone { likely }) = &mut reason {
                match *clients.get_or_insert_with(host::look_for_clients) {
                    Clients::AreThere => reason = None,
                    Clients::MayBeGone => {}
                    Clients::AreGone => *likely = true,
                }
            }
            if let (Some(reason), Some(interrupt)) = (reason, &self.instances[number].interrupter) {
                let running = Weak::clone(&self.running);
                interrupt(Interruption { running, instance: number, call, reason });
            }
        }
    }

    /// Why to stop a callback that has been seen for this long.
    fn reason(&self, now: Instant, seen: Duration) -> Option<Reason> {
        if let Some(limit) = self.limit.filter(|limit| seen >= *limit) {
            return Some(Reason::TimeLimit(limit));
        }
        if self.closing.load(Ordering::Relaxed) {
            return (seen >= CLOSING).then_some(Reason::Ending);
        }
        match self.ending {
            Some(since) => (now - since >= ENDING).then_some(Reason::Ending),
            // A call that is seen for the first time may be short.
            None => {
                let likely = seen >= PATIENCE;
                (!seen.is_zero()).then_some(Reason::IfClientIsGone { likely })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(limit: Option<Duration>) -> Watch {
        let running = Weak::<Nothing>::new();
        Watch { running, instances: vec![], limit, ending: None, closing: Arc::default() }
    }

    struct Nothing;

    impl Running for Nothing {
        fn call_of(&self, _: usize) -> Option<usize> {
            None
        }
    }

    #[test]
    fn a_callback_that_takes_long_is_asked_for_its_client() {
        let (watch, now) = (watch(None), Instant::now());
        assert_eq!(watch.reason(now, Duration::ZERO), None);
        let asked = |likely| Some(Reason::IfClientIsGone { likely });
        assert_eq!(watch.reason(now, TICK), asked(false));
        assert_eq!(watch.reason(now, PATIENCE), asked(true));
    }

    #[test]
    fn the_users_limit_comes_first() {
        let limit = Duration::from_secs(1);
        let (mut watch, now) = (watch(Some(limit)), Instant::now());
        watch.ending = Some(now - CLOSING);
        watch.closing.store(true, Ordering::Relaxed);
        assert_eq!(watch.reason(now, limit), Some(Reason::TimeLimit(limit)));
        assert_eq!(watch.reason(now, limit / 2), None);
    }

    #[test]
    fn what_runs_at_the_end_is_stopped_and_what_closes_has_longer() {
        let (mut watch, now) = (watch(None), Instant::now());
        watch.ending = Some(now - ENDING);
        assert_eq!(watch.reason(now, Duration::ZERO), Some(Reason::Ending));
        watch.ending = Some(now);
        assert_eq!(watch.reason(now, Duration::from_secs(100)), None);
        watch.ending = Some(now - CLOSING);
        watch.closing.store(true, Ordering::Relaxed);
        assert_eq!(watch.reason(now, CLOSING / 2), None);
        assert_eq!(watch.reason(now, CLOSING), Some(Reason::Ending));
    }
}
