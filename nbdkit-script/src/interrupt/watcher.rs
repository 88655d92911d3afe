//! The thread that looks at what runs, and at the end of the server.

use std::io::{PipeReader, PipeWriter, pipe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::limits::AGAIN;
use super::{Interrupter, Interruption, Reason, Running};
use crate::error::{Error, Result};
use crate::host::{self, Event, Thread};

/// How often it looks. What it sees twice takes long: that is looked into.
const TICK: Duration = Duration::from_millis(400);

/// How long the callbacks that run may go on once the server is ending.
const ENDING: Duration = Duration::from_millis(500);

/// How long each callback may take that is called because the server is ending.
const CLOSING: Duration = Duration::from_secs(10);

/// How long nbdkit has for what it can end without us.
const LET_GO: Duration = Duration::from_millis(100);

/// Its stack, in bytes. It calls little, and no script.
const STACK: usize = 128 << 10;

/// The thread. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Watcher {
    closing: Arc<AtomicBool>,
    /// The thread ends when this is dropped, and then the other one waits for it.
    _stopper: PipeWriter,
    _thread: Thread,
}

impl Watcher {
    /// Starts it. The instances are those of `running`, in order.
    ///
    /// # Errors
    /// If the system has no thread or no pipe for it.
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

    /// No requests run any more. What is called from now on is called because the server ends, and
    /// is given the time for that.
    pub(crate) fn closing(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }
}

struct Watch {
    running: Weak<dyn Running>,
    instances: Vec<Instance>,
    limit: Option<Duration>,
    /// Since when the server is.
    ending: Option<Instant>,
    closing: Arc<AtomicBool>,
}

/// An instance, and the call that it was seen in.
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
        // Asked once, and only if it matters: an engine is not disturbed while all clients are
        // there.
        let mut may_be_gone = None;
        for number in 0..self.instances.len() {
            let call = running.call_of(number);
            let seen = self.instances[number].seen.filter(|(before, _)| Some(*before) == call);
            let seen = seen.or(call.map(|call| (call, now)));
            self.instances[number].seen = seen;
            let Some((call, since)) = seen else { continue };
            let reason = self.reason(now, now - since).filter(|reason| {
                *reason != Reason::IfClientIsGone
                    || *may_be_gone.get_or_insert_with(host::a_client_may_be_gone)
            });
            if let (Some(reason), Some(interrupt)) = (reason, &self.instances[number].interrupter) {
                let running = Weak::clone(&self.running);
                interrupt(Interruption { running, instance: number, call, reason });
            }
        }
    }

    /// Why a callback is to stop that has been seen for so long.
    fn reason(&self, now: Instant, seen: Duration) -> Option<Reason> {
        if let Some(limit) = self.limit.filter(|limit| seen >= *limit) {
            return Some(Reason::TimeLimit(limit));
        }
        if self.closing.load(Ordering::Relaxed) {
            return (seen >= CLOSING).then_some(Reason::Ending);
        }
        match self.ending {
            Some(since) => (now - since >= ENDING).then_some(Reason::Ending),
            // The first look sees it only once.
            None => (!seen.is_zero()).then_some(Reason::IfClientIsGone),
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
        assert_eq!(watch.reason(now, TICK), Some(Reason::IfClientIsGone));
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
