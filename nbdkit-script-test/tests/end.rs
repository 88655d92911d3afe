//! The end of the server and of a client, as the plugin asks for it and is told of it.

#[macro_use]
mod common;

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use common::{note, noted};
use nbdkit_script::*;
use nbdkit_script_test::{Failure, Nbdkit};

disk!(Ending {
    fn after_fork(&self) -> Result<()> {
        note(format!("{:?} {}", host::nanosleep(Duration::ZERO).is_ok(), host::ending()));
        Ok(())
    }
    fn get_ready(&mut self) -> Result<()> {
        note(host::shutdown().unwrap_err().to_string());
        Ok(())
    }
    fn export_description(&self, _: &()) -> Result<Option<String>> {
        host::shutdown()?;
        note(format!("{}", host::ending()));
        Ok(host::nanosleep(Duration::from_secs(3600)).err().map(|error| error.to_string()))
    }
});

#[test]
fn a_plugin_can_end_the_server_and_is_told_of_its_end() -> Result<(), Failure> {
    for _ in 0..2 {
        let disk = Nbdkit::of::<Shared<Ending>>().ready()?;
        assert_eq!(noted(), ["nbdkit does not serve yet", "true false"]);
        let client = disk.connect("")?;
        assert!(!disk.is_shutting_down());
        let description = client.export_description().unwrap();
        assert_eq!(description, "the sleep was cut short: the connection is ending");
        assert_eq!(noted(), ["true"]);
        assert!(disk.is_shutting_down());
        assert_eq!(client.pread(0, 1).unwrap_err().errno(), libc::ESHUTDOWN);
        assert!(disk.connect("").unwrap_err().to_string().contains("shutting down"));
        assert_eq!(disk.errors(), ["aborting sleep because of server shut down"]);
    }
    Ok(())
}

static SLEEPS: AtomicU32 = AtomicU32::new(0);

disk!(Patient {
    fn export_description(&self, _: &()) -> Result<Option<String>> {
        SLEEPS.store(1, Ordering::SeqCst);
        Ok(host::nanosleep(Duration::from_secs(3600)).err().map(|error| error.to_string()))
    }
});

#[test]
fn a_sleep_ends_with_the_server() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Patient>>().ready()?;
    let client = disk.connect("")?;
    thread::scope(|scope| {
        let sleeps = scope.spawn(|| client.export_description());
        while SLEEPS.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        disk.shutdown();
        assert!(sleeps.join().unwrap().is_some());
    });
    Ok(())
}

disk!(Rude {
    fn export_description(&self, _: &()) -> Result<Option<String>> {
        host::disconnect(true)?;
        Ok(host::nanosleep(Duration::from_secs(3600)).err().map(|error| error.to_string()))
    }
});

#[test]
fn a_plugin_can_disconnect_a_client() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Rude>>().ready()?;
    let (client, other) = (disk.connect("")?, disk.connect("")?);
    assert!(client.export_description().is_some());
    assert!(client.is_disconnected() && !other.is_disconnected());
    assert_eq!(client.pread(0, 1).unwrap_err().errno(), libc::ESHUTDOWN);
    other.pread(0, 1)?;
    Ok(())
}
