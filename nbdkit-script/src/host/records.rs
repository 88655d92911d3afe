//! The records of the crate `log`, and of `tracing`, in nbdkit's log.

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::log as nbdkits;

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

/// Sends records to nbdkit's log, from those of the level `info` on: nbdkit does not say whether it
/// shows its debug log, so each record costs the time to write it. A process that has a logger,
/// such as a test, keeps it.
pub(crate) fn send_to_nbdkit() {
    if log::set_logger(&ToNbdkit).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}
