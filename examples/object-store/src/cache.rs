//! A bounded number of blocks in memory, or in a file: all dirty blocks, and the most recent of the
//! others.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::backing::Backing;
use crate::block::Block;

/// A block and its number.
pub type Numbered = (u64, Arc<Block>);

/// Blocks by number.
#[derive(Debug)]
pub struct Cache {
    places: usize,
    backing: Arc<Backing>,
    blocks: Mutex<Blocks>,
}

#[derive(Debug, Default)]
struct Blocks {
    by_number: HashMap<u64, (u64, Arc<Block>)>,
    /// The numbers, ordered by last use.
    by_use: BTreeMap<u64, u64>,
    uses: u64,
}

impl Cache {
    pub fn new(places: usize, backing: Backing) -> Cache {
        Cache { places, backing: Arc::new(backing), blocks: Mutex::default() }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Blocks) -> T) -> T {
        look(&mut self.blocks.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub fn get(&self, number: u64) -> Option<Arc<Block>> {
        self.with(|blocks| blocks.used(number))
    }

    /// Returns the block, or a new one, which may replace a block that the store has. `None` if all
    /// blocks are dirty or in use.
    pub fn get_or_add(&self, number: u64, length: usize) -> Option<Arc<Block>> {
        self.with(|blocks| {
            if let Some(block) = blocks.used(number) {
                return Some(block);
            }
            if blocks.by_number.len() >= self.places && !blocks.forget_one() {
                return None;
            }
            let block = Arc::new(Block::new(length, self.backing.clone()));
            blocks.by_number.insert(number, (0, block));
            blocks.used(number)
        })
    }

    /// The dirty blocks, least recently used first.
    pub fn dirty(&self) -> Vec<Numbered> {
        let mut dirty = self.with(|blocks| blocks.in_order().collect::<Vec<_>>());
        dirty.retain(|(_, block)| block.lock().is_dirty());
        dirty
    }

    /// The dirty blocks to put in the background: enough to leave at most half of the places dirty,
    /// and every block that has been dirty for longer than `age`.
    pub fn due(&self, age: Duration) -> Vec<Numbered> {
        let mut dirty = self.dirty();
        let many = dirty.len().saturating_sub(self.places / 2);
        let mut place = 0;
        dirty.retain(|(_, block)| {
            place += 1;
            place <= many || block.lock().dirty_since().elapsed() > age
        });
        dirty
    }
}

impl Blocks {
    fn used(&mut self, number: u64) -> Option<Arc<Block>> {
        let (last, block) = self.by_number.get_mut(&number)?;
        self.by_use.remove(last);
        self.uses += 1;
        *last = self.uses;
        self.by_use.insert(self.uses, number);
        Some(block.clone())
    }

    fn in_order(&self) -> impl Iterator<Item = Numbered> {
        let blocks = self.by_use.values().filter_map(|number| self.by_number.get_key_value(number));
        blocks.map(|(number, (_, block))| (*number, block.clone()))
    }

    /// Drops the least recently used clean block that nobody holds. Getting hold of a block takes
    /// the lock that the caller has, so nobody can take it in between.
    fn forget_one(&mut self) -> bool {
        let found = self.by_use.iter().find(|(_, number)| {
            self.by_number
                .get(number)
                .is_some_and(|(_, block)| Arc::strong_count(block) == 1 && !block.lock().is_dirty())
        });
        let Some((&used, &number)) = found else { return false };
        self.by_use.remove(&used);
        self.by_number.remove(&number);
        true
    }
}
