//! The disk: what each request does to blocks in memory and in the store.

use std::ops::Range;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use nbdkit_script::{Error, Extent, ExtentType, Result, errno, host, memory};
use tokio::sync::{Notify, Semaphore};
use tokio::time::{sleep, timeout, timeout_at};

use crate::block::{Block, Part};
use crate::cache::{Cache, Numbered};
use crate::groups::{self, Groups, Presence};
use crate::manifest::Manifest;
use crate::owner::Owner;
use crate::store::Store;

/// How many requests to the store run at once: per read, and for all puts together.
const AT_A_TIME: usize = 16;
/// How long a block may be dirty before it is put without a flush.
const PATIENCE: Duration = Duration::from_secs(5);

/// A disk that the server serves.
#[derive(Debug)]
pub struct Disk {
    store: Store,
    pub manifest: Manifest,
    /// `None` on a read-only server.
    owner: Option<Owner>,
    cache: Cache,
    groups: Groups,
    puts: Semaphore,
    many_dirty: Arc<Notify>,
}

impl Disk {
    pub fn new(store: Store, manifest: Manifest, owner: Option<Owner>, cache: Cache) -> Disk {
        Disk {
            store,
            manifest,
            owner,
            cache,
            groups: Groups::default(),
            puts: Semaphore::new(AT_A_TIME),
            many_dirty: Arc::default(),
        }
    }

    pub async fn read(&self, offset: u64, count: u64) -> Result<Vec<Part>> {
        if let Some(owner) = &self.owner {
            owner.for_reading().await?;
        }
        let parts = self.manifest.split(offset, count);
        stream::iter(parts.map(|(number, range)| self.read_part(number, range)))
            .buffered(AT_A_TIME)
            .try_collect()
            .await
    }

    /// Does not wait for a put that is under way: the bytes are in memory.
    async fn read_part(&self, number: u64, range: Range<usize>) -> Result<Part> {
        // The cache of a read-only server is empty.
        if let Some(block) = self.cache.get(number) {
            let known = block.lock().read(range.clone());
            if let Some(part) = known {
                return Ok(part);
            }
            self.fetch(number, &block).await?;
            let part = block.lock().read(range);
            return Ok(part.ok_or("a block that was got is not known")?);
        }
        let length = range.len();
        let found = self.get(number, range).await?;
        Ok(found.map_or(Part::Zeroes(length), Part::Bytes))
    }

    /// Gets bytes from the store, or `None` for a hole.
    async fn get(&self, number: u64, range: Range<usize>) -> Result<Option<Bytes>> {
        memory::room_for(range.len(), "what the store sends")?;
        let name = groups::name(number);
        // Another request may delete the block and put it again before this one gets it.
        for _ in 0..10 {
            let presence = match &self.owner {
                Some(_) => self.groups.presence(&self.store, number).await?,
                None => Presence::Doubtful,
            };
            if presence == Presence::Absent {
                return Ok(None);
            }
            let found = self.store.get_range(&name, range.start as u64..range.end as u64).await?;
            if found.is_some() || presence == Presence::Doubtful {
                return Ok(found);
            }
        }
        Err(Error::msg(format!("{name} was there, and is gone")))
    }

    /// Makes all bytes of a block known.
    async fn fetch(&self, number: u64, block: &Block) -> Result<()> {
        let _transfer = block.transfer.lock().await;
        self.fill(number, block).await
    }

    /// Like `fetch`, for a caller that holds the block's `transfer`.
    async fn fill(&self, number: u64, block: &Block) -> Result<()> {
        let Some(gap) = block.lock().gap() else { return Ok(()) };
        let found = self.get(number, gap.clone()).await?;
        block.lock().fill(gap.start, found.as_deref())
    }

    pub async fn write(self: &Arc<Self>, offset: u64, mut data: &[u8], fua: bool) -> Result<()> {
        let owner = self.owner()?;
        owner.for_reading().await?;
        let mut written = Vec::new();
        for (number, range) in self.manifest.split(offset, data.len() as u64) {
            self.groups.presence(&self.store, number).await?;
            let block = self.block(number).await?;
            let (now, later) = data.split_at(range.len());
            block.lock().write(range, now)?;
            data = later;
            if fua {
                written.push(number);
            }
        }
        self.put_written(written).await
    }

    /// Writes zeroes. A block that becomes all zeroes becomes a hole.
    pub async fn zero(self: &Arc<Self>, offset: u64, count: u64, fua: bool) -> Result<()> {
        let owner = self.owner()?;
        owner.for_reading().await?;
        self.list_ahead(offset, count).await?;
        let mut written = Vec::new();
        for (number, range) in self.manifest.split(offset, count) {
            // In this order: if the block is put and dropped in between, `presence` knows of it.
            let in_memory = self.cache.get(number);
            let presence = self.groups.presence(&self.store, number).await?;
            let block = match in_memory {
                None if presence == Presence::Absent => continue,
                Some(block) => block,
                None => self.block(number).await?,
            };
            block.lock().zero(range)?;
            if fua {
                written.push(number);
            }
        }
        self.put_written(written).await
    }

    /// A block in memory. If the cache is full, puts a dirty block first.
    async fn block(self: &Arc<Self>, number: u64) -> Result<Arc<Block>> {
        loop {
            let block = self.cache.get_or_add(number, self.manifest.length(number));
            self.many_dirty.notify_one();
            if let Some(block) = block {
                return Ok(block);
            }
            // Drop the rest of the list, which would make its blocks look as if they were in use.
            let oldest = self.cache.dirty().into_iter().next();
            match oldest {
                Some(oldest) => self.put_all(vec![oldest]).await?,
                // Other requests use all of them, but only while they write to memory.
                None => sleep(Duration::from_millis(1)).await,
            }
        }
    }

    /// Puts blocks for FUA. Takes numbers, because a request must not hold blocks while it asks for
    /// more: several such requests would wait for each other's places in memory. A block that is
    /// no longer in memory has been put.
    async fn put_written(self: &Arc<Self>, numbers: Vec<u64>) -> Result<()> {
        let find = |number| Some((number, self.cache.get(number)?));
        self.put_all(numbers.into_iter().filter_map(find).collect()).await
    }

    /// Returns when the store has everything that was written before.
    pub async fn flush(self: &Arc<Self>) -> Result<()> {
        self.owner()?.for_reading().await?;
        self.put_all(self.cache.dirty()).await
    }

    /// Waits for all puts, even if one fails. The puts continue if the caller gives up: cancelling
    /// one would leave it uncertain what the store has.
    async fn put_all(self: &Arc<Self>, blocks: Vec<Numbered>) -> Result<()> {
        let puts: Vec<_> = blocks
            .into_iter()
            .map(|(number, block)| {
                // A write that comes after this is not part of the put.
                let version = block.lock().version();
                tokio::spawn(self.clone().put(number, block, version))
            })
            .collect();
        let (mut failures, count) = (Vec::new(), puts.len());
        for put in puts {
            match put.await {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => failures.push(failure),
                Err(panicked) => failures.push(panicked.into()),
            }
        }
        let failed = failures.len();
        let Some(first) = failures.into_iter().next() else { return Ok(()) };
        let of = format!("{failed} of {count} blocks are not in the store, and stay in memory");
        Err(first.context(of))
    }

    /// Puts a block, unless the store has this version or a later one.
    async fn put(self: Arc<Self>, number: u64, block: Arc<Block>, version: u64) -> Result<()> {
        let _transfer = block.transfer.lock().await;
        if block.lock().has_stored(version) {
            return Ok(());
        }
        let _place = self.puts.acquire().await?;
        self.fill(number, &block).await?;
        let end = self.owner()?.for_writing().await?;
        let before = self.groups.presence(&self.store, number).await?;
        let snapshot = block.lock().snapshot();
        let name = groups::name(number);
        if snapshot.bytes.is_none() && before == Presence::Present {
            // From now on a read may find the block gone.
            self.groups.set(number, Presence::Doubtful);
        }
        let (after, done) = match snapshot.bytes {
            None if before == Presence::Absent => (before, Ok(Ok(()))),
            None => (Presence::Absent, timeout_at(end, self.store.delete(&name)).await),
            Some(bytes) => (Presence::Present, timeout_at(end, self.store.put(&name, bytes)).await),
        };
        let done = done.map_err(|_| Error::msg(format!("{name}: no answer in time")));
        match done.and_then(|done| done) {
            Ok(()) => {
                tracing::debug!("{name} is {after:?}");
                self.groups.set(number, after);
                block.lock().stored(snapshot.version);
                Ok(())
            }
            Err(failure) => {
                if before != after {
                    self.groups.set(number, Presence::Doubtful);
                }
                Err(failure)
            }
        }
    }

    /// Reads blocks into memory before a client asks for them.
    pub async fn cache(self: &Arc<Self>, offset: u64, count: u64) -> Result<()> {
        self.owner()?.for_reading().await?;
        for (number, _) in self.manifest.split(offset, count) {
            let block = self.block(number).await?;
            self.fetch(number, &block).await?;
        }
        Ok(())
    }

    /// Asks for the groups of a range concurrently, rather than one after the other.
    async fn list_ahead(&self, offset: u64, count: u64) -> Result<()> {
        let blocks = offset / self.manifest.block..(offset + count).div_ceil(self.manifest.block);
        let groups = blocks.start / groups::GROUP..blocks.end.div_ceil(groups::GROUP);
        stream::iter(groups.map(|group| Ok(group * groups::GROUP)))
            .try_for_each_concurrent(AT_A_TIME, async |block| {
                self.groups.presence(&self.store, block).await.map(drop)
            })
            .await
    }

    pub async fn extents(&self, offset: u64, count: u64, only_one: bool) -> Result<Vec<Extent>> {
        // Clients ask again for the rest. With small blocks, all of it would take too long.
        let count = count.min(AT_A_TIME as u64 * groups::GROUP * self.manifest.block);
        if let Some(owner) = &self.owner {
            owner.for_reading().await?;
            if !only_one {
                self.list_ahead(offset, count).await?;
            }
        }
        let mut extents: Vec<Extent> = Vec::new();
        // A reader's answers from the store, good for this request only: a writer may change them.
        let mut ahead = Vec::new().into_iter();
        for (number, range) in self.manifest.split(offset, count) {
            let presence = match (&self.owner, self.cache.get(number)) {
                (Some(_), Some(block)) if block.lock().is_hole() => Presence::Absent,
                (Some(_), Some(_)) => Presence::Present,
                (Some(_), None) => self.groups.presence(&self.store, number).await?,
                (None, _) => match ahead.next() {
                    Some(presence) => presence,
                    None => {
                        ahead = groups::ahead(&self.store, number).await?.into_iter();
                        ahead.next().ok_or("a group is too short")?
                    }
                },
            };
            let extent_type = if presence == Presence::Absent {
                ExtentType::HOLE | ExtentType::ZERO
            } else {
                ExtentType::empty()
            };
            let length = range.len() as u64;
            match extents.last_mut() {
                Some(last) if last.extent_type == extent_type => last.length += length,
                Some(_) if only_one => break,
                _ => extents.push(Extent {
                    offset: number * self.manifest.block + range.start as u64,
                    length,
                    extent_type,
                }),
            }
        }
        Ok(extents)
    }

    fn owner(&self) -> Result<&Owner> {
        let readonly = || Error::new(errno::EROFS, "this server only reads the disk");
        self.owner.as_ref().ok_or_else(readonly)
    }

    /// Puts all dirty blocks, and releases the disk to the next writer. If a put fails, the store
    /// may still carry it out, so the next writer has to wait for the end of the lease.
    pub async fn end(self: &Arc<Self>) -> Result<()> {
        let Some(owner) = &self.owner else { return Ok(()) };
        self.flush().await?;
        owner.release().await
    }
}

/// Puts blocks in the background, until the disk is dropped.
pub async fn write_back(disk: Weak<Disk>, many_dirty: Arc<Notify>) {
    loop {
        let _ = timeout(Duration::from_secs(1), many_dirty.notified()).await;
        // Collect more writes first: looking for dirty blocks takes a while.
        sleep(Duration::from_millis(5)).await;
        let Some(disk) = disk.upgrade() else { return };
        let due = disk.cache.due(PATIENCE);
        if let Err(failure) = disk.put_all(due).await {
            host::error(&format!("in the background: {failure}"));
            if disk.owner.as_ref().is_none_or(Owner::is_lost) {
                return;
            }
            sleep(PATIENCE).await;
        }
    }
}

impl Disk {
    /// Starts the background puts.
    pub fn start(self: &Arc<Self>, runtime: &tokio::runtime::Handle) {
        if self.owner.is_some() {
            runtime.spawn(write_back(Arc::downgrade(self), self.many_dirty.clone()));
        }
    }
}
