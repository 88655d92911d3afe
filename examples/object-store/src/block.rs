//! A block in memory: which bytes are known, and whether the store has them.

use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use nbdkit_script::Result;
use rangemap::RangeSet;
use tokio::time::Instant;

use crate::backing::{Backing, Buffer};

/// A block that was written or read ahead.
#[derive(Debug)]
pub struct Block {
    content: Mutex<Content>,
    /// Held while the block is got or put, so that no put overtakes another. A read of known bytes
    /// does not wait for it, nor does a write.
    pub transfer: tokio::sync::Mutex<()>,
}

/// The bytes of a block.
#[derive(Debug)]
pub struct Content {
    length: usize,
    backing: Arc<Backing>,
    /// `None` if all known bytes are zeroes. Shared with a put that is under way.
    bytes: Option<Arc<Buffer>>,
    known: RangeSet<usize>,
    /// Counts the writes.
    version: u64,
    /// The version that the store has.
    stored: u64,
    /// When the first write that the store lacks arrived.
    dirty_since: Instant,
}

/// A part of a read's result.
#[derive(Clone, Debug)]
pub enum Part {
    Zeroes(usize),
    Bytes(Bytes),
}

/// The content that a put sends to the store.
#[derive(Debug)]
pub struct Snapshot {
    pub version: u64,
    /// `None` if the block is all zeroes.
    pub bytes: Option<Bytes>,
}

impl Block {
    pub fn new(length: usize, backing: Arc<Backing>) -> Block {
        let content = Content {
            length,
            backing,
            bytes: None,
            known: RangeSet::new(),
            version: 0,
            stored: 0,
            dirty_since: Instant::now(),
        };
        Block { content: Mutex::new(content), transfer: tokio::sync::Mutex::default() }
    }

    /// Ignores poisoning: a panic never leaves the content half changed.
    pub fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn is_dirty(&self) -> bool {
        self.version != self.stored
    }

    pub fn dirty_since(&self) -> Instant {
        self.dirty_since
    }

    pub fn is_hole(&self) -> bool {
        self.bytes.is_none() && self.gap().is_none()
    }

    /// Returns `None` unless all bytes of the range are known.
    pub fn read(&self, range: Range<usize>) -> Option<Part> {
        let is_known = self.known.gaps(&range).next().is_none();
        is_known.then(|| match &self.bytes {
            Some(bytes) => Part::Bytes(Bytes::copy_from_slice(&bytes[range])),
            None => Part::Zeroes(range.len()),
        })
    }

    pub fn write(&mut self, range: Range<usize>, data: &[u8]) -> Result<()> {
        self.bytes()?[range.clone()].copy_from_slice(data);
        self.changed(range);
        Ok(())
    }

    pub fn zero(&mut self, range: Range<usize>) -> Result<()> {
        if range.len() == self.length {
            self.bytes = None;
        } else if self.bytes.is_some() {
            self.bytes()?[range.clone()].fill(0);
        }
        self.changed(range);
        Ok(())
    }

    fn changed(&mut self, range: Range<usize>) {
        if !self.is_dirty() {
            self.dirty_since = Instant::now();
        }
        self.version += 1;
        self.known.insert(range);
    }

    /// The range from the first unknown byte to the last.
    pub fn gap(&self) -> Option<Range<usize>> {
        let whole = 0..self.length;
        let mut gaps = self.known.gaps(&whole);
        let first = gaps.next()?;
        Some(first.start..gaps.last().map_or(first.end, |last| last.end))
    }

    /// Fills the gap with the store's bytes; `None` stands for zeroes. Bytes that were written in
    /// the meantime are newer, and stay.
    pub fn fill(&mut self, from: usize, data: Option<&[u8]>) -> Result<()> {
        if let Some(data) = data {
            let missing: Vec<_> = self.known.gaps(&(from..from + data.len())).collect();
            for part in missing {
                self.bytes()?[part.clone()]
                    .copy_from_slice(&data[part.start - from..part.end - from]);
            }
        }
        self.known.insert(0..self.length);
        Ok(())
    }

    /// The whole block as it is now. A later write does not change the snapshot.
    pub fn snapshot(&self) -> Snapshot {
        const ZEROES: &[u8] = &[0; 4096];
        let bytes = self.bytes.clone().filter(|bytes| {
            bytes.chunks(ZEROES.len()).any(|chunk| chunk != &ZEROES[..chunk.len()])
        });
        let bytes = bytes.map(|bytes| Bytes::from_owner(Lent(bytes)));
        Snapshot { version: self.version, bytes }
    }

    /// Notes that the store has this version.
    pub fn stored(&mut self, version: u64) {
        self.stored = self.stored.max(version);
        self.dirty_since = Instant::now();
    }

    pub fn has_stored(&self, version: u64) -> bool {
        self.stored >= version
    }

    /// The bytes, for a change. Copies them first if a put still shares them.
    fn bytes(&mut self) -> Result<&mut Buffer> {
        if self.bytes.as_mut().is_none_or(|bytes| Arc::get_mut(bytes).is_none()) {
            let mut buffer = self.backing.zeroes(self.length)?;
            if let Some(bytes) = &self.bytes {
                buffer.copy_from_slice(bytes);
            }
            self.bytes = Some(Arc::new(buffer));
        }
        let bytes = self.bytes.as_mut().and_then(Arc::get_mut);
        Ok(bytes.ok_or("the block is in use")?)
    }
}

struct Lent(Arc<Buffer>);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_knows_what_was_written_to_it() -> Result<()> {
        let block = Block::new(50, Arc::new(Backing::new(50, None)?));
        let mut content = block.lock();
        assert_eq!(content.gap(), Some(0..50));
        for range in [10..20, 30..40, 20..25, 5..6, 24..31] {
            content.write(range.clone(), &[1; 50][range])?;
        }
        assert_eq!(content.known.iter().cloned().collect::<Vec<_>>(), [5..6, 10..40]);
        assert!(content.read(10..40).is_some() && content.read(12..13).is_some());
        assert!(content.read(9..11).is_none() && content.read(39..41).is_none());
        assert_eq!(content.gap(), Some(0..50));
        content.write(40..50, &[1; 10])?;
        assert_eq!(content.gap(), Some(0..10));
        content.fill(0, Some(&[2; 10]))?;
        let Some(Part::Bytes(bytes)) = content.read(0..50) else { panic!("not known") };
        assert_eq!(bytes[..12], [2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 1, 1]);
        assert_eq!(content.gap(), None);
        Ok(())
    }

    #[test]
    fn written_bytes_are_newer_than_the_stores() -> Result<()> {
        let block = Block::new(8, Arc::new(Backing::new(8, None)?));
        let mut content = block.lock();
        content.write(2..4, b"ab")?;
        content.fill(0, Some(b"........"))?;
        assert!(content.is_dirty());
        let before = content.snapshot();
        content.write(0..1, b"c")?;
        assert_eq!(before.bytes.as_deref(), Some(&b"..ab...."[..]));
        assert_eq!(content.snapshot().bytes.as_deref(), Some(&b"c.ab...."[..]));
        content.stored(before.version);
        assert!(content.is_dirty());
        content.zero(0..8)?;
        assert!(content.is_hole() && content.snapshot().bytes.is_none());
        Ok(())
    }
}
