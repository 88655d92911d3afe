//! A plugin that calls asynchronous code.

#[macro_use]
mod common;

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nbdkit_script::*;
use nbdkit_script_test::{Failure, Nbdkit};

static RUNTIME: Runtime = Runtime::new();

/// Counts futures that have begun, and those that have been dropped.
static BEGUN: AtomicU32 = AtomicU32::new(0);
static DROPPED: AtomicU32 = AtomicU32::new(0);

struct Dropped;

impl Drop for Dropped {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

disk!(Asynchronous {
    fn get_ready(&mut self) -> Result<()> {
        assert_eq!(RUNTIME.block_on(async {}).unwrap_err().errno(), errno::EINVAL);
        Ok(())
    }

    fn after_fork(&self) -> Result<()> {
        RUNTIME.start()
    }

    fn flush(&self, (): &()) -> Result<()> {
        let task = RUNTIME.handle()?.spawn(async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            7
        });
        assert_eq!(RUNTIME.block_on(task)??, 7);
        Ok(())
    }

    fn cache(&self, (): &(), _count: u32, _offset: u64) -> Result<()> {
        RUNTIME.block_on(async {
            let _dropped = Dropped;
            BEGUN.fetch_add(1, Ordering::SeqCst);
            std::future::pending::<()>().await;
        })
    }
});

#[test]
fn futures_run_and_end_with_the_server() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Asynchronous>>().ready()?;
    let client = disk.connect("")?;
    client.flush()?;
    thread::scope(|scope| {
        let waiting = scope.spawn(|| client.cache(0, 512));
        while BEGUN.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        assert_eq!(DROPPED.load(Ordering::SeqCst), 0);
        disk.shutdown();
        let failure = waiting.join().unwrap().unwrap_err();
        assert_eq!(failure.errno(), errno::ESHUTDOWN);
        assert_eq!(failure.logged(), ["cache: nobody waits for this any more"]);
    });
    assert_eq!(DROPPED.load(Ordering::SeqCst), 1);
    Ok(())
}
