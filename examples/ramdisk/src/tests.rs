//! The disk as a client sees it, without a server: nbdkit is in the test's own process.

use std::thread;

use nbdkit_script::errno;
use nbdkit_script_test::{Failure, Nbdkit};

use super::*;

/// A disk of this size, and no client yet.
fn disk(size: &str) -> Nbdkit {
    Nbdkit::of::<Shared<RamDisk>>().config("size", size).ready().expect("the disk starts")
}

/// Extents as `(offset, length, is data)`.
fn map(extents: Vec<Extent>) -> Vec<(u64, u64, bool)> {
    extents.into_iter().map(|e| (e.offset, e.length, e.extent_type.is_empty())).collect()
}

#[test]
fn what_is_written_is_read_by_every_client() -> Result<(), Failure> {
    let disk = disk("1M");
    let (one, other) = (disk.connect("")?, disk.connect("")?);
    assert_eq!(one.size(), 1 << 20);
    assert_eq!(one.pread(0, 8)?, [0; 8]);
    // Across a border between two pages.
    one.pwrite(PAGE - 2, b"abcd")?;
    assert_eq!(other.pread(PAGE - 3, 6)?, b"\0abcd\0");
    other.pwrite_with((1 << 20) - 1, b"z", Flags::FUA)?;
    assert_eq!(one.pread((1 << 20) - 1, 1)?, b"z");
    one.flush()?;
    assert_eq!(disk.errors(), [""; 0]);
    Ok(())
}

#[test]
fn a_client_is_offered_all_of_it() -> Result<(), Failure> {
    let disk = disk("64K");
    let offers = disk.connect("")?.offers();
    assert!(offers.write && offers.flush && offers.trim && offers.native_zero && offers.fast_zero);
    assert!(offers.multi_conn && offers.extents && !offers.rotational);
    assert_eq!((offers.fua, offers.cache), (2, 2));
    Ok(())
}

#[test]
fn pages_that_are_not_there_are_holes() -> Result<(), Failure> {
    let disk = disk("128K");
    let client = disk.connect("")?;
    let size = 4 * PAGE as u32;
    assert_eq!(map(client.extents(0, size)?), [(0, 4 * PAGE, false)]);

    client.pwrite(PAGE + 5, b"x")?;
    let written = [(0, PAGE, false), (PAGE, PAGE, true), (2 * PAGE, 2 * PAGE, false)];
    assert_eq!(map(client.extents(0, size)?), written);
    assert_eq!(map(client.extents_with(0, size, Flags::REQ_ONE)?), written[..1]);

    // Of a page that is zeroed in part, the rest stays.
    client.zero(PAGE, PAGE as u32 - 1)?;
    assert_eq!(client.pread(PAGE + 5, 1)?, [0]);
    assert_eq!(map(client.extents(0, size)?), written);
    client.trim(PAGE, PAGE as u32)?;
    assert_eq!(map(client.extents(0, size)?), [(0, 4 * PAGE, false)]);
    Ok(())
}

#[test]
fn threads_may_share_a_client() -> Result<(), Failure> {
    let disk = disk("1M");
    assert_eq!(disk.thread_model(), ThreadModel::Parallel);
    let client = disk.connect("")?;
    thread::scope(|scope| {
        for number in 0..8_u8 {
            let client = &client;
            scope.spawn(move || {
                let offset = u64::from(number) * 1000;
                for round in 0..50 {
                    let data = [number ^ round; 1000];
                    client.pwrite(offset, &data).expect("a write");
                    assert_eq!(client.pread(offset, 1000).expect("a read"), data);
                }
            });
        }
    });
    Ok(())
}

#[test]
fn with_r_it_is_read_only() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<RamDisk>>().argument("1M").readonly().ready()?;
    let client = disk.connect("")?;
    assert!(!client.offers().write);
    assert_eq!(client.pwrite(0, b"x").unwrap_err().errno(), errno::EPERM);
    Ok(())
}

#[test]
fn a_client_that_leaves_is_noted() -> Result<(), Failure> {
    let disk = disk("1M");
    let client = disk.connect("")?;
    client.pread(0, 1)?;
    client.cache(0, 1)?;
    drop(client);
    assert_eq!(disk.debug_messages(), ["ramdisk: a client is gone after 2 requests"]);
    Ok(())
}

#[test]
fn sizes() -> Result<(), Failure> {
    for (text, size) in [("0", 0), ("1", 1), ("512", 512), ("3K", 3 << 10), ("2G", 2 << 30)] {
        assert_eq!(disk(text).connect("")?.size(), size);
    }
    Ok(())
}

#[test]
fn parameters_that_will_not_do() {
    let refused = |key, value| {
        let command = Nbdkit::of::<Shared<RamDisk>>().config(key, value);
        command.ready().expect_err("it is refused").to_string()
    };
    for (size, why) in [
        ("", "could not parse size string ()"),
        ("-1", "size cannot be negative (-1)"),
        ("9999999999G", "overflow computing size (9999999999G)"),
        ("much", "could not parse size string (much)"),
    ] {
        assert_eq!(refused("size", size), format!("config size={size}: config: size: {why}"));
    }
    assert_eq!(
        refused("sise", "1M"),
        "config sise=1M: config: unknown parameter sise=: expected size= (did you mean size=?)"
    );
    let none = Nbdkit::of::<Shared<RamDisk>>().ready().expect_err("there is no size");
    assert_eq!(none.to_string(), "config_complete: the size= parameter is missing");
}

#[test]
fn the_last_size_counts() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<RamDisk>>().argument("1M").config("size", "2M").ready()?;
    assert_eq!(disk.connect("")?.size(), 2 << 20);
    Ok(())
}

#[test]
fn a_range_is_split_at_pages() {
    let parts: Vec<_> = split(PAGE - 1, PAGE + 2).collect();
    let page = PAGE as usize;
    assert_eq!(parts, [(0, page - 1..page), (1, 0..page), (2, 0..1)]);
}
