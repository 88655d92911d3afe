//! Which parts of a file are data and which are holes.

use rustix::fs::{SeekFrom, seek};
use rustix::io::{Errno, Result as SystemResult};

use super::abilities::Ability;
use super::failure::{Attempt, failed};
use super::opened::File;
use crate::error::Result;
use crate::memory;
use crate::values::{Extent, ExtentType, Flags};

/// nbdkit accepts no more extents per request.
const MOST: usize = 1 << 20;

impl File {
    /// Lists the data and holes in a range: at least one extent, in order and without gaps,
    /// starting at `offset`. The list ends with the range. It ends early after the first extent
    /// with [`Flags::REQ_ONE`], or once it has as many as nbdkit accepts. Block devices, and file
    /// systems that do not track holes, report only data. Everything past the end of a file is a
    /// hole.
    ///
    /// # Errors
    /// Those of the system; `EINVAL` past 2^63 - 1; `ENOMEM`.
    pub fn extents(&self, count: u64, offset: u64, flags: Flags) -> Result<Vec<Extent>> {
        let attempt = Attempt::Range("find the extents of", count, offset);
        self.check_end(attempt, offset, count)?;
        let end = offset + count;
        let most = if flags.contains(Flags::REQ_ONE) { 1 } else { MOST };
        let mut extents: Vec<Extent> = Vec::new();
        let mut here = offset;
        while here < end && extents.len() < most {
            let (extent_type, next) = match self.next_extent(here, end) {
                Ok(found) => found,
                Err(error) => return Err(failed(attempt, &self.path, error)),
            };
            let length = next - here;
            match extents.last_mut() {
                // Others may write meanwhile.
                Some(last) if last.extent_type == extent_type => last.length += length,
                _ => {
                    let extent = Extent { offset: here, length, extent_type };
                    memory::push(&mut extents, extent, "the list of extents")?;
                }
            }
            here = next;
        }
        Ok(extents)
    }

    /// The type of the bytes at an offset, and where that type ends.
    fn next_extent(&self, here: u64, end: u64) -> SystemResult<(ExtentType, u64)> {
        const HOLE: ExtentType = ExtentType::HOLE.union(ExtentType::ZERO);
        const DATA: ExtentType = ExtentType::empty();
        if !self.abilities.has(Ability::SEEK) {
            return Ok((DATA, end));
        }
        match seek(&self.system, SeekFrom::Data(here)) {
            Ok(data) if data > here => Ok((HOLE, data.min(end))),
            Ok(_) => match seek(&self.system, SeekFrom::Hole(here)) {
                Ok(hole) if hole > here => Ok((DATA, hole.min(end))),
                // Since the first question, it became a hole or was cut off. "Data" is always a
                // safe answer.
                Ok(_) | Err(Errno::NXIO) => Ok((DATA, end)),
                Err(error) => Err(error),
            },
            // The last hole, or past the end of the file.
            Err(Errno::NXIO) => Ok((HOLE, end)),
            Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOTTY) => {
                self.abilities.cannot_seek();
                Ok((DATA, end))
            }
            Err(error) => Err(error),
        }
    }
}
