//! nbdkit's log.

use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The kind of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Level {
    /// `nbdkit_error`.
    Error,
    /// `nbdkit_debug`, which nbdkit shows with `-v`.
    Debug,
}

impl Level {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Debug => "debug",
        }
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Record {
    /// Whether this is an error or a debug message.
    pub level: Level,
    /// The line, without nbdkit's `nbdkit: error: ` in front.
    pub text: String,
}

struct Log {
    /// The lines since a test began; `None` while no test runs.
    kept: Option<Vec<Record>>,
    /// Whether lines also go to standard error at once, debug messages included.
    verbose: bool,
    /// Whether at least errors do.
    errors_at_once: bool,
}

static LOG: Mutex<Log> = Mutex::new(Log { kept: None, verbose: false, errors_at_once: false });

thread_local! {
    /// The errors that this thread has logged since the last call of `taken`.
    static TAKEN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn log() -> MutexGuard<'static, Log> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Also writes each line to standard error, debug messages included, as `nbdkit -v` does.
pub fn set_verbose(verbose: bool) {
    log().verbose = verbose;
}

/// Starts keeping the log.
pub(crate) fn begin(verbose: bool, errors_at_once: bool) {
    taken();
    *log() = Log { kept: Some(Vec::new()), verbose, errors_at_once };
}

pub(crate) fn end() {
    let mut log = log();
    if log.kept.take().is_some() {
        log.verbose = false;
    }
}

pub(crate) fn records() -> Vec<Record> {
    log().kept.clone().unwrap_or_default()
}

/// The errors that this thread has logged since the last call.
pub(crate) fn taken() -> Vec<String> {
    TAKEN.try_with(RefCell::take).unwrap_or_default()
}

/// Logs a line for nbdkit or a plugin.
pub(crate) fn write(level: Level, text: String) {
    let mut log = log();
    let is_error = level == Level::Error;
    if log.verbose || is_error && (log.errors_at_once || log.kept.is_none()) {
        eprintln!("nbdkit: {}: {text}", level.name());
    }
    let Some(kept) = &mut log.kept else { return };
    if is_error {
        let _ = TAKEN.try_with(|taken| taken.borrow_mut().push(text.clone()));
    }
    kept.push(Record { level, text });
}

/// Logs an error of nbdkit's own.
pub(crate) fn error(text: impl Into<String>) {
    write(Level::Error, text.into());
}
