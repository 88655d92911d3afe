//! A sparse disk in memory.

use std::collections::BTreeMap;
use std::ops::{Deref, Range};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::error::{Error, Result};
use crate::memory;
use crate::system;
use crate::values::{Extent, ExtentType};

/// The unit of allocation, in bytes.
pub(super) const PAGE: u64 = 64 << 10;

/// How many bytes share one lock: more than most requests have, so that most take a single lock.
pub(super) const REGION: u64 = 1 << 20;

/// The number of locks, which the regions share.
const SHARDS: usize = 64;

/// How many bytes have to be freed before we return memory to the system, which takes a while.
const GIVE_BACK: usize = 16 << 20;

/// For the message when memory runs out.
const LIST: &str = "the list of extents";

type Pages = BTreeMap<u64, Box<[u8]>>;

/// A disk that only uses memory for what was written to it.
///
/// Any number of threads may use it. Each request is atomic, however long it is: no other request
/// sees or leaves a part of it. For that, it takes the locks of all its regions before it begins,
/// in the same order for all requests.
#[derive(Debug)]
pub struct Disk {
    size: u64,
    shards: Box<[RwLock<Pages>]>,
    /// Bytes freed since we last returned memory to the system.
    freed: AtomicUsize,
}

/// A part of a read range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Bytes.
    Data(&'a [u8]),
    /// A hole: this many zeroes.
    Hole(usize),
}

impl Disk {
    /// The largest size that nbdkit can express.
    pub const LARGEST: u64 = i64::MAX as u64;

    /// Makes an empty disk of `size` bytes.
    ///
    /// # Errors
    /// `EINVAL` if it is larger than [`Disk::LARGEST`].
    pub fn new(size: u64) -> Result<Self> {
        if size > Self::LARGEST {
            let message = format!("a disk of {size} bytes, expected at most {}", Self::LARGEST);
            return Err(Error::invalid(message));
        }
        let shards = (0..SHARDS).map(|_| RwLock::default()).collect();
        Ok(Disk { size, shards, freed: AtomicUsize::new(0) })
    }

    /// The size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Reads a range: calls `take` with each part, in order.
    ///
    /// # Errors
    /// `EINVAL` if the range is not inside the disk; those of `take`.
    pub fn read(
        &self,
        offset: u64,
        count: u64,
        mut take: impl FnMut(Part<'_>) -> Result<()>,
    ) -> Result<()> {
        self.check(offset, count)?;
        let locked = Locked::new(self, offset, count, read_lock);
        for (page, range) in split(offset, count) {
            take(match locked.pages(page).get(&page) {
                Some(bytes) => Part::Data(&bytes[range]),
                None => Part::Hole(range.len()),
            })?;
        }
        Ok(())
    }

    /// Writes `data` at `offset`.
    ///
    /// # Errors
    /// `EINVAL` if the range is not inside the disk; `ENOMEM` if there is no memory for the data,
    /// in which case nothing is written.
    pub fn write(&self, data: &[u8], offset: u64) -> Result<()> {
        let count = data.len() as u64;
        self.check(offset, count)?;
        let mut locked = Locked::new(self, offset, count, write_lock);
        // An empty range needs no page.
        let missing = |(page, range): &(u64, Range<usize>)| {
            !locked.pages(*page).contains_key(page) && !range.is_empty()
        };
        let new: Result<Vec<(u64, Box<[u8]>)>> = split(offset, count)
            .filter(missing)
            .map(|(page, _)| Ok((page, empty_page()?)))
            .collect();
        for (page, bytes) in new? {
            locked.pages_mut(page).insert(page, bytes);
        }
        let mut rest = data;
        for (page, range) in split(offset, count) {
            let (now, later) = rest.split_at(range.len());
            if let Some(bytes) = locked.pages_mut(page).get_mut(&page) {
                bytes[range].copy_from_slice(now);
            }
            rest = later;
        }
        Ok(())
    }

    /// Turns a range into a hole, which reads as zeroes. Frees the pages that lie entirely inside
    /// it.
    ///
    /// # Errors
    /// `EINVAL` if the range is not inside the disk.
    pub fn zero(&self, offset: u64, count: u64) -> Result<()> {
        self.check(offset, count)?;
        let mut freed = 0;
        {
            let mut locked = Locked::new(self, offset, count, write_lock);
            // We look at existing pages only: the range may be a PiB of holes.
            for (shard, pages) in locked.each_mut() {
                let first = offset / PAGE;
                let last = (offset + count).div_ceil(PAGE);
                let there: Vec<u64> = pages.range(first..last).map(|(page, _)| *page).collect();
                for page in there {
                    debug_assert_eq!(shard_of(page), shard);
                    let range = part_of(page, offset, offset + count);
                    if range == part_of(page, 0, self.size) {
                        pages.remove(&page);
                        freed += PAGE as usize;
                    } else if let Some(bytes) = pages.get_mut(&page) {
                        bytes[range].fill(0);
                    }
                }
            }
        }
        let freed_before = self.freed.fetch_add(freed, Ordering::Relaxed);
        if freed > 0 && freed_before + freed >= GIVE_BACK {
            self.freed.store(0, Ordering::Relaxed);
            system::give_memory_back();
        }
        Ok(())
    }

    /// Describes a range: data, and holes that read as zeroes.
    ///
    /// # Errors
    /// `EINVAL` if the range is not inside the disk; `ENOMEM`.
    pub fn extents(&self, offset: u64, count: u64) -> Result<Vec<Extent>> {
        self.check(offset, count)?;
        let locked = Locked::new(self, offset, count, read_lock);
        let (first, end) = (offset / PAGE, offset + count);
        let pages = || {
            let range = first..end.div_ceil(PAGE);
            locked.each().flat_map(move |pages| pages.range(range.clone()).map(|(page, _)| *page))
        };
        let mut there: Vec<u64> = Vec::new();
        memory::reserve(&mut there, pages().count(), LIST)?;
        there.extend(pages());
        there.sort_unstable();

        let mut extents: Vec<Extent> = Vec::new();
        let mut add = |from: u64, to: u64, extent_type| match extents.last_mut() {
            _ if from >= to => Ok(()),
            Some(last) if last.extent_type == extent_type => {
                last.length += to - from;
                Ok(())
            }
            _ => memory::push(
                &mut extents,
                Extent { offset: from, length: to - from, extent_type },
                LIST,
            ),
        };
        let hole = ExtentType::HOLE | ExtentType::ZERO;
        let mut done = offset;
        for page in there {
            let (from, to) = ((page * PAGE).max(offset), ((page + 1) * PAGE).min(end));
            add(done, from, hole)?;
            add(from, to, ExtentType::empty())?;
            done = to;
        }
        add(done, end, hole)?;
        Ok(extents)
    }

    fn check(&self, offset: u64, count: u64) -> Result<()> {
        if offset.checked_add(count).is_some_and(|end| end <= self.size) {
            return Ok(());
        }
        Err(Error::invalid(format!(
            "offset {offset} and {count} bytes from there are past the end of the disk, \
                 which has {} bytes",
            self.size
        )))
    }
}

/// A page of zeroes.
fn empty_page() -> Result<Box<[u8]>> {
    // A page is small enough to come from the reserve, which is not for anything that stays.
    memory::check()?;
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(PAGE as usize)
        .map_err(|_| memory::none_for("what is written to the disk"))?;
    bytes.resize(PAGE as usize, 0);
    Ok(bytes.into_boxed_slice())
}

fn read_lock(shard: &RwLock<Pages>) -> RwLockReadGuard<'_, Pages> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write_lock(shard: &RwLock<Pages>) -> RwLockWriteGuard<'_, Pages> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

fn shard_of(page: u64) -> usize {
    (page / (REGION / PAGE) % SHARDS as u64) as usize
}

/// The locks of all regions of a range, taken in the order of the shards.
struct Locked<G> {
    guards: Vec<(usize, G)>,
}

impl<G: Deref<Target = Pages>> Locked<G> {
    fn new<'a>(
        disk: &'a Disk,
        offset: u64,
        count: u64,
        lock: impl Fn(&'a RwLock<Pages>) -> G,
    ) -> Self {
        let first = offset / REGION;
        let regions = ((offset + count).div_ceil(REGION) - first).min(SHARDS as u64);
        let mut shards: Vec<usize> =
            (first..first + regions).map(|region| (region % SHARDS as u64) as usize).collect();
        shards.sort_unstable();
        Locked {
            guards: shards.into_iter().map(|shard| (shard, lock(&disk.shards[shard]))).collect(),
        }
    }

    fn index(&self, page: u64) -> usize {
        let shard = shard_of(page);
        self.guards.iter().position(|(locked, _)| *locked == shard).unwrap_or(0)
    }

    fn pages(&self, page: u64) -> &Pages {
        &self.guards[self.index(page)].1
    }

    fn each(&self) -> impl Iterator<Item = &Pages> {
        self.guards.iter().map(|(_, pages)| &**pages)
    }
}

impl Locked<RwLockWriteGuard<'_, Pages>> {
    fn pages_mut(&mut self, page: u64) -> &mut Pages {
        let index = self.index(page);
        &mut self.guards[index].1
    }

    fn each_mut(&mut self) -> impl Iterator<Item = (usize, &mut Pages)> {
        self.guards.iter_mut().map(|(shard, pages)| (*shard, &mut **pages))
    }
}

/// The pages that a range touches, with its part of each.
fn split(offset: u64, count: u64) -> impl Iterator<Item = (u64, Range<usize>)> {
    let end = offset + count;
    (offset / PAGE..end.div_ceil(PAGE)).map(move |page| (page, part_of(page, offset, end)))
}

/// The part of a page that lies between two offsets.
fn part_of(page: u64, from: u64, to: u64) -> Range<usize> {
    let start = page * PAGE;
    let part = from.max(start)..to.min(start + PAGE);
    (part.start - start) as usize..(part.end - start) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(disk: &Disk, offset: u64, count: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        disk.read(offset, count, |part| {
            match part {
                Part::Data(data) => bytes.extend_from_slice(data),
                Part::Hole(count) => bytes.resize(bytes.len() + count, 0),
            }
            Ok(())
        })
        .unwrap();
        bytes
    }

    #[test]
    fn a_huge_disk_takes_no_effort() {
        let disk = Disk::new(i64::MAX as u64).unwrap();
        disk.write(b"end", i64::MAX as u64 - 3).unwrap();
        disk.zero(0, i64::MAX as u64 - 3).unwrap();
        assert_eq!(read(&disk, i64::MAX as u64 - 4, 4), b"\0end");
        let extents = disk.extents(0, i64::MAX as u64).unwrap();
        assert_eq!(extents.len(), 2);
        assert_eq!(extents[0].extent_type, ExtentType::HOLE | ExtentType::ZERO);
    }

    #[test]
    fn a_short_last_page_is_freed_too() {
        let disk = Disk::new(PAGE + 100).unwrap();
        disk.write(b"x", PAGE + 99).unwrap();
        disk.zero(PAGE, 99).unwrap();
        assert_eq!(disk.extents(0, PAGE + 100).unwrap().len(), 2);
        disk.zero(PAGE, 100).unwrap();
        assert_eq!(disk.extents(0, PAGE + 100).unwrap().len(), 1);
    }

    #[test]
    fn requests_past_the_end_are_refused() {
        let disk = Disk::new(100).unwrap();
        assert!(disk.write(b"ab", 99).is_err());
        assert!(disk.zero(0, 101).is_err());
        assert!(disk.read(u64::MAX, 1, |_| Ok(())).is_err());
        assert_eq!(disk.extents(101, 0).unwrap_err().errno(), libc::EINVAL);
        assert!(disk.write(b"", 100).is_ok());
    }

    #[test]
    fn empty_writes_allocate_nothing() {
        let disk = Disk::new(2 * PAGE).unwrap();
        for offset in [0, 1, PAGE - 1, PAGE, 2 * PAGE] {
            disk.write(b"", offset).unwrap();
        }
        assert_eq!(disk.extents(0, 2 * PAGE).unwrap().len(), 1);
    }

    #[test]
    fn a_disk_cannot_be_larger_than_nbdkit_can_express() {
        for size in [Disk::LARGEST + 1, u64::MAX] {
            assert_eq!(Disk::new(size).unwrap_err().errno(), libc::EINVAL);
        }
    }

    #[test]
    fn locks_are_taken_in_one_order_wherever_a_range_begins() {
        let disk = Disk::new(200 * REGION).unwrap();
        for (first, regions) in [(0, 3), (60, 10), (63, 2), (100, 64), (5, 150)] {
            let taken = std::cell::RefCell::new(Vec::new());
            let lock = |shard| {
                taken.borrow_mut().push(std::ptr::from_ref(shard));
                read_lock(shard)
            };
            let locked = Locked::new(&disk, first * REGION, regions * REGION, lock);
            assert_eq!(locked.guards.len() as u64, regions.min(SHARDS as u64));
            // The shards are adjacent in memory, so ascending addresses mean ascending numbers.
            assert!(taken.borrow().is_sorted(), "{first}, {regions}");
        }
    }

    #[test]
    fn overlapping_writes_never_tear() {
        const SIZE: u64 = 3 * REGION;
        let disk = &Disk::new(SIZE).unwrap();
        std::thread::scope(|scope| {
            for thread in 1..=3 {
                scope.spawn(move || {
                    let data = vec![thread; SIZE as usize];
                    for _ in 0..50 {
                        disk.write(&data, 0).unwrap();
                    }
                });
            }
            scope.spawn(move || {
                for _ in 0..100 {
                    let bytes = read(disk, 0, SIZE);
                    assert!(bytes.iter().all(|byte| *byte == bytes[0]));
                }
            });
        });
    }
}
