//! Two servers on one disk: nbdkit, and beside it the parts of the plugin that a second one has.

use super::*;
use crate::owner::Owner;

struct Other {
    runtime: tokio::runtime::Runtime,
    store: Store,
}

impl Other {
    fn at(store: &Arc<Faulty>) -> Other {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        Other { runtime, store: Store::open(&store.beside().address(), LEASE).unwrap() }
    }

    fn claim(&self, takeover: bool) -> Result<Owner> {
        self.runtime.block_on(Owner::claim(self.store.clone(), LEASE, takeover))
    }

    fn disk(&self, owner: Option<Owner>) -> Arc<Disk> {
        let manifest = self.runtime.block_on(Wanted::default().manifest(&self.store)).unwrap();
        let cache = Blocks::new(16, Backing::new(manifest.block, None).unwrap());
        Arc::new(Disk::new(self.store.clone(), manifest, owner, cache))
    }
}

const LEASE: Duration = Duration::from_millis(300);

#[test]
fn a_second_writer_is_refused() -> Result<(), Failure> {
    let store = Faulty::new();
    let disk = disk(&store);
    let other = Other::at(&store);
    let refused = other.claim(false).unwrap_err();
    assert_eq!(refused.errno(), errno::EBUSY);
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let begins = format!(
        "the disk is in use by a server on {}, process {}",
        host.trim(),
        std::process::id()
    );
    assert!(refused.to_string().starts_with(&begins), "{refused}");
    assert!(refused.to_string().contains("takeover=true takes the disk from it"), "{refused}");
    drop(disk);
    // The first server ended normally, so there is nothing to take over.
    let owner = other.claim(false).unwrap();

    // nbdkit reports this before it goes to the background.
    let refused = command(&store).ready().unwrap_err().to_string();
    assert!(refused.starts_with("get_ready: url="), "{refused}");
    assert!(refused.contains("the disk is in use by"), "{refused}");
    other.runtime.block_on(owner.release()).unwrap();
    command(&store).ready()?;
    Ok(())
}

#[test]
fn only_one_of_many_simultaneous_claims_succeeds() {
    let store = Faulty::new();
    drop(disk(&store));
    for round in 0..20 {
        let others: Vec<Other> = (0..4).map(|_| Other::at(&store)).collect();
        let claims: Vec<_> = thread::scope(|scope| {
            let claims: Vec<_> =
                others.iter().map(|other| scope.spawn(|| other.claim(false))).collect();
            claims.into_iter().map(|claim| claim.join().unwrap()).collect()
        });
        let (owners, refused): (Vec<_>, Vec<_>) = claims.into_iter().partition(Result::is_ok);
        assert_eq!(owners.len(), 1, "round {round}: {owners:?}");
        assert!(
            refused
                .iter()
                .flat_map(|refused| refused.as_ref().err())
                .all(|refused| { refused.errno() == errno::EBUSY })
        );
        for owner in owners {
            others[0].runtime.block_on(owner.unwrap().release()).unwrap();
        }
    }
}

#[test]
fn the_old_writer_learns_of_a_takeover() -> Result<(), Failure> {
    let store = Faulty::new();
    let disk = command(&store).config("size", "64K").config("lease", "600ms").ready()?;
    let client = disk.connect("")?;
    client.pwrite(0, b"flushed")?;
    // On a busy machine, a put may take as long as the lease.
    until("it is flushed", || client.flush().is_ok());
    client.pwrite(0, b"unflushed")?;
    // Hold all puts until the other server writes.
    store.holds.store(true, Relaxed);
    let other = Other::at(&store);
    let began = Instant::now();
    let owner = other.claim(true).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(600), "it waits for the old lease");
    store.holds.store(false, Relaxed);
    // A third server that takes over during the wait has to wait for the old lease, too.
    let record = store.object("writers/00000000000000000002").unwrap();
    assert!(String::from_utf8(record).unwrap().contains("\nlease 600\n"));

    let failure = client.flush().unwrap_err();
    assert_eq!(failure.errno(), errno::EIO);
    let log = failure.logged().join("\n");
    assert!(log.contains("the disk was taken over by a server on"), "{log}");
    assert!(
        log.contains("this one writes nothing more, and what was not flushed is lost"),
        "{log}"
    );
    assert_eq!(store.object(FIRST).unwrap()[..9], *b"flushed\0\0");
    // Nor does it serve reads from memory, which no longer matches the disk.
    assert_eq!(client.pread(0, 1).unwrap_err().errno(), errno::EIO);
    assert_eq!(client.pwrite(0, b"x").unwrap_err().errno(), errno::EIO);
    assert_eq!(client.extents(0, 4096).unwrap_err().errno(), errno::EIO);

    let new = other.disk(Some(owner));
    let read = other.runtime.block_on(new.read(0, 9)).unwrap();
    assert!(matches!(&read[0], Part::Bytes(bytes) if **bytes == *b"flushed\0\0"));
    other.runtime.block_on(new.write(0, b"newer", true)).unwrap();
    drop(client);
    drop(disk);
    assert_eq!(store.object(FIRST).unwrap()[..7], *b"newered");
    Ok(())
}

/// A put that hangs fails with the lease, so that it cannot change the disk under the next writer.
#[test]
fn a_put_does_not_outlast_the_lease() -> Result<(), Failure> {
    let store = Faulty::new();
    let disk = command(&store).config("size", "64K").config("lease", "300ms").ready()?;
    let client = disk.connect("")?;
    client.pwrite(0, b"x")?;
    store.holds.store(true, Relaxed);
    let log = client.flush().unwrap_err().logged().join("\n");
    assert!(log.contains("blocks/000000000000/000: no answer in time"), "{log}");
    store.holds.store(false, Relaxed);
    until("it is flushed", || client.flush().is_ok());
    assert!(store.object(FIRST).is_some());
    Ok(())
}

/// A put that failed may still be carried out, so the next writer must not begin at once.
#[test]
fn a_server_whose_last_flush_fails_does_not_release_the_disk() -> Result<(), Failure> {
    let released = |flushes: bool| -> Result<bool, Failure> {
        let store = Faulty::new();
        let disk = command(&store).config("size", "64K").config("lease", "300ms").ready()?;
        disk.connect("")?.pwrite(0, b"x")?;
        store.holds.store(!flushes, Relaxed);
        drop(disk);
        store.holds.store(false, Relaxed);
        let record = store.object("writers/00000000000000000001").unwrap();
        Ok(String::from_utf8(record).unwrap().contains("released yes"))
    };
    assert!(released(true)?);
    assert!(!released(false)?);
    Ok(())
}

/// Otherwise each of many requests would wait for its own check to fail.
#[test]
fn requests_share_a_check_that_fails() -> Result<(), Failure> {
    let store = Faulty::new();
    let disk = command(&store).config("size", "64K").config("lease", "500ms").ready()?;
    let clients = (0..8).map(|_| disk.connect("")).collect::<Result<Vec<_>, _>>()?;
    clients[0].pread(0, 1)?;
    store.lists_hang.store(true, Relaxed);
    // The last check is now older than the lease.
    thread::sleep(Duration::from_millis(600));
    let before = store.requests("list");
    thread::scope(|scope| {
        for client in &clients {
            scope.spawn(|| client.pread(0, 1).unwrap_err());
        }
    });
    assert!(store.requests("list") - before < clients.len() as u64);
    Ok(())
}

#[test]
fn readers_read_beside_a_writer() -> Result<(), Failure> {
    let store = Faulty::new();
    let other = Other::at(&store);
    drop(disk(&store));
    let writer = other.disk(Some(other.claim(false).unwrap()));
    let write = |offset, data: &[u8]| other.runtime.block_on(writer.write(offset, data, true));
    write(0, b"first").unwrap();

    let reading = store.beside();
    let disk = command(&reading).config("readonly", "true").ready()?;
    let (one, two) = (disk.connect("")?, disk.connect("")?);
    assert!(!one.offers().write);
    assert_eq!(one.pread(0, 5)?, b"first");
    write(0, b"again").unwrap();
    write(BLOCK, b"new").unwrap();
    assert_eq!(two.pread(0, 5)?, b"again");
    assert_eq!(two.pread(BLOCK, 3)?, b"new");
    assert_eq!(map(&one, 0, 4 * BLOCK), [(0, 2 * BLOCK, true), (2 * BLOCK, 2 * BLOCK, false)]);
    drop((one, two));
    drop(disk);
    assert_eq!(reading.requests("put") + reading.requests("create"), 0);
    let none = command(&Faulty::new()).config("readonly", "true").config("size", "1M").ready();
    assert!(none.unwrap_err().to_string().ends_with("there is no disk"));
    Ok(())
}

#[test]
fn a_store_without_conditional_puts_is_refused() {
    let store = Faulty::new();
    store.ignores_conditions.store(true, Relaxed);
    let refused = command(&store).config("size", "64K").ready().unwrap_err().to_string();
    assert!(refused.contains("two writers could not be told apart"), "{refused}");
}
