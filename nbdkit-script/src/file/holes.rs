//! Zeroes and holes, without writing them, in the way that the file can.

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
    /// Makes a range read as zeroes without writing them: by a hole if [`Flags::MAY_TRIM`] allows
    /// it, else by blocks that are allocated. In front of the end of the file, that is; past it,
    /// whether the file gets longer is left open. With [`Flags::FUA`] it is durable when this
    /// returns. With [`Flags::FAST_ZERO`] nothing is tried for which a device might write zeroes.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if the file cannot: nbdkit, given that, has zeroes written by `pwrite`, or with
    /// `FAST_ZERO` tells the client. Those of the system, and as
    /// [`pwrite`](File::pwrite).
    pub fn zero(&self, count: u64, offset: u64, flags: Flags) -> Result<()> {
        let attempt = Attempt::Range("zero", count, offset);
        self.check_writable(attempt)?;
        self.check_end(attempt, offset, count)?;
        // To the system, a range of no bytes is a mistake.
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

    /// Whether it was done.
    fn zeroed(&self, count: u64, offset: u64, flags: Flags) -> io::Result<bool> {
        let device = match self.kind {
            Kind::Regular => false,
            // A part of a sector has to be written.
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
        // For these two, Linux writes zeroes to a device that has nothing better; not for a hole.
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
        // A hole that is filled: not all at once for those who read meanwhile, but they see the
        // same zeroes.
        Ok(self.abilities.has(Ability::ALLOCATE)
            && self.abilities.attempt(Ability::PUNCH, allocating(PUNCH))?
            && self.abilities.attempt(Ability::ALLOCATE, allocating(FallocateFlags::empty()))?)
    }

    /// Gives a range back to the file system or the device. In a file it reads as zeroes then; on
    /// a device, as anything. The size stays. With [`Flags::FUA`] it is durable when this returns.
    ///
    /// It is only a hint: where it cannot be done, all is well and nothing is changed. So it is
    /// also where the file system has no room for what it has to write down about holes.
    ///
    /// # Errors
    /// Those of the system, and as [`pwrite`](File::pwrite).
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
            // The whole sectors of the range.
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
