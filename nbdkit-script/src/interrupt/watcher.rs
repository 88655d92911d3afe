//! The watcher thread: it watches running callbacks and the end of the server.

use std::io::{PipeReader, PipeWriter, pipe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::{Call, Interrupter, Interruption, Reason, Running};
use crate::error::{Error, Result};
use crate::host::{self, Caller, Clients, Event, Presence, Thread};

/// How often it looks. A call that it sees twice is a long one.
const TICK: Duration = Duration::from_millis(400);

/// How long a callback of a client whose socket we do not know may run while some client is gone,
/// before we ask even engines that this may harm.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a callback may run while its client sends nothing more. The client may still wait for
/// the reply: NBD lets it half-close the connection after its last request.
const LAST_REPLY: Duration = Duration::from_secs(30);

/// How long running callbacks may continue once the server is ending.
const ENDING: Duration = Duration::from_millis(500);

/// How long a queued request that begins after that may run. There may be hundreds of them.
const QUEUED: Duration = Duration::from_millis(20);

/// The time limit for `close` and `cleanup` once the server is ending.
const CLOSING: Duration = Duration::from_secs(10);

/// How long nbdkit has to disconnect clients itself, and the time between our attempts.
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
        if interrupters.iter().any(Option::is_some) {
            host::tell_clients_apart();
        }
        let closing = Arc::new(AtomicBool::new(false));
        let mut watch = Watch {
            running,
            instances: interrupters.into_iter().map(Instance::new).collect(),
            limit,
            ending: None,
            closing: Arc::clone(&closing),
            clients: Clients::look,
            let_go: None,
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
    clients: fn() -> Clients,
    /// When it last made nbdkit disconnect clients, or began to wait for that.
    let_go: Option<Instant>,
}

/// An instance, and the call in which it was last seen.
struct Instance {
    interrupter: Option<Interrupter>,
    seen: Option<(Call, Instant)>,
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
                Some(_) => host::wait_for_stop(stop, QUEUED / 2),
            };
            let now = Instant::now();
            match event {
                Event::Stop => return,
                Event::Ending => (self.ending, self.let_go) = (Some(now), Some(now)),
                Event::TimeOut => {}
            }
            if self.let_go.is_some_and(|last| now - last >= LET_GO) {
                host::let_clients_go();
                self.let_go = Some(now);
            }
            self.look(now);
        }
    }

    /// Looks at each instance.
    fn look(&mut self, now: Instant) {
        let Some(running) = self.running.upgrade() else { return };
        // Computed at most once, and only if needed: while its client is connected, no engine is
        // disturbed.
        let mut clients = None;
        for number in 0..self.instances.len() {
            let call = running.call_of(number);
            let seen = self.instances[number].seen.filter(|(before, _)| Some(*before) == call);
            let seen = seen.or(call.map(|call| (call, now)));
            self.instances[number].seen = seen;
            let Some((call, since)) = seen else { continue };
            let mut reason = self.reason(now, now - since, call.client);
            if let Some(Reason::IfClientIsGone { likely }) = &mut reason {
                match clients.get_or_insert_with(self.clients).presence(call.client) {
                    Presence::Connected => reason = None,
                    Presence::Leaving if now - since < LAST_REPLY => reason = None,
                    Presence::Unknown => {}
                    Presence::Leaving | Presence::Gone => *likely = true,
                }
            }
            // The look at the clients may have taken longer than the call.
            let reason = reason.filter(|_| running.call_of(number) == Some(call));
            if let (Some(reason), Some(interrupt)) = (reason, &self.instances[number].interrupter) {
                let running = Weak::clone(&self.running);
                interrupt(Interruption { running, instance: number, call, reason });
            }
        }
    }

    /// Why to stop a callback that has been seen for this long.
    fn reason(&self, now: Instant, seen: Duration, client: Caller) -> Option<Reason> {
        if let Some(limit) = self.limit.filter(|limit| seen >= *limit) {
            return Some(Reason::TimeLimit(limit));
        }
        if self.closing.load(Ordering::Relaxed) {
            return (seen >= CLOSING).then_some(Reason::Ending);
        }
        if let Some(since) = self.ending {
            let limit = if client == Caller::CLOSED { CLOSING } else { ENDING };
            return (now - since >= limit && seen >= QUEUED).then_some(Reason::Ending);
        }
        // A call that is seen for the first time may be short.
        let waits = ![Caller::NOBODY, Caller::CLOSED].contains(&client);
        let likely = seen >= PATIENCE;
        (waits && !seen.is_zero()).then_some(Reason::IfClientIsGone { likely })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use crate::host::End;

    fn watch(limit: Option<Duration>) -> Watch {
        let running = Weak::<InOneCall>::new();
        let (closing, clients) = (Arc::default(), || Clients::that_are(&[]));
        let (ending, let_go) = (None, None);
        Watch { running, instances: vec![], limit, ending, closing, clients, let_go }
    }

    /// More than a leaving client's callback has.
    const LOOKS: u32 = 80;

    struct InOneCall(Call);

    impl Running for InOneCall {
        fn call_of(&self, _: usize) -> Option<Call> {
            Some(self.0)
        }
    }

    /// How a callback is interrupted at each look, while client 3 is connected, client 4 has gone
    /// and client 5 is leaving: whether that is likely to end it.
    fn interruptions_of(client: Caller) -> Vec<Option<bool>> {
        interruptions(Arc::new(InOneCall(Call { number: 1, client })))
    }

    fn interruptions(running: Arc<dyn Running>) -> Vec<Option<bool>> {
        let (sender, interruptions) = std::sync::mpsc::channel();
        let interrupter: Interrupter = Arc::new(move |interruption: Interruption| {
            sender.send(interruption.is_likely()).unwrap();
        });
        let mut watch = watch(None);
        watch.running = Arc::downgrade(&running);
        watch.instances.push(Instance::new(Some(interrupter)));
        watch.clients =
            || Clients::that_are(&[(3, End::Open), (4, End::Closed), (5, End::HalfClosed)]);
        let begin = Instant::now();
        let look = |number| {
            watch.look(begin + TICK * number);
            interruptions.try_recv().ok()
        };
        (0..LOOKS).map(look).collect()
    }

    #[test]
    fn only_a_callback_whose_client_is_not_known_may_be_asked_in_vain() {
        assert_eq!(interruptions_of(Caller::from_number(3)), [None; LOOKS as usize]);
        let mut gone = [Some(true); LOOKS as usize];
        // A call that is seen for the first time may be short.
        gone[0] = None;
        assert_eq!(interruptions_of(Caller::from_number(4)), gone);
        let patient = PATIENCE.div_duration_f64(TICK).ceil() as usize;
        let mut unknown = gone;
        unknown[1..patient].fill(Some(false));
        assert_eq!(interruptions_of(Caller::UNKNOWN), unknown);
        let last_reply = LAST_REPLY.div_duration_f64(TICK).ceil() as usize;
        gone[..last_reply].fill(None);
        assert_eq!(interruptions_of(Caller::from_number(5)), gone);
    }

    /// Each call ends while the watcher looks at the clients.
    struct EndsMeanwhile(AtomicUsize);

    impl Running for EndsMeanwhile {
        fn call_of(&self, _: usize) -> Option<Call> {
            let asked = self.0.fetch_add(1, Ordering::Relaxed);
            Some(Call { number: asked.div_ceil(2), client: Caller::from_number(4) })
        }
    }

    #[test]
    fn a_call_that_ends_during_the_look_is_not_interrupted() {
        let running = Arc::new(EndsMeanwhile(AtomicUsize::new(1)));
        assert_eq!(interruptions(running), [None; LOOKS as usize]);
    }

    #[test]
    fn a_callback_that_takes_long_is_asked_for_its_client() {
        let (watch, now) = (watch(None), Instant::now());
        let reason = |seen| watch.reason(now, seen, Caller::UNKNOWN);
        assert_eq!(reason(Duration::ZERO), None);
        let asked = |likely| Some(Reason::IfClientIsGone { likely });
        assert_eq!(reason(TICK), asked(false));
        assert_eq!(reason(PATIENCE), asked(true));
        for nobody in [Caller::NOBODY, Caller::CLOSED] {
            assert_eq!(watch.reason(now, PATIENCE * 2, nobody), None);
        }
    }

    #[test]
    fn the_users_limit_comes_first() {
        let limit = Duration::from_secs(1);
        let (mut watch, now) = (watch(Some(limit)), Instant::now());
        watch.ending = Some(now - CLOSING);
        watch.closing.store(true, Ordering::Relaxed);
        let reason = |seen| watch.reason(now, seen, Caller::CLOSED);
        assert_eq!(reason(limit), Some(Reason::TimeLimit(limit)));
        assert_eq!(reason(limit / 2), None);
    }

    #[test]
    fn what_runs_at_the_end_is_stopped_and_what_closes_has_longer() {
        let (mut watch, now) = (watch(None), Instant::now());
        watch.ending = Some(now - ENDING);
        for client in [Caller::UNKNOWN, Caller::NOBODY] {
            // A queued request has only just begun, and may be short.
            assert_eq!(watch.reason(now, Duration::ZERO, client), None);
            assert_eq!(watch.reason(now, QUEUED, client), Some(Reason::Ending));
        }
        // A `close` that has begun before has as long as one that begins now.
        assert_eq!(watch.reason(now, CLOSING, Caller::CLOSED), None);
        watch.ending = Some(now);
        assert_eq!(watch.reason(now, Duration::from_secs(100), Caller::UNKNOWN), None);
        watch.ending = Some(now - CLOSING);
        assert_eq!(watch.reason(now, CLOSING, Caller::CLOSED), Some(Reason::Ending));
        watch.closing.store(true, Ordering::Relaxed);
        for client in [Caller::CLOSED, Caller::NOBODY] {
            assert_eq!(watch.reason(now, CLOSING / 2, client), None);
            assert_eq!(watch.reason(now, CLOSING, client), Some(Reason::Ending));
        }
    }
}
