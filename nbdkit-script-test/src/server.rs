//! What a server has once: its phase, its shutdown, and the strings that live as long as it does.
//!
//! A process has one server at a time, as plugins and nbdkit expect. Tests that run in threads of
//! one process wait for each other.

use std::ffi::CString;
use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::log;

struct Server {
    /// The thread that has the server.
    thread: Option<ThreadId>,
    /// Whether all parameters are taken, after which the plugin must not use standard input and
    /// output.
    configured: bool,
    /// Whether the server is shutting down.
    quit: bool,
    /// The pipe that tells nbdkit, and so the framework, about the shutdown.
    pipe: Option<(PipeReader, PipeWriter)>,
    interned: Vec<CString>,
}

static SERVER: Mutex<Server> = Mutex::new(Server {
    thread: None,
    configured: false,
    quit: false,
    pipe: None,
    interned: Vec::new(),
});
static CHANGED: Condvar = Condvar::new();

fn server() -> MutexGuard<'static, Server> {
    SERVER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// While this exists, its holder has the process's one server.
#[derive(Debug)]
pub(crate) struct Turn(());

impl Turn {
    /// Waits until no other thread has the server.
    ///
    /// # Errors
    /// If this thread already has it: it would wait for itself.
    pub(crate) fn wait() -> Result<Turn, Failure> {
        let mut server = server();
        let own = thread::current().id();
        while let Some(other) = server.thread {
            if other == own {
                return Err(Failure::of_setup(
                    "starting nbdkit",
                    "this thread has a plugin already, and a process has one at a time: drop it \
                     before the next one is made",
                ));
            }
            server = CHANGED.wait(server).unwrap_or_else(PoisonError::into_inner);
        }
        server.thread = Some(own);
        (server.configured, server.quit) = (false, false);
        Ok(Turn(()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        log::end();
        let mut server = server();
        server.thread = None;
        server.pipe = None;
        server.interned.clear();
        CHANGED.notify_all();
    }
}

/// What nbdkit does between `get_ready` and `after_fork`.
pub(crate) fn start_serving() {
    let mut server = server();
    server.configured = true;
    server.pipe = pipe().ok();
}

pub(crate) fn is_configured() -> bool {
    server().configured
}

/// Begins the server's shutdown.
pub(crate) fn shut_down() {
    let mut server = server();
    server.quit = true;
    if let Some((_, writer)) = &mut server.pipe {
        let _ = writer.write_all(&[0]);
    }
    CHANGED.notify_all();
}

/// Wakes all sleeping callbacks.
pub(crate) fn wake() {
    // Locked, so that a thread about to sleep either has not looked yet or already waits.
    let _server = server();
    CHANGED.notify_all();
}

pub(crate) fn is_ending() -> bool {
    server().quit
}

pub(crate) fn intern(text: CString) {
    server().interned.push(text);
}

/// What ended a sleep early.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    ServerEnds,
    ClientIsGone,
}

/// Sleeps until the time is up, the server shuts down or the client is gone.
pub(crate) fn sleep(time: Duration, is_gone: impl Fn() -> bool) -> Result<(), Woken> {
    let end = Instant::now() + time;
    let mut server = server();
    loop {
        if server.quit {
            return Err(Woken::ServerEnds);
        }
        if is_gone() {
            return Err(Woken::ClientIsGone);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        server = CHANGED.wait_timeout(server, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}
