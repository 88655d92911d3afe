//! The lists that a plugin fills for nbdkit, and nbdkit's rules for them.

use nbdkit_script::{Export, Extent, ExtentType};

use crate::log;

/// A client gets no more extents. nbdkit drops the rest.
const MOST_EXTENTS: usize = 1 << 20;
const MOST_EXPORTS: usize = 10_000;
/// The protocol's limit, in bytes.
pub(crate) const LONGEST_STRING: usize = 4096;

/// The extents of a range, in order and without gaps.
#[derive(Debug)]
pub(crate) struct Extents {
    start: u64,
    end: u64,
    /// Where the next extent has to begin, once there is one.
    next: Option<u64>,
    list: Vec<Extent>,
}

impl Extents {
    pub(crate) fn new(start: u64, end: u64) -> Extents {
        Extents { start, end, next: None, list: Vec::new() }
    }

    pub(crate) fn list(&self) -> &[Extent] {
        &self.list
    }

    /// Adds an extent. What lies outside the range is cut off, and neighbours of the same type are
    /// joined.
    ///
    /// # Errors
    /// The errno, if it leaves a gap after the previous extent or before the start of the range.
    pub(crate) fn add(&mut self, offset: u64, length: u64, extent_type: u32) -> Result<(), i32> {
        if self.next.is_some_and(|next| next != offset) {
            log::error(
                "nbdkit_add_extent: extents must be added in ascending order and must be \
                 contiguous",
            );
            return Err(libc::ERANGE);
        }
        let end = offset.wrapping_add(length);
        self.next = Some(end);
        if length == 0 || offset >= self.end || self.list.len() >= MOST_EXTENTS {
            return Ok(());
        }
        let (mut offset, end) = (offset, end.min(self.end));
        if self.list.is_empty() {
            if end <= self.start {
                return Ok(());
            }
            if offset > self.start {
                log::error(format!(
                    "nbdkit_add_extent: first extent must not be > start ({})",
                    self.start
                ));
                return Err(libc::ERANGE);
            }
            offset = self.start;
        }
        let length = end - offset;
        let extent_type = ExtentType::from_bits_truncate(extent_type);
        match self.list.last_mut() {
            Some(last) if last.extent_type == extent_type => last.length += length,
            _ => self.list.push(Extent { offset, length, extent_type }),
        }
        Ok(())
    }
}

/// The exports that a plugin lists.
#[derive(Debug, Default)]
pub(crate) struct Exports {
    pub(crate) list: Vec<Export>,
    pub(crate) use_default: bool,
}

impl Exports {
    /// # Errors
    /// The errno, if there are too many exports or a string is too long.
    pub(crate) fn add(&mut self, name: &str, description: Option<&str>) -> Result<(), i32> {
        if self.list.len() == MOST_EXPORTS {
            log::error("nbdkit_add_export: too many exports");
            return Err(libc::EINVAL);
        }
        if name.len() > LONGEST_STRING || description.is_some_and(|d| d.len() > LONGEST_STRING) {
            log::error("nbdkit_add_export: string too long");
            return Err(libc::EINVAL);
        }
        let description = description.map(String::from);
        self.list.push(Export { name: name.into(), description });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(range: (u64, u64), parts: &[(u64, u64, u32)]) -> Result<Vec<(u64, u64, u32)>, i32> {
        let mut extents = Extents::new(range.0, range.1);
        for &(offset, length, extent_type) in parts {
            extents.add(offset, length, extent_type)?;
        }
        Ok(extents.list().iter().map(|e| (e.offset, e.length, e.extent_type.bits())).collect())
    }

    #[test]
    fn extents_are_cut_to_the_range_and_joined() {
        let parts = [(0, 10, 0), (10, 5, 3), (15, 5, 3), (20, 80, 0), (100, 5, 3)];
        assert_eq!(added((12, 30), &parts), Ok(vec![(12, 8, 3), (20, 10, 0)]));
        assert_eq!(added((5, 10), &[(0, 5, 3), (5, 0, 3), (5, 9, 0)]), Ok(vec![(5, 5, 0)]));
        assert_eq!(added((0, 10), &[]), Ok(vec![]));
    }

    #[test]
    fn extents_that_are_wrong() {
        assert_eq!(added((0, 10), &[(0, 5, 0), (6, 5, 0)]), Err(libc::ERANGE));
        assert_eq!(added((0, 10), &[(1, 5, 0)]), Err(libc::ERANGE));
    }

    #[test]
    fn exports() {
        let mut exports = Exports::default();
        assert_eq!(exports.add("a", Some("b")), Ok(()));
        assert_eq!(exports.add(&"a".repeat(4097), None), Err(libc::EINVAL));
        assert_eq!(exports.add("a", Some(&"b".repeat(4097))), Err(libc::EINVAL));
        assert_eq!(exports.list.len(), 1);
    }
}
