//! Zeroes and holes without writing them, by whatever means the file supports.

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io;

use super::abilities::Ability;
use super::failure::{Attempt, failed};
use super::opened::{File, Kind};
use crate::error::Result;
use crate::system;
use crate::values::Flags;

const PUNCH: FallocateFlags = FallocateFlags::PUNCH_HOLE.union(FallocateFlags::KEEP_SIZE);

impl File {
    /// Makes a range read as zeroes without writing them: with a hole if [`Flags::MAY_TRIM`] allows
    /// it, otherwise with allocated blocks. Past the end of the file, the file may or may not grow.
    /// With [`Flags::FUA`], the zeroes are durable when this returns. With [`Flags::FAST_ZERO`],
    /// this tries nothing that might make a device write zeroes.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if the file cannot do it: nbdkit then writes zeroes with `pwrite`, or with
    /// `FAST_ZERO` tells the client. Those of the system and of [`pwrite`](File::pwrite).
    pub fn zero(&self, count: u64, offset: u64, flags: Flags) -> Result<()> {
        let attempt = Attempt::Range("zero", count, offset);
        self.check_writable(attempt)?;
        self.check_end(attempt, offset, count)?;
        // The system refuses an empty range.
        if count > 0 {
            match self.zeroed(count, offset, flags) {
                Ok(true) => {}
                Ok(false) => {
                    let why = "neither the file system nor the device can";
                    return Err(self.refused(attempt, libc::EOPNOTSUPP, why));
                }
                Err(error) => return Err(failed(attempt, &self.path, error)),
            }
        }
        if flags.contains(Flags::FUA) { self.flush() } else { Ok(()) }
    }

    /// Returns false if the file cannot do it.
    fn zeroed(&self, count: u64, offset: u64, flags: Flags) -> io::Result<bool> {
        let device = match self.kind {
            Kind::Regular => false,
            // Part of a sector has to be written.
            Kind::BlockDevice { sector } if !(offset | count).is_multiple_of(sector) => {
                return Ok(false);
            }
            Kind::BlockDevice { .. } => true,
        };
        let allocating = |how| move || fallocate(&self.system, how, offset, count);
        if flags.contains(Flags::MAY_TRIM)
            && self.abilities.attempt(Ability::PUNCH, allocating(PUNCH))?
        {
            return Ok(true);
        }
        // For the next two, Linux writes zeroes if the device has nothing better. It never does for
        // a hole.
        if device && flags.contains(Flags::FAST_ZERO) {
            return Ok(false);
        }
        if self.abilities.attempt(Ability::ZERO_RANGE, allocating(FallocateFlags::ZERO_RANGE))? {
            return Ok(true);
        }
        if device {
            return self
                .abilities
                .attempt(Ability::ZERO_OUT, || system::zero_out(&self.system, offset, count));
        }
        // Punch a hole, then allocate it. That is not atomic, but a concurrent reader sees zeroes
        // either way.
        Ok(self.abilities.has(Ability::ALLOCATE)
            && self.abilities.attempt(Ability::PUNCH, allocating(PUNCH))?
            && self.abilities.attempt(Ability::ALLOCATE, allocating(FallocateFlags::empty()))?)
    }

    /// Gives a range back to the file system or the device. Afterwards a file reads as zeroes
    /// there, and a device as anything. The size stays the same. With [`Flags::FUA`], the change is
    /// durable when this returns.
    ///
    /// This is only a hint: where it is not supported, it succeeds and changes nothing. The same
    /// goes for a file system that has no space left to record the hole.
    ///
    /// # Errors
    /// Those of the system and of [`pwrite`](File::pwrite).
    pub fn trim(&self, count: u64, offset: u64, flags: Flags) -> Result<()> {
        let attempt = Attempt::Range("trim", count, offset);
        self.check_writable(attempt)?;
        self.check_end(attempt, offset, count)?;
        match self.trimmed(count, offset) {
            Ok(_) | Err(io::Errno::NOSPC | io::Errno::DQUOT) => {}
            Err(error) => return Err(failed(attempt, &self.path, error)),
        }
        if flags.contains(Flags::FUA) { self.flush() } else { Ok(()) }
    }

    fn trimmed(&self, count: u64, offset: u64) -> io::Result<bool> {
        match self.kind {
            Kind::Regular if count > 0 => self
                .abilities
                .attempt(Ability::PUNCH, || fallocate(&self.system, PUNCH, offset, count)),
            Kind::Regular => Ok(false),
            // Only the whole sectors of the range.
            Kind::BlockDevice { sector } => {
                let (first, last) = (offset.div_ceil(sector), (offset + count) / sector);
                if first >= last {
                    return Ok(false);
                }
                self.abilities.attempt(Ability::DISCARD, || {
                    system::discard(&self.system, first * sector, (last - first) * sector)
                })
            }
        }
    }
}
