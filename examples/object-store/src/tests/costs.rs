//! How many requests to the store each client request costs.

use std::collections::HashSet;

use bytes::Bytes;

use super::model::Random;
use super::*;

#[test]
fn whole_blocks_need_no_get_and_parts_are_got_by_range() -> Result<(), Failure> {
    let store = Faulty::new();
    let disk = disk(&store);
    let client = disk.connect("")?;
    let gets = store.requests("get");
    // Write a whole block in small pieces, out of order.
    for piece in [3_u64, 0, 2, 1] {
        client.pwrite(piece * 1024, &[5; 1024])?;
    }
    client.pwrite(4 * BLOCK, &[6; 8192])?;
    client.flush()?;
    assert_eq!((store.requests("get"), store.requests("put")), (gets, 3));
    drop(client);
    drop(disk);

    let disk = command(&store).ready()?;
    let client = disk.connect("")?;
    let (gets, got) = (store.requests("get"), store.got.load(Relaxed));
    assert_eq!(client.pread(100, 50)?, [5; 50]);
    assert_eq!((store.requests("get") - gets, store.got.load(Relaxed) - got), (1, 50));
    // A block that was read ahead needs no get.
    client.cache(0, 8192)?;
    client.pread(0, 4096)?;
    assert_eq!(store.requests("get") - gets, 2);
    // Only the end of the block is missing.
    client.pwrite(4 * BLOCK, &[7; 4000])?;
    let got = store.got.load(Relaxed);
    client.flush()?;
    assert_eq!(store.got.load(Relaxed) - got, 96);
    Ok(())
}

/// The plugin never lists all blocks: a start needs as many requests for 5000 blocks as for none.
#[test]
fn a_start_costs_the_same_for_any_number_of_blocks() -> Result<(), Failure> {
    let requests = [0, 10, 5000].map(|blocks| {
        let store = Faulty::new();
        store.set("manifest", "format 1\nsize 1099511627776\nblock 4096\n");
        for block in 0..blocks {
            store.set(&groups::name(block), vec![1; 4096]);
        }
        // The first server has no earlier writer to look at.
        drop(command(&store).ready().unwrap());
        let before = store.all_requests();
        let disk = command(&store).ready().unwrap();
        let start = store.all_requests() - before;
        let client = disk.connect("").unwrap();
        client.pread(0, 512).unwrap();
        let read = store.all_requests() - before - start;
        // One list covers a thousand blocks, and is never repeated.
        let lists = store.requests("list");
        for _ in 0..2 {
            client.extents(0, 4096 << 12).unwrap();
            assert_eq!(store.requests("list") - lists, 4);
        }
        (start, read)
    });
    eprintln!("requests at a start and for a read: {requests:?}");
    assert_eq!(requests.map(|(start, _)| start), [10; 3]);
    assert_eq!(requests.map(|(_, read)| read), [1, 2, 2]);
    Ok(())
}

/// Counts the workloads in README.md, with blocks of 1 MiB and a disk of 64 MiB.
#[test]
fn some_workloads_cost_what_the_readme_says() -> Result<(), Failure> {
    let store = Faulty::new();
    let command = || Nbdkit::of::<Shared<ObjectStore>>().argument(store.address());
    let count = |what: &str,
                 client: &Client<'_>,
                 requests: u64,
                 load: &dyn Fn(&Client<'_>, u64)| {
        let names = ["get", "put", "delete", "list"];
        let before = names.map(|name| store.requests(name));
        for request in 0..requests {
            load(client, request);
        }
        client.flush().unwrap();
        let counts: Vec<u64> =
            names.iter().zip(before).map(|(name, count)| store.requests(name) - count).collect();
        eprintln!("{requests} requests, {what}: {counts:?} of {names:?}");
        counts
    };
    let (kib, mib) = (1 << 10, 1 << 20);
    let disk = command().config("size", "64M").config("lease", "3600").ready()?;
    let client = disk.connect("")?;
    let copied = count("a copy in pieces of 256 KiB", &client, 256, &|client, number| {
        client.pwrite(number * 256 * kib, &vec![1; 256 << 10]).unwrap();
    });
    // On a slow machine, a block may be put before its last piece arrives, and again after it.
    assert!(copied[0] == 0 && (64..=256).contains(&copied[1]) && copied[3] == 1, "{copied:?}");
    drop(client);
    drop(disk);

    let disk = command().config("lease", "3600").ready()?;
    let client = disk.connect("")?;
    let random = std::sync::Mutex::new(Random(1));
    let anywhere = |limit| random.lock().unwrap().below(limit) * 4 * kib;
    let read = count("reads of 64 KiB, in order", &client, 1024, &|client, number| {
        client.pread(number * 64 * kib, 64 << 10).unwrap();
    });
    assert_eq!(read, [1024, 0, 0, 1]);
    let read = count("reads of 4 KiB, anywhere", &client, 1000, &|client, _| {
        client.pread(anywhere(16384), 4096).unwrap();
    });
    assert_eq!(read, [1000, 0, 0, 0]);
    let near = count("writes of 4 KiB within 8 MiB", &client, 1000, &|client, _| {
        client.pwrite(anywhere(2048), &[2; 4096]).unwrap();
    });
    assert!(near[0] <= 8 && near[1] < 500, "{near:?}");
    let far = count("writes of 4 KiB, anywhere", &client, 1000, &|client, _| {
        client.pwrite(anywhere(16384), &[3; 4096]).unwrap();
    });
    assert!(far[1] <= 1000 && far[0] <= far[1], "{far:?}");
    let trimmed = count("a trim of all", &client, 1, &|client, _| {
        client.trim(0, 64 * mib as u32).unwrap();
    });
    assert_eq!(trimmed, [0, 0, 64, 0]);
    Ok(())
}

/// The table in README.md: on a full disk with blocks of 64 KiB, 2000 writes of 4 KiB at random and
/// then as many reads.
#[test]
fn a_write_costs_at_most_a_get_and_a_put_whatever_the_sizes() -> Result<(), Failure> {
    const REQUESTS: u64 = 2000;
    let block = Bytes::from(vec![1; 64 << 10]);
    for size in [16_u64, 64, 256, 1024] {
        for cache in [4, 16, 64] {
            let store = Faulty::new();
            store.set("manifest", format!("format 1\nsize {}\nblock 65536\n", size << 20));
            for number in 0..size * 16 {
                store.set(&groups::name(number), block.clone());
            }
            let command = Nbdkit::of::<Shared<ObjectStore>>().argument(store.address());
            let command = command.config("cache", format!("{cache}M")).config("lease", "3600");
            let disk = command.ready()?;
            let client = disk.connect("")?;
            let mut random = Random(size);
            let mut offset = || random.below(size << 8) << 12;
            let mut touched = HashSet::new();
            let count = || ["get", "put", "list"].map(|name| store.requests(name));
            let before = count();
            for _ in 0..REQUESTS {
                let offset = offset();
                touched.insert(offset >> 16);
                client.pwrite(offset, &[2; 4096])?;
            }
            client.flush()?;
            let written = count();
            let mut elsewhere = 0;
            for _ in 0..REQUESTS {
                let offset = offset();
                elsewhere += u64::from(!touched.contains(&(offset >> 16)));
                client.pread(offset, 4096)?;
            }
            let read = count();
            let [gets, puts, lists] = [0, 1, 2].map(|at| written[at] - before[at]);
            let [got, put, listed] = [0, 1, 2].map(|at| read[at] - written[at]);
            eprintln!(
                "disk {size} MiB, cache {cache} MiB, {REQUESTS} writes: {gets} gets, {puts} puts; \
                 {REQUESTS} reads: {got} gets; lists: {}",
                lists + listed
            );
            assert!(gets <= puts && puts <= REQUESTS, "{gets} gets, {puts} puts");
            assert!(got <= REQUESTS && put == 0, "{got} gets, {put} puts");
            if size <= cache {
                // All that was written is in memory.
                assert_eq!((gets, got), (touched.len() as u64, elsewhere));
            }
            // Each list covers a thousand blocks.
            assert!(lists + listed <= (size * 16).div_ceil(1000), "{lists} and {listed} lists");
        }
    }
    Ok(())
}
