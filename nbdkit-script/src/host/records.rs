//! Sends the records of the crates `log` and `tracing` to nbdkit's log.

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::log as nbdkits;
use super::verbose::debug_enabled;

struct ToNbdkit;

impl Log for ToNbdkit {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let (target, message) = (record.target(), record.args());
        match record.level() {
            Level::Error => nbdkits::error(&format!("{target}: {message}")),
            level => {
                let level = level.as_str().to_ascii_lowercase();
                nbdkits::debug(&format!("{level}: {target}: {message}"));
            }
        }
    }

    fn flush(&self) {}
}

/// Sends records of the level `info` and above to nbdkit's log. If nobody sees the debug log, only
/// errors, so that the rest is not even formatted. A process that already has a logger, such as a
/// test, keeps it.
pub(crate) fn send_to_nbdkit() {
    if log::set_logger(&ToNbdkit).is_ok() {
        let level = if debug_enabled() { LevelFilter::Info } else { LevelFilter::Error };
        log::set_max_level(level);
    }
}
