//! Disks against plain memory.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::config;
use crate::script::store::disk::{PAGE, REGION};
use crate::script::store::{Disk, Part};
use crate::values::{Extent, ExtentType};

/// How many bytes of a disk the model covers. Everything before them stays a hole.
const WINDOW: u64 = 3 * REGION + 12345;

#[derive(Debug, Clone, Copy)]
enum Request {
    Read,
    Write(u8),
    Zero,
    Extents,
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        3 => any::<u8>().prop_map(Request::Write),
        2 => Just(Request::Zero),
        2 => Just(Request::Read),
        1 => Just(Request::Extents),
    ]
}

/// An offset or a length, often at or next to the border of a page or a region.
fn amount() -> impl Strategy<Value = u64> {
    let border = (0..4_u64, 0..3_u64).prop_map(|(n, beside)| (n * PAGE + beside).saturating_sub(1));
    let region =
        (0..4_u64, 0..3_u64).prop_map(|(n, beside)| (n * REGION + beside).saturating_sub(1));
    prop_oneof![0..WINDOW, 0..2000_u64, border, region]
}

fn size() -> impl Strategy<Value = u64> {
    prop_oneof![Just(WINDOW), Just(0), Just(1), Just(PAGE), Just(i64::MAX as u64), 1..WINDOW,]
}

/// Plain memory, and the pages that have been written to.
struct Model {
    begin: u64,
    bytes: Vec<u8>,
    pages: BTreeSet<u64>,
}

impl Model {
    fn new(size: u64) -> Self {
        let length = size.min(WINDOW);
        Model { begin: size - length, bytes: vec![0; length as usize], pages: BTreeSet::new() }
    }

    fn part(&mut self, offset: u64, count: u64) -> &mut [u8] {
        let begin = (offset - self.begin) as usize;
        &mut self.bytes[begin..begin + count as usize]
    }

    fn write(&mut self, data: &[u8], offset: u64) {
        self.part(offset, data.len() as u64).copy_from_slice(data);
        self.pages.extend(pages(offset, data.len() as u64));
    }

    fn zero(&mut self, offset: u64, count: u64, size: u64) {
        self.part(offset, count).fill(0);
        let end = offset + count;
        self.pages.retain(|page| {
            let begins_before = *page * PAGE < offset;
            begins_before || (*page * PAGE).saturating_add(PAGE).min(size) > end
        });
    }

    fn extents(&self, offset: u64, count: u64) -> Vec<Extent> {
        let mut found: Vec<Extent> = Vec::new();
        for page in pages(offset, count) {
            let from = (page * PAGE).max(offset);
            let to = (page * PAGE).saturating_add(PAGE).min(offset + count);
            let hole = !self.pages.contains(&page);
            let extent_type =
                if hole { ExtentType::HOLE | ExtentType::ZERO } else { ExtentType::empty() };
            match found.last_mut() {
                Some(last) if last.extent_type == extent_type => last.length += to - from,
                _ => found.push(Extent { offset: from, length: to - from, extent_type }),
            }
        }
        found
    }
}

fn pages(offset: u64, count: u64) -> impl Iterator<Item = u64> {
    let after = if count == 0 { offset / PAGE } else { (offset + count - 1) / PAGE + 1 };
    offset / PAGE..after
}

fn read(disk: &Disk, offset: u64, count: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let take = |part: Part<'_>| {
        match part {
            Part::Data(data) => bytes.extend_from_slice(data),
            Part::Hole(count) => bytes.resize(bytes.len() + count, 0),
        }
        Ok(())
    };
    disk.read(offset, count, take).expect("inside of the disk");
    bytes
}

/// Bytes that are not all the same, so that misplaced ones show.
fn bytes(first: u8, count: u64) -> Vec<u8> {
    (0..count).map(|n| first.wrapping_add((n / 7) as u8)).collect()
}

/// Makes the same request to the disk and to the model.
fn ask(
    disk: &Disk,
    model: &mut Model,
    request: Request,
    offset: u64,
    count: u64,
) -> Result<(), TestCaseError> {
    match request {
        Request::Read => {
            prop_assert!(read(disk, offset, count) == model.part(offset, count));
        }
        Request::Write(byte) => {
            let data = bytes(byte, count);
            prop_assert!(disk.write(&data, offset).is_ok());
            model.write(&data, offset);
        }
        Request::Zero => {
            prop_assert!(disk.zero(offset, count).is_ok());
            model.zero(offset, count, disk.size());
        }
        Request::Extents => {
            let found = disk.extents(offset, count).expect("inside of the disk");
            prop_assert_eq!(found, model.extents(offset, count));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(32))]

    #[test]
    fn a_disk_behaves_like_plain_memory(
        size in size(),
        requests in vec((request(), amount(), amount()), 1..30),
    ) {
        let disk = Disk::new(size).expect("not too large");
        let mut model = Model::new(size);
        let length = model.bytes.len() as u64;
        for (request, from, count) in requests {
            let from = from.min(length);
            let count = count.min(length - from);
            let offset = model.begin + from;
            ask(&disk, &mut model, request, offset, count)?;
        }
        prop_assert!(read(&disk, model.begin, length) == model.bytes);
        let extents = disk.extents(model.begin, length).expect("all of it");
        prop_assert_eq!(extents, model.extents(model.begin, length));
    }

    #[test]
    fn a_range_that_is_not_inside_a_disk_changes_nothing(
        size in 1..3 * PAGE,
        offset in prop_oneof![amount(), (0..3_u64).prop_map(|n| u64::MAX - n)],
        past in 1..5000_u64,
    ) {
        let disk = Disk::new(size).expect("not too large");
        let content = bytes(1, size);
        prop_assert!(disk.write(&content, 0).is_ok());
        let count = past.saturating_add(size.saturating_sub(offset));
        prop_assert!(disk.write(&vec![7; count as usize], offset).is_err());
        prop_assert!(disk.zero(offset, count).is_err());
        prop_assert!(disk.zero(offset, u64::MAX).is_err());
        prop_assert!(disk.extents(offset, count).is_err());
        prop_assert!(disk.read(offset, count, |_| Ok(())).is_err());
        prop_assert!(read(&disk, 0, size) == content);
    }

    // Each thread has its own bytes, in pages that it shares with others.
    #[test]
    fn threads_do_not_disturb_each_other(
        requests in vec(vec((request(), 0..70_000_u64, 0..70_000_u64), 1..30), 2..5),
    ) {
        const EACH: u64 = 70_001;
        let disk = &Disk::new(EACH * requests.len() as u64).expect("not too large");
        let results: Vec<Result<(), TestCaseError>> = std::thread::scope(|scope| {
            let work = |(number, requests): (usize, Vec<(Request, u64, u64)>)| {
                let begin = number as u64 * EACH;
                let bytes = vec![0; EACH as usize];
                let mut own = Model { begin, bytes, pages: BTreeSet::new() };
                scope.spawn(move || {
                    for (request, from, count) in requests {
                        // Other threads decide as well which pages exist.
                        if matches!(request, Request::Extents) {
                            continue;
                        }
                        ask(disk, &mut own, request, begin + from, count.min(EACH - from))?;
                    }
                    prop_assert!(read(disk, begin, EACH) == own.bytes);
                    Ok(())
                })
            };
            let threads: Vec<_> = requests.into_iter().enumerate().map(work).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        for result in results {
            result?;
        }
    }
}
