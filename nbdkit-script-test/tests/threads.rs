//! The locks of each thread model.

#[macro_use]
mod common;

use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use nbdkit_script::*;
use nbdkit_script_test::{Failure, Nbdkit};

disk!(Bare {});

disk!(Exclusive {
    fn thread_model(&self) -> Result<ThreadModel> {
        Ok(ThreadModel::SerializeConnections)
    }
});

#[test]
fn under_serialize_connections_clients_wait_for_each_other() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Exclusive>>().ready()?;
    let client = disk.connect("")?;
    let second = disk.connect("").unwrap_err().to_string();
    assert!(second.contains("serialize_connections"), "{second}");
    thread::scope(|scope| {
        let waits = scope.spawn(|| disk.connect("").map(drop));
        client.pread(0, 1).unwrap();
        drop(client);
        waits.join().unwrap()
    })?;
    disk.connect("")?;
    Ok(())
}

disk!(Serial {
    fn thread_model(&self) -> Result<ThreadModel> {
        Ok(ThreadModel::SerializeAllRequests)
    }
    fn can_write(&self, _: &()) -> Result<bool> {
        static INSIDE: AtomicU32 = AtomicU32::new(0);
        assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0);
        thread::sleep(Duration::from_millis(1));
        INSIDE.fetch_sub(1, Ordering::SeqCst);
        Ok(false)
    }
});

#[test]
fn the_locks_of_the_thread_model_are_taken() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Serial>>().ready()?;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| disk.connect("").map(drop))).collect();
        clients.into_iter().try_for_each(|client| client.join().unwrap())
    })
}

/// Of each connection, one request at a time. A read at 0 waits for another one at 0.
struct Meeting {
    barrier: Barrier,
    model: ThreadModel,
}

#[plugin]
impl ScriptPlugin for Meeting {
    const NAME: &'static str = "meeting";
    /// How many requests of the connection are running.
    type Handle = AtomicU32;

    fn load() -> Result<Self> {
        Ok(Meeting { barrier: Barrier::new(2), model: ThreadModel::Parallel })
    }
    fn config(&mut self, _: &str, _: &std::ffi::OsStr) -> Result<()> {
        self.model = ThreadModel::SerializeRequests;
        Ok(())
    }
    fn thread_model(&self) -> Result<ThreadModel> {
        Ok(self.model)
    }
    fn open(&self, _: bool) -> Result<AtomicU32> {
        Ok(AtomicU32::new(0))
    }
    fn get_size(&self, _: &AtomicU32) -> Result<i64> {
        Ok(1024)
    }
    fn pread<'r>(&self, own: &AtomicU32, buffer: ReadBuffer<'r>, at: u64) -> Result<Filled<'r>> {
        let running = own.fetch_add(1, Ordering::SeqCst);
        if at == 0 {
            self.barrier.wait();
        } else {
            thread::sleep(Duration::from_micros(100));
        }
        own.fetch_sub(1, Ordering::SeqCst);
        if self.model == ThreadModel::SerializeRequests && running > 0 {
            return Err(Error::msg(format!("{running} others at once")));
        }
        buffer.zeroed(|_| Ok(()))
    }
}

#[test]
fn under_parallel_requests_of_one_client_run_at_once() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Meeting>>().ready()?;
    let client = disk.connect("")?;
    thread::scope(|scope| {
        let other = scope.spawn(|| client.pread(0, 1));
        client.pread(0, 1)?;
        other.join().unwrap().map(drop)
    })
}

#[test]
fn under_serialize_requests_only_those_of_different_clients_do() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Meeting>>().config("serialize", "requests").ready()?;
    let (one, two) = (disk.connect("")?, disk.connect("")?);
    thread::scope(|scope| {
        let other = scope.spawn(|| one.pread(0, 1));
        two.pread(0, 1)?;
        other.join().unwrap().map(drop)
    })?;
    thread::scope(|scope| {
        let send = || (0..50).try_for_each(|_| one.pread(1, 1).map(drop));
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(send)).collect();
        threads.into_iter().try_for_each(|thread| thread.join().unwrap())
    })
}

#[test]
fn many_threads_share_a_client() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Bare>>().ready()?;
    let client = disk.connect("")?;
    thread::scope(|scope| {
        for thread in 0..8 {
            let client = &client;
            scope.spawn(move || {
                for offset in 0..100 {
                    assert_eq!(client.pread(offset + thread, 2).unwrap(), [0x11; 2]);
                }
            });
        }
    });
    Ok(())
}
