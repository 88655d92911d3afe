//! The requests that are measured.

use std::fmt;
use std::io;
use std::str::FromStr;

use nbdkit_script_test::bare::{Connection, Requests};

/// One kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Pread,
    Pwrite,
    Zero,
    Flush,
}

impl Operation {
    pub const ALL: [Operation; 4] =
        [Operation::Pread, Operation::Pwrite, Operation::Zero, Operation::Flush];

    /// Whether a client may send it on this connection.
    pub fn is_offered(self, connection: &Connection<'_>) -> bool {
        match self {
            Operation::Pread => true,
            Operation::Pwrite => connection.offers.write,
            Operation::Zero => connection.offers.native_zero,
            Operation::Flush => connection.offers.flush,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Operation::Pread => "pread",
            Operation::Pwrite => "pwrite",
            Operation::Zero => "zero",
            Operation::Flush => "flush",
        })
    }
}

impl FromStr for Operation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Operation::ALL.into_iter().find(|operation| operation.to_string() == text);
        found.ok_or_else(|| format!("{text} is not one of pread, pwrite, zero, flush"))
    }
}

/// Sends requests of one length, one after the other from the start of the disk to its end and
/// over again.
pub struct Sender {
    buffer: Vec<u8>,
    size: u64,
    offset: u64,
}

impl Sender {
    /// # Errors
    /// If no such request fits into the disk.
    pub fn new(length: u32, size: u64) -> Result<Sender, String> {
        if length == 0 || u64::from(length) > size {
            return Err(format!("no request of {length} bytes fits into a disk of {size} bytes"));
        }
        Ok(Sender { buffer: vec![0x5a; length as usize], size, offset: 0 })
    }

    /// Sends `count` requests.
    ///
    /// # Errors
    /// That of the first request that fails: a run with failures in it measures something else.
    pub fn send(
        &mut self,
        target: &impl Requests,
        operation: Operation,
        count: u64,
    ) -> io::Result<()> {
        // Told apart out here, so that the loop is only about the call.
        match operation {
            Operation::Pread => self.repeat(count, |buffer, offset| target.pread(buffer, offset)),
            Operation::Pwrite => self.repeat(count, |buffer, offset| target.pwrite(buffer, offset)),
            Operation::Zero => {
                self.repeat(count, |buffer, offset| target.zero(buffer.len() as u32, offset))
            }
            Operation::Flush => self.repeat(count, |_, _| target.flush()),
        }
    }

    #[inline]
    fn repeat(
        &mut self,
        count: u64,
        mut request: impl FnMut(&mut [u8], u64) -> io::Result<()>,
    ) -> io::Result<()> {
        let length = self.buffer.len() as u64;
        for _ in 0..count {
            request(&mut self.buffer, self.offset)?;
            self.offset += length;
            if self.offset + length > self.size {
                self.offset = 0;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[derive(Default)]
    struct Log(RefCell<Vec<(usize, u64)>>);

    impl Requests for Log {
        fn pread(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            self.0.borrow_mut().push((buffer.len(), offset));
            Ok(())
        }
        fn pwrite(&self, _: &[u8], _: u64) -> io::Result<()> {
            Err(io::ErrorKind::ReadOnlyFilesystem.into())
        }
        fn zero(&self, count: u32, offset: u64) -> io::Result<()> {
            self.0.borrow_mut().push((count as usize, offset));
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn requests_stay_inside_the_disk() {
        let log = Log::default();
        let mut sender = Sender::new(4, 11).unwrap();
        sender.send(&log, Operation::Pread, 2).unwrap();
        sender.send(&log, Operation::Zero, 1).unwrap();
        assert_eq!(*log.0.borrow(), [(4, 0), (4, 4), (4, 0)]);
        assert!(Sender::new(12, 11).is_err());
        assert!(Sender::new(0, 11).is_err());
    }

    #[test]
    fn a_failure_ends_it() {
        let mut sender = Sender::new(1, 1).unwrap();
        assert!(sender.send(&Log::default(), Operation::Pwrite, 1).is_err());
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for operation in Operation::ALL {
            assert_eq!(operation.to_string().parse(), Ok(operation));
        }
        assert!("trim".parse::<Operation>().is_err());
    }
}
