//! The disk as clients see it, without a server, on the store in memory of `faulty.rs`.

mod costs;
pub mod faulty;
mod model;
mod writers;

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Instant;

use nbdkit_script::{ExtentType, errno};
use nbdkit_script_test::{Client, Command, Failure, Nbdkit};

use super::*;
use faulty::Faulty;

const BLOCK: u64 = 4096;
const FIRST: &str = "blocks/000000000000/000";

/// A disk on this store, with blocks of 4 KiB. No test outlasts its lease by chance.
fn command(store: &Arc<Faulty>) -> Command {
    let command = Nbdkit::of::<Shared<ObjectStore>>().argument(store.address());
    command.config("block", "4K").config("lease", "60s")
}

fn disk(store: &Arc<Faulty>) -> Nbdkit {
    command(store).config("size", "64K").ready().expect("the disk starts")
}

/// Polls until a deadline that is generous even on a busy machine.
fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "waited for a minute until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Extents as `(offset, length, is data)`.
fn map(client: &Client<'_>, offset: u64, count: u64) -> Vec<(u64, u64, bool)> {
    let extents = client.extents(offset, count as u32).expect("extents");
    extents.into_iter().map(|e| (e.offset, e.length, e.extent_type.is_empty())).collect()
}

#[test]
fn the_next_server_reads_what_was_written() -> Result<(), Failure> {
    let store = Faulty::new();
    {
        let disk = disk(&store);
        let (one, other) = (disk.connect("")?, disk.connect("")?);
        assert_eq!(one.size(), 64 << 10);
        assert_eq!(one.pread(0, 8)?, [0; 8]);
        one.pwrite(BLOCK - 2, b"abcd")?;
        assert_eq!(other.pread(BLOCK - 3, 6)?, b"\0abcd\0");
        // Nobody flushes, so the block reaches the store only when the server ends.
        assert_eq!(store.object(FIRST), None);
    }
    assert_eq!(store.object(FIRST).map(|bytes| bytes.len()), Some(4096));
    let disk = command(&store).ready()?;
    assert_eq!(disk.connect("")?.pread(BLOCK - 3, 6)?, b"\0abcd\0");
    assert_eq!(disk.errors(), [""; 0]);
    Ok(())
}

#[test]
fn a_client_is_offered_every_request() -> Result<(), Failure> {
    let disk = disk(&Faulty::new());
    let client = disk.connect("")?;
    let offers = client.offers();
    assert!(offers.write && offers.flush && offers.trim && offers.native_zero && offers.fast_zero);
    assert!(offers.multi_conn && offers.extents && !offers.rotational);
    assert_eq!((offers.fua, offers.cache), (2, 2));
    assert_eq!(client.block_size().map(|size| size.preferred), Some(4096));
    Ok(())
}

#[test]
fn missing_blocks_are_holes() -> Result<(), Failure> {
    let store = Faulty::new();
    let disk = disk(&store);
    let client = disk.connect("")?;
    let hole = [(0, 64 << 10, false)];
    assert_eq!(map(&client, 0, 64 << 10), hole);
    client.pwrite(BLOCK + 5, b"x")?;
    let written = [(0, BLOCK, false), (BLOCK, BLOCK, true), (2 * BLOCK, 14 * BLOCK, false)];
    assert_eq!(map(&client, 0, 64 << 10), written);
    client.flush()?;
    assert_eq!(map(&client, 0, 64 << 10), written);
    let first = client.extents_with(0, 64 << 10, Flags::REQ_ONE)?;
    assert_eq!(first[0].extent_type, ExtentType::HOLE | ExtentType::ZERO);

    // Zeroing part of a block keeps the rest.
    client.zero(BLOCK, 5)?;
    assert_eq!(client.pread(BLOCK + 5, 1)?, b"x");
    client.trim(0, 64 << 10)?;
    assert_eq!(map(&client, 0, 64 << 10), hole);
    client.flush()?;
    assert_eq!(store.object("blocks/000000000000/001"), None);
    assert_eq!(store.requests("delete"), 1);

    // A block of zeroes has no object, even if the zeroes were written.
    client.pwrite(0, &[7; 100])?;
    client.flush()?;
    assert!(store.object(FIRST).is_some());
    client.pwrite_with(0, &[0; 100], Flags::FUA)?;
    assert_eq!(store.object(FIRST), None);
    Ok(())
}

/// If two requests get, change and put the same block, the later put loses the earlier change.
#[test]
fn concurrent_writes_to_parts_of_a_block_all_survive() -> Result<(), Failure> {
    for cache in ["4K", "8K", "64K"] {
        let store = Faulty::new();
        store.slow.store(1, Relaxed);
        store.set(FIRST, vec![1; 4096]);
        store.set("manifest", "format 1\nsize 65536\nblock 4096\n");
        let disk = command(&store).config("cache", cache).ready()?;
        thread::scope(|scope| {
            for part in 0..8_u64 {
                let disk = &disk;
                scope.spawn(move || {
                    let client = disk.connect("").unwrap();
                    for round in 0..10 {
                        // Two blocks: the smallest cache has room for only one.
                        for block in [0, 1] {
                            let data = [part as u8 * 10 + round + 2; 500];
                            let offset = block * BLOCK + part * 500;
                            client.pwrite_with(offset, &data, Flags::FUA).unwrap();
                        }
                    }
                });
            }
        });
        for block in 0..2 {
            let object = store.object(&groups::name(block)).unwrap();
            for part in 0..8 {
                assert_eq!(object[part * 500..][..500], [part as u8 * 10 + 11; 500], "{cache}");
            }
            assert_eq!(object[4000..], [1 - block as u8; 96]);
        }
    }
    Ok(())
}

#[test]
fn a_flush_waits_for_its_puts() -> Result<(), Failure> {
    let store = Faulty::new();
    let disk = disk(&store);
    let (client, other) = (disk.connect("")?, disk.connect("")?);
    client.pwrite(0, b"flush")?;
    store.holds.store(true, Relaxed);
    thread::scope(|scope| {
        let flush = scope.spawn(|| client.flush());
        store.wait_for_held(1);
        assert!(!flush.is_finished());
        // A second flush waits for the put that is under way, although it has nothing to put.
        let second = scope.spawn(|| {
            other.flush()?;
            assert!(store.object(FIRST).is_some(), "it returned before the put");
            Ok::<_, Failure>(())
        });
        let fua = scope.spawn(|| client.pwrite_with(3 * BLOCK, b"fua", Flags::FUA));
        store.wait_for_held(2);
        assert!(!flush.is_finished() && !second.is_finished() && !fua.is_finished());
        assert_eq!(store.object(FIRST), None);
        store.holds.store(false, Relaxed);
        flush.join().unwrap()?;
        second.join().unwrap()?;
        fua.join().unwrap()
    })?;
    assert_eq!(store.object(FIRST).unwrap()[..5], *b"flush");
    assert_eq!(store.object("blocks/000000000000/003").unwrap()[..3], *b"fua");
    Ok(())
}

#[test]
fn a_flush_fails_until_its_puts_succeed() -> Result<(), Failure> {
    let store = Faulty::new();
    let disk = disk(&store);
    let client = disk.connect("")?;
    client.pwrite(0, b"one")?;
    client.pwrite(BLOCK, b"two")?;
    store.is_gone.store(true, Relaxed);
    for _ in 0..2 {
        let failure = client.flush().unwrap_err();
        assert_eq!(failure.errno(), errno::EIO);
        let log = failure.logged().join("\n");
        let expected = "flush: 2 of 2 blocks are not in the store, and stay in memory: put blocks/";
        assert!(log.contains(expected), "{log}");
    }
    assert_eq!(client.pwrite_with(BLOCK, b"2", Flags::FUA).unwrap_err().errno(), errno::EIO);
    // The block is in memory, so a read need not ask the store.
    assert_eq!(client.pread(BLOCK, 3)?, b"2wo");
    store.is_gone.store(false, Relaxed);
    client.flush()?;
    assert_eq!(store.object("blocks/000000000000/001").unwrap()[..3], *b"2wo");
    Ok(())
}

#[test]
fn a_failed_put_may_have_reached_the_store() -> Result<(), Failure> {
    let store = Faulty::new();
    let disk = disk(&store);
    let client = disk.connect("")?;
    client.pwrite(0, b"x")?;
    store.loses_answers.store(true, Relaxed);
    client.flush().unwrap_err();
    assert!(store.object(FIRST).is_some());
    store.loses_answers.store(false, Relaxed);
    // As far as the disk knows, the block never existed, but it has to be deleted.
    client.trim(0, 4096)?;
    client.flush()?;
    assert_eq!(store.object(FIRST), None);
    Ok(())
}

#[test]
fn reads_do_not_wait_for_puts() -> Result<(), Failure> {
    let store = Faulty::new();
    store.set("blocks/000000000000/009", vec![9; 4096]);
    store.set("manifest", "format 1\nsize 262144\nblock 4096\n");
    let disk = command(&store).ready()?;
    let client = disk.connect("")?;
    store.holds.store(true, Relaxed);
    // More blocks than there can be puts at once.
    for block in 10..50 {
        client.pwrite(block * BLOCK, &[8; 4096])?;
    }
    thread::scope(|scope| {
        let flush = scope.spawn(|| client.flush());
        store.wait_for_held(16);
        assert_eq!(client.pread(10 * BLOCK, 2)?, [8; 2]);
        assert_eq!(client.pread(9 * BLOCK, 2)?, [9; 2]);
        // Even a write to a block that is being put succeeds.
        client.pwrite(10 * BLOCK, b"new")?;
        assert_eq!(client.pread(10 * BLOCK, 4)?, *b"new\x08");
        assert!(!flush.is_finished());
        store.holds.store(false, Relaxed);
        flush.join().unwrap()
    })?;
    client.flush()?;
    assert_eq!(store.object("blocks/000000000000/010").unwrap()[..4], *b"new\x08");
    Ok(())
}

#[test]
fn memory_is_bounded() -> Result<(), Failure> {
    let store = Faulty::new();
    let disk = command(&store).config("size", "1M").config("cache", "16K").ready()?;
    let client = disk.connect("")?;
    for block in 0..100 {
        client.pwrite(block * BLOCK, &[1; 4096])?;
        assert!(store.requests("put") + 4 > block, "{block}");
    }
    // Memory has no room for a fifth dirty block.
    store.is_gone.store(true, Relaxed);
    let writes = (200..210).map(|block| client.pwrite(block * BLOCK, b"x"));
    assert!(writes.filter(Result::is_ok).count() <= 4);
    store.is_gone.store(false, Relaxed);
    client.flush()?;
    // Requests larger than the memory do not deadlock over its places.
    thread::scope(|scope| {
        let writes = [0, 1, 2, 3, 4, 5].map(|byte| {
            let client = &client;
            scope.spawn(move || client.pwrite_with(0, &[byte; 9 * 4096], Flags::FUA))
        });
        writes.into_iter().try_for_each(|write| write.join().unwrap())
    })
}

#[test]
fn reads_survive_concurrent_puts_and_deletes() -> Result<(), Failure> {
    let store = Faulty::new();
    let disk = command(&store).config("size", "64K").config("cache", "4K").ready()?;
    let goes_on = AtomicBool::new(true);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let client = disk.connect("").unwrap();
                while goes_on.load(Relaxed) {
                    let read = client.pread(0, 4096).expect("a read");
                    assert!([0, 7].contains(&read[0]) && read.iter().all(|byte| *byte == read[0]));
                }
            });
        }
        let client = disk.connect("")?;
        let changed = (0..300).try_for_each(|_| {
            client.pwrite_with(0, &[7; 4096], Flags::FUA)?;
            // This takes the only place in memory.
            client.pwrite_with(BLOCK, &[8; 4096], Flags::FUA)?;
            client.trim_with(0, 4096, Flags::FUA)?;
            client.pwrite_with(BLOCK, &[9; 4096], Flags::FUA)
        });
        goes_on.store(false, Relaxed);
        changed
    })
}

#[test]
fn an_object_that_someone_else_deleted_is_an_error() -> Result<(), Failure> {
    let store = Faulty::new();
    let disk = disk(&store);
    let client = disk.connect("")?;
    client.pwrite_with(0, b"x", Flags::FUA)?;
    // Fill other blocks too, and restart, so that memory has none of them.
    for block in 1..16 {
        client.pwrite_with(block * BLOCK, b"y", Flags::FUA)?;
    }
    drop(client);
    drop(disk);
    let disk = command(&store).ready()?;
    let client = disk.connect("")?;
    client.pread(BLOCK, 1)?;
    store.set(FIRST, vec![1; 100]);
    let failure = client.pread(0, 4096).unwrap_err();
    let expected = "pread: get blocks/000000000000/000: found 100 bytes, expected 4096";
    assert_eq!(failure.logged(), [expected]);
    store.remove(FIRST);
    let failure = client.pread(0, 1).unwrap_err();
    assert_eq!(failure.logged(), ["pread: blocks/000000000000/000 was there, and is gone"]);
    Ok(())
}

#[test]
fn parameters_have_to_agree_with_the_manifest() {
    let store = Faulty::new();
    let failure = |command: Command| command.ready().expect_err("refused").to_string();
    assert!(failure(command(&store)).ends_with("there is no disk; size= makes one"));
    drop(disk(&store));
    assert_eq!(store.object("manifest").unwrap(), b"format 1\nsize 65536\nblock 4096\n");
    drop(disk(&store));
    let other = failure(command(&store).config("size", "1M"));
    assert!(other.ends_with("size=1048576: the disk was made with size=65536"), "{other}");
    let other = failure(command(&store).config("block", "8K"));
    assert!(other.ends_with("block=8192: the disk was made with block=4096"), "{other}");
    let small = failure(command(&store).config("cache", "1K"));
    assert!(small.ends_with("cache=1024: a block has 4096"), "{small}");
    let nowhere = failure(command(&store).config("cache_directory", "/no/such"));
    assert!(nowhere.contains("cache_directory=/no/such: No such file"), "{nowhere}");
    store.set("manifest", "format 2\n");
    let newer = failure(command(&store));
    assert!(newer.ends_with("the disk has format 2, this plugin knows 1"), "{newer}");
    store.set("manifest", "format 1\nsize 1\nblock 3\n");
    assert!(failure(command(&store)).ends_with("the manifest has block 3"));

    let store = Faulty::new();
    store.set(FIRST, vec![1; 4096]);
    let used = failure(command(&store).config("size", "1M"));
    assert!(used.ends_with("no manifest: this place is not empty"), "{used}");
}

#[test]
fn bad_parameters_are_refused() {
    let refused = |key: &str, value: &str| {
        let command = Nbdkit::of::<Shared<ObjectStore>>().config("url", "test://none");
        command.config(key, value).ready().expect_err("it is refused").to_string()
    };
    assert!(refused("block", "5000").contains("block=5000: expected a power of two"));
    assert!(refused("block", "64M").contains("expected a power of two from 4K to 32M"));
    assert!(refused("size", "0").contains("size=0: a disk has at least one byte"));
    assert!(refused("sise", "1M").contains("unknown parameter sise="));
    assert!(refused("lease", "1ms").contains("lease=: expected at least 100ms"));
    assert!(refused("url", "ftp://x/y").contains("url=ftp://x/y: Unable to recognise"));
    let none = Nbdkit::of::<Shared<ObjectStore>>().ready().expect_err("it is refused");
    assert!(none.to_string().contains("the url= parameter is missing"));
}
