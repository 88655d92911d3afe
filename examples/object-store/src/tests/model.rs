//! Random requests from several clients, checked against a model of what the disk may contain, even
//! after the server has ended in the middle of them, and while the store fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use nbdkit_script_test::Client;

use super::faulty::Faulty;
use super::*;

/// First come pieces of 1000 bytes, then a whole block for each client. The last block is short.
const SIZE: u64 = (WHOLE + CLIENTS - 1) * BLOCK + 1000;
const WHOLE: u64 = 16;
const CLIENTS: u64 = 4;

/// The bytes that one client writes: pieces of the disk. Different clients' pieces share blocks.
struct Region {
    client: u64,
    random: Random,
    /// For each byte of the disk, every value that the store may have: the value at the end of the
    /// last flush, and all values written since. A read sees the last one.
    bytes: Vec<Vec<u8>>,
}

/// The client that writes a byte.
fn owner(at: u64) -> u64 {
    if at < WHOLE * BLOCK { at / 1000 % CLIENTS } else { at / BLOCK - WHOLE }
}

#[derive(Debug, Default)]
struct Figures {
    requests: AtomicU64,
    failed: AtomicU64,
    flushes: AtomicU64,
    ends: AtomicU64,
}

/// xorshift64.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

impl Region {
    /// This client's whole block, or a random range in one of its pieces: each client in turn owns
    /// 1000 bytes.
    fn range(&mut self) -> (usize, usize) {
        if self.random.below(4) == 0 {
            let from = (WHOLE + self.client) * BLOCK;
            return (from as usize, BLOCK.min(SIZE - from) as usize);
        }
        let pieces = WHOLE * BLOCK / 1000;
        let piece = self.random.below(pieces / CLIENTS) * CLIENTS + self.client;
        let from = self.random.below(999);
        let count = 1 + self.random.below(999 - from);
        ((piece * 1000 + from) as usize, count as usize)
    }

    fn see(&mut self, client: &Client<'_>, (from, count): (usize, usize), figures: &Figures) {
        let read = loop {
            if let Ok(read) = client.pread(from as u64, count as u32) {
                break read;
            }
            figures.failed.fetch_add(1, Relaxed);
        };
        for (byte, at) in read.into_iter().zip(from..) {
            assert_eq!(byte, *self.bytes[at].last().unwrap(), "byte {at}");
        }
    }

    fn change(&mut self, client: &Client<'_>, zero: bool, fua: bool, figures: &Figures) {
        let (from, count) = self.range();
        let flags = if fua { Flags::FUA } else { Flags::empty() };
        let data: Vec<u8> = (0..count).map(|_| self.random.below(255) as u8 + 1).collect();
        let data = if zero { vec![0; count] } else { data };
        loop {
            // A failed attempt may have written some of the bytes.
            for (byte, at) in data.iter().zip(from..) {
                self.bytes[at].push(*byte);
            }
            figures.requests.fetch_add(1, Relaxed);
            let done = match zero {
                false => client.pwrite_with(from as u64, &data, flags),
                true if fua => client.zero_with(from as u64, count as u32, flags),
                true => client.trim(from as u64, count as u32),
            };
            if done.is_ok() {
                break;
            }
            figures.failed.fetch_add(1, Relaxed);
        }
        if fua {
            for bytes in &mut self.bytes[from..from + count] {
                bytes.drain(..bytes.len() - 1);
            }
        }
    }

    fn flush(&mut self, client: &Client<'_>, figures: &Figures) {
        while client.flush().is_err() {
            figures.failed.fetch_add(1, Relaxed);
        }
        figures.flushes.fetch_add(1, Relaxed);
        self.bytes.iter_mut().for_each(|bytes| drop(bytes.drain(..bytes.len() - 1)));
    }

    fn steps(&mut self, client: &Client<'_>, count: u64, figures: &Figures) {
        for _ in 0..count {
            match self.random.below(20) {
                0..8 => self.change(client, false, false, figures),
                8..10 => self.change(client, true, false, figures),
                10 => self.change(client, false, true, figures),
                11 => self.change(client, true, true, figures),
                12 => self.flush(client, figures),
                _ => {
                    let range = self.range();
                    self.see(client, range, figures);
                }
            }
        }
    }
}

/// In each round, starts a server, checks every byte, runs the clients, and ends the server, either
/// normally or between two puts. Returns the figures.
///
/// NBDKIT_SCRIPT_SEED=NUMBER in the environment selects other random requests.
fn run(seed: u64, rounds: u64, steps: u64, cache: &str, faults: impl Fn(&Arc<Faulty>)) -> Figures {
    let other = std::env::var("NBDKIT_SCRIPT_SEED").ok().and_then(|seed| seed.parse::<u64>().ok());
    let seed = seed + other.unwrap_or_default() * 1000;
    let objects = Faulty::new();
    let figures = Figures::default();
    let region = |client| Region {
        client,
        random: Random(seed * 77 + client + 1),
        bytes: vec![vec![0]; SIZE as usize],
    };
    let mut regions: Vec<Region> = (0..CLIENTS).map(region).collect();
    let mut random = Random(seed + 99);
    for round in 0..rounds {
        let store = objects.beside();
        let disk = command(&store).config("size", SIZE.to_string()).config("cache", cache);
        let disk = match seed % 2 {
            0 => disk,
            _ => disk.config("cache_directory", std::env::temp_dir()),
        };
        let disk = disk.ready().expect("the disk starts");
        let all = disk.connect("").unwrap().pread(0, SIZE as u32).unwrap();
        for (region, at) in regions.iter_mut().zip(0..) {
            for (byte, possible) in all
                .iter()
                .zip(&mut region.bytes)
                .enumerate()
                .filter_map(|(number, pair)| (owner(number as u64) == at).then_some(pair))
            {
                assert!(possible.contains(byte), "round {round}: {byte} is none of {possible:?}");
                *possible = vec![*byte];
            }
        }
        faults(&store);
        let crash = random.below(4) > 0;
        thread::scope(|scope| {
            for region in &mut regions {
                let (disk, figures) = (&disk, &figures);
                scope.spawn(move || {
                    region.steps(&disk.connect("").unwrap(), steps, figures);
                });
            }
        });
        if crash {
            // As if the process were killed: from now on nothing reaches the store.
            store.is_gone.store(true, Relaxed);
        } else {
            regions[0].flush(&disk.connect("").unwrap(), &figures);
            for region in &mut regions {
                region.bytes.iter_mut().for_each(|bytes| drop(bytes.drain(..bytes.len() - 1)));
            }
        }
        figures.ends.fetch_add(u64::from(crash), Relaxed);
        drop(disk);
        // A crashed server cannot release the disk. Without its record, nobody waits for its lease.
        objects.remove_all("writers");
    }
    figures
}

#[test]
fn random_requests_and_crashes_lose_nothing() {
    for (seed, cache) in [(1, "4K"), (2, "8K"), (3, "64K")] {
        let figures = run(seed, 12, 120, cache, |_| {});
        eprintln!("cache={cache}: {figures:?}, lost: 0");
        assert_eq!(figures.failed.into_inner(), 0);
    }
}

#[test]
fn a_store_that_fails_now_and_then_loses_nothing() {
    for every in [3, 7, 20] {
        let figures = run(every, 6, 100, "16K", |store| store.fails_every.store(every, Relaxed));
        eprintln!("one of {every} requests to the store fails: {figures:?}, lost: 0");
        assert!(figures.failed.into_inner() > 0);
    }
}

#[test]
fn a_slow_store_loses_nothing() {
    let figures = run(5, 3, 40, "12K", |store| store.slow.store(5, Relaxed));
    eprintln!("5 ms for a put: {figures:?}, lost: 0");
    assert_eq!(figures.failed.into_inner(), 0);
}

/// The clients keep trying until the store is back.
#[test]
fn a_store_that_is_gone_for_a_while_loses_nothing() {
    let figures = run(6, 2, 100, "16K", |store| {
        store.is_gone.store(true, Relaxed);
        let store = store.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            store.is_gone.store(false, Relaxed);
        });
    });
    eprintln!("gone for 300 ms: {figures:?}, lost: 0");
    assert!(figures.failed.into_inner() > 0);
}
