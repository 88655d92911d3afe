//! What a plugin logs with the crates `log` and `tracing` is in nbdkit's log.

#[macro_use]
mod common;

use nbdkit_script::*;
use nbdkit_script_test::{Failure, Nbdkit};

disk!(Talkative {
    fn flush(&self, (): &()) -> Result<()> {
        log::error!("error {}", 1);
        log::warn!("warning");
        log::info!(target: "elsewhere", "two\nlines");
        log::debug!("unseen");
        tracing::error!(block = 7, "error {}", 2);
        tracing::info!("of tracing");
        tracing::debug!("unseen");
        Ok(())
    }
});

#[test]
fn records_are_in_nbdkits_log() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Talkative>>().ready()?;
    disk.connect("")?.flush()?;
    assert_eq!(disk.errors(), ["records: error 1", "records: error 2 block=7"]);
    let debug = disk.debug_messages();
    for line in
        ["warn: records: warning", "info: elsewhere: two lines", "info: records: of tracing"]
    {
        assert!(debug.iter().any(|message| message == line), "{line} in {debug:?}");
    }
    assert!(!debug.iter().any(|message| message.contains("unseen")), "{debug:?}");

    // A plugin that wants more of them says so.
    log::set_max_level(log::LevelFilter::Debug);
    disk.connect("")?.flush()?;
    assert!(disk.debug_messages().iter().any(|message| message == "debug: records: unseen"));
    Ok(())
}
