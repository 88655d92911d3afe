//! Which parts of the reserve are in use: one bit per granule.

/// The size of a granule in bytes. Each block begins at a multiple of it.
pub(super) const GRANULE: usize = 64;

/// How many granules each word of the map covers.
const BITS: usize = u64::BITS as usize;

/// A map of `WORDS` words. It knows a block only by its first granule; whoever gives the block back
/// says how long it is. So adjacent free blocks form one free block without any work.
#[derive(Debug)]
pub(super) struct Granules<const WORDS: usize> {
    used: [u64; WORDS],
    count: usize,
}

impl<const WORDS: usize> Granules<WORDS> {
    /// The total number of granules.
    pub(super) const ALL: usize = WORDS * BITS;

    /// A map with all granules free.
    pub(super) const fn new() -> Self {
        Granules { used: [0; WORDS], count: 0 }
    }

    /// How many granules are in use.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Takes the first run of `length` free granules that begins at a multiple of `step`.
    pub(super) fn take(&mut self, length: usize, step: usize) -> Option<usize> {
        let mut start = 0_usize;
        while start + length <= Self::ALL {
            match self.last_used(start, length) {
                None => {
                    self.change(start, length, |word, mask| *word |= mask);
                    self.count += length;
                    return Some(start);
                }
                Some(last) => start = (last + 1).next_multiple_of(step),
            }
        }
        None
    }

    /// Gives back `length` granules from `start` on.
    pub(super) fn give(&mut self, start: usize, length: usize) {
        self.change(start, length, |word, mask| *word &= !mask);
        self.count -= length;
    }

    /// The last granule in use in `start..start + length`.
    fn last_used(&self, start: usize, length: usize) -> Option<usize> {
        words(start, length).rev().find_map(|(word, mask)| {
            let used = self.used[word] & mask;
            (used != 0).then(|| word * BITS + BITS - 1 - used.leading_zeros() as usize)
        })
    }

    fn change(&mut self, start: usize, length: usize, change: impl Fn(&mut u64, u64)) {
        for (word, mask) in words(start, length) {
            change(&mut self.used[word], mask);
        }
    }
}

/// The words that hold these bits, each with a mask for its bits.
fn words(start: usize, length: usize) -> impl DoubleEndedIterator<Item = (usize, u64)> {
    let end = start + length;
    (start / BITS..end.div_ceil(BITS)).map(move |word| {
        let from = start.saturating_sub(word * BITS);
        let to = (end - word * BITS).min(BITS);
        (word, (u64::MAX << from) & (u64::MAX >> (BITS - to)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returned_granules_are_taken_again() {
        let mut granules = Granules::<2>::new();
        assert_eq!(granules.take(3, 1), Some(0));
        assert_eq!(granules.take(70, 1), Some(3));
        assert_eq!(granules.take(56, 1), None);
        assert_eq!(granules.take(55, 1), Some(73));
        assert_eq!(granules.take(1, 1), None);
        granules.give(3, 70);
        assert_eq!(granules.count(), 58);
        assert_eq!(granules.take(35, 1), Some(3));
        assert_eq!(granules.take(35, 1), Some(38));
        assert_eq!(granules.count(), Granules::<2>::ALL);
    }

    #[test]
    fn a_block_begins_at_a_multiple_of_the_step() {
        let mut granules = Granules::<2>::new();
        assert_eq!(granules.take(1, 1), Some(0));
        assert_eq!(granules.take(2, 64), Some(64));
        assert_eq!(granules.take(63, 1), Some(1));
        assert_eq!(granules.take(1, 64), None);
    }

    #[test]
    fn adjacent_free_blocks_are_one_block() {
        let mut granules = Granules::<4>::new();
        let blocks: Vec<_> = std::iter::from_fn(|| granules.take(16, 1)).collect();
        assert_eq!(blocks.len(), 16);
        for block in blocks.iter().skip(1).step_by(2).chain(blocks.iter().step_by(2)) {
            granules.give(*block, 16);
        }
        assert_eq!(granules.count(), 0);
        assert_eq!(granules.take(256, 1), Some(0));
    }
}
