//! Which blocks exist. When the writer first touches one of a thousand blocks, it lists them, which
//! takes one page of a list. After that it need not ask again, since nobody else writes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use nbdkit_script::Result;
use tokio::sync::OnceCell;

use crate::store::Store;

/// Blocks in a group.
pub const GROUP: u64 = 1000;

/// Whether the store has an object for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Absent,
    Present,
    /// A put or a delete has failed, but may have reached the store.
    Doubtful,
}

type Group = Vec<Presence>;

/// What the writer knows about blocks: one byte for each block of every group it has touched.
#[derive(Debug, Default)]
pub struct Groups(Mutex<HashMap<u64, Arc<OnceCell<Mutex<Group>>>>>);

/// The name of a block's object.
pub fn name(block: u64) -> String {
    format!("{}/{:03}", directory(block), block % GROUP)
}

fn directory(block: u64) -> String {
    format!("blocks/{:012}", block / GROUP)
}

/// Lists the group of a block in the store.
async fn list(store: &Store, block: u64) -> Result<Group> {
    let mut group = vec![Presence::Absent; GROUP as usize];
    for name in store.list(&directory(block)).await? {
        if let Some(place) = name.parse().ok().and_then(|place: usize| group.get_mut(place)) {
            *place = Presence::Present;
        }
    }
    Ok(group)
}

/// The blocks from this one to the end of its group, for a reader. The writer may change them at
/// any time.
pub async fn ahead(store: &Store, block: u64) -> Result<Vec<Presence>> {
    Ok(list(store, block).await?.split_off((block % GROUP) as usize))
}

impl Groups {
    async fn group(&self, store: &Store, block: u64) -> Result<Arc<OnceCell<Mutex<Group>>>> {
        let group = {
            let mut groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            groups.entry(block / GROUP).or_default().clone()
        };
        group.get_or_try_init(async || list(store, block).await.map(Mutex::new)).await?;
        Ok(group)
    }

    /// Call this before a block changes: a list that runs during the change would be wrong.
    pub async fn presence(&self, store: &Store, block: u64) -> Result<Presence> {
        let group = self.group(store, block).await?;
        let group = group.get().ok_or("the group is not there")?;
        let group = group.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(group[(block % GROUP) as usize])
    }

    /// Records the new state of a block, after a call of `presence`.
    pub fn set(&self, block: u64, presence: Presence) {
        let groups = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.get(&(block / GROUP)).and_then(|group| group.get()) {
            let mut group = group.lock().unwrap_or_else(PoisonError::into_inner);
            group[(block % GROUP) as usize] = presence;
        }
    }
}
