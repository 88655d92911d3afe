//! The size and layout of a disk: an object that is written once, when the disk is created.

use std::collections::BTreeMap;

use nbdkit_script::{Error, Result};

use crate::store::Store;

const NAME: &str = "manifest";
/// The version of the layout of all objects. The plugin refuses any other.
const FORMAT: u64 = 1;
/// From the sector size of most disks to the largest block size that nbdkit can announce.
pub const BLOCK_SIZES: std::ops::RangeInclusive<u64> = 4 << 10..=32 << 20;

/// The properties of a disk that never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    pub size: u64,
    /// Bytes in a block, a power of two.
    pub block: u64,
}

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    pub size: Option<u64>,
    pub block: Option<u64>,
    pub readonly: bool,
}

impl Wanted {
    /// Reads the manifest, or creates the disk if there is none and the user gave a size.
    pub async fn manifest(self, store: &Store) -> Result<Manifest> {
        if let Some(found) = Manifest::read(store).await? {
            return self.agreed(found);
        }
        let Some(size) = self.size.filter(|_| !self.readonly) else {
            let how = if self.readonly { "" } else { "; size= makes one" };
            return Err(Error::invalid(format!("there is no disk{how}")));
        };
        if store.has_any("blocks").await? {
            let message = "there are blocks of a disk, but no manifest: this place is not empty";
            return Err(Error::invalid(message));
        }
        let made = Manifest { size, block: self.block.unwrap_or(1 << 20) };
        let text = format!("format {FORMAT}\nsize {size}\nblock {}\n", made.block);
        if store.create(NAME, text).await? {
            tracing::info!("a disk of {size} bytes was made, in blocks of {}", made.block);
            return Ok(made);
        }
        // Another server created the disk at the same time.
        let found = Manifest::read(store).await?;
        self.agreed(found.ok_or("the manifest was there, and is not")?)
    }

    fn agreed(self, found: Manifest) -> Result<Manifest> {
        for (name, wanted, found) in
            [("size", self.size, found.size), ("block", self.block, found.block)]
        {
            if let Some(wanted) = wanted
                && wanted != found
            {
                let message = format!("{name}={wanted}: the disk was made with {name}={found}");
                return Err(Error::invalid(message));
            }
        }
        Ok(found)
    }
}

impl Manifest {
    async fn read(store: &Store) -> Result<Option<Manifest>> {
        let Some(text) = store.get(NAME).await? else { return Ok(None) };
        let fields = fields(&text);
        let number = |name: &str| {
            let number = fields.get(name).and_then(|value| value.parse::<u64>().ok());
            number.ok_or_else(|| Error::msg(format!("the manifest has no {name}")))
        };
        let format = number("format")?;
        if format != FORMAT {
            let message = format!("the disk has format {format}, this plugin knows {FORMAT}");
            return Err(Error::invalid(message));
        }
        let manifest = Manifest { size: number("size")?, block: number("block")? };
        if !BLOCK_SIZES.contains(&manifest.block) || !manifest.block.is_power_of_two() {
            return Err(format!("the manifest has block {}", manifest.block).into());
        }
        Ok(Some(manifest))
    }

    /// The length of a block in bytes: the last one may be shorter.
    pub fn length(self, block: u64) -> usize {
        (self.size - block * self.block).min(self.block) as usize
    }

    /// The blocks that a range of the disk touches, each with the part that it covers.
    pub fn split(
        self,
        offset: u64,
        count: u64,
    ) -> impl Iterator<Item = (u64, std::ops::Range<usize>)> {
        let end = offset + count;
        (offset / self.block..end.div_ceil(self.block)).map(move |block| {
            let start = block * self.block;
            let from = offset.max(start) - start;
            (block, from as usize..(end.min(start + self.block) - start) as usize)
        })
    }
}

/// Parses the `name value` lines of a small object.
pub fn fields(text: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(text);
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}
