//! A client: checks its requests as nbdkit does, and answers as nbdkit would over the wire.

use std::sync::Arc;

use nbdkit_script::{BlockSize, Extent, Flags};

use crate::connection::{Connection, Offers};
use crate::emulated::{self, LONGEST};
use crate::failure::Failure;
use crate::locks::SharedConnection;
use crate::log;
use crate::served::{Place, Served};
use crate::server;
use crate::session::{Calling, Known};

/// A connected client, like libnbd's. Several threads may send requests, and each request takes the
/// locks of the plugin's thread model. Dropping it closes the connection.
///
/// A request that nbdkit would not pass on to the plugin fails here too.
#[derive(Debug)]
pub struct Client<'disk> {
    served: &'disk Served,
    known: Arc<Known>,
    offers: Offers,
    block_size: Option<BlockSize>,
    /// `None` only during the drop.
    connection: Option<SharedConnection<'disk>>,
    _place: Place<'disk>,
}

/// The kinds of requests. Messages use the protocol's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Read,
    Write,
    Flush,
    Trim,
    Zero,
    Cache,
    Status,
}

impl Command {
    fn name(self) -> &'static str {
        match self {
            Command::Read => "NBD_CMD_READ",
            Command::Write => "NBD_CMD_WRITE",
            Command::Flush => "NBD_CMD_FLUSH",
            Command::Trim => "NBD_CMD_TRIM",
            Command::Zero => "NBD_CMD_WRITE_ZEROES",
            Command::Cache => "NBD_CMD_CACHE",
            Command::Status => "NBD_CMD_BLOCK_STATUS",
        }
    }

    /// The plugin's name for it.
    fn callback(self) -> &'static str {
        match self {
            Command::Read => "pread",
            Command::Write => "pwrite",
            Command::Flush => "flush",
            Command::Trim => "trim",
            Command::Zero => "zero",
            Command::Cache => "cache",
            Command::Status => "extents",
        }
    }

    fn writes(self) -> bool {
        matches!(self, Command::Write | Command::Trim | Command::Zero)
    }

    /// The flags that a client may send with it.
    fn flags(self) -> Flags {
        match self {
            Command::Write | Command::Trim => Flags::FUA,
            Command::Zero => Flags::FUA | Flags::MAY_TRIM | Flags::FAST_ZERO,
            Command::Status => Flags::REQ_ONE,
            Command::Read | Command::Flush | Command::Cache => Flags::empty(),
        }
    }
}

impl<'disk> Client<'disk> {
    pub(crate) fn new(
        served: &'disk Served,
        place: Place<'disk>,
        connection: Connection<'disk>,
        block_size: Option<BlockSize>,
    ) -> Self {
        let offers = connection.offers;
        let known = Arc::clone(connection.client());
        let connection = Some(served.locks.share(connection));
        Client { served, known, offers, block_size, connection, _place: place }
    }

    /// The size of the disk in bytes.
    pub fn size(&self) -> u64 {
        self.offers.size
    }

    /// What the client may do.
    pub fn offers(&self) -> Offers {
        self.offers
    }

    /// The request sizes that the disk asks for. nbdkit tells the client, and enforces nothing.
    pub fn block_size(&self) -> Option<BlockSize> {
        self.block_size
    }

    /// The export that the client is connected to. For the empty name, this is the plugin's default
    /// export.
    pub fn export_name(&self) -> String {
        let name = self.known.export.get();
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// The plugin's text about the export.
    pub fn export_description(&self) -> Option<String> {
        self.shared().with(|connection| connection.export_description())
    }

    /// Reads.
    ///
    /// # Errors
    /// What the client sees, here and for the other requests.
    pub fn pread(&self, offset: u64, count: u32) -> Result<Vec<u8>, Failure> {
        self.request(Command::Read, offset, count, Flags::empty(), |connection| {
            // Not zeroes, so that bytes that a plugin leaves out show.
            let mut buffer = vec![0xa5; count as usize];
            emulated::pread(connection, &mut buffer, offset)?;
            Ok(buffer)
        })
    }

    /// Writes.
    ///
    /// # Errors
    /// As for [`pread`](Client::pread).
    pub fn pwrite(&self, offset: u64, data: &[u8]) -> Result<(), Failure> {
        self.pwrite_with(offset, data, Flags::empty())
    }

    /// Writes, with [`Flags::FUA`] or without.
    ///
    /// # Errors
    /// As for [`pread`](Client::pread).
    pub fn pwrite_with(&self, offset: u64, data: &[u8], flags: Flags) -> Result<(), Failure> {
        // nbdkit refuses anything this long because of its length.
        let count = u32::try_from(data.len()).unwrap_or(u32::MAX);
        self.request(Command::Write, offset, count, flags, |connection| {
            emulated::pwrite(connection, data, offset, flags)
        })
    }

    /// Makes everything written durable.
    ///
    /// # Errors
    /// As for [`pread`](Client::pread).
    pub fn flush(&self) -> Result<(), Failure> {
        self.request(Command::Flush, 0, 0, Flags::empty(), emulated::flush)
    }

    /// Punches a hole.
    ///
    /// # Errors
    /// As for [`pread`](Client::pread).
    pub fn trim(&self, offset: u64, count: u32) -> Result<(), Failure> {
        self.trim_with(offset, count, Flags::empty())
    }

    /// Punches a hole, with [`Flags::FUA`] or without.
    ///
    /// # Errors
    /// As for [`pread`](Client::pread).
    pub fn trim_with(&self, offset: u64, count: u32, flags: Flags) -> Result<(), Failure> {
        self.request(Command::Trim, offset, count, flags, |connection| {
            emulated::trim(connection, count, offset, flags)
        })
    }

    /// Writes zeroes. Like most clients, this one allows a hole.
    ///
    /// # Errors
    /// As for [`pread`](Client::pread).
    pub fn zero(&self, offset: u64, count: u32) -> Result<(), Failure> {
        self.zero_with(offset, count, Flags::MAY_TRIM)
    }

    /// Writes zeroes, with any of [`Flags::MAY_TRIM`], [`Flags::FUA`] and [`Flags::FAST_ZERO`].
    ///
    /// # Errors
    /// As for [`pread`](Client::pread).
    ///
    /// # Panics
    /// If the plugin fails with `ENOTSUP` in a way that would trip one of nbdkit's assertions.
    pub fn zero_with(&self, offset: u64, count: u32, flags: Flags) -> Result<(), Failure> {
        self.request(Command::Zero, offset, count, flags, |connection| {
            assert!(
                !flags.contains(Flags::FAST_ZERO) || self.offers.fast_zero,
                "a fast zero where none is offered, over which nbdkit ends by an assertion"
            );
            emulated::zero(connection, count, offset, flags)
        })
    }

    /// Prefetches.
    ///
    /// # Errors
    /// As for [`pread`](Client::pread).
    pub fn cache(&self, offset: u64, count: u32) -> Result<(), Failure> {
        self.request(Command::Cache, offset, count, Flags::empty(), |connection| {
            emulated::cache(connection, count, offset)
        })
    }

    /// Tells data, holes and zeroes apart, starting at `offset`. The list may end before or after
    /// the range.
    ///
    /// # Errors
    /// As for [`pread`](Client::pread).
    pub fn extents(&self, offset: u64, count: u32) -> Result<Vec<Extent>, Failure> {
        self.extents_with(offset, count, Flags::empty())
    }

    /// The same, with [`Flags::REQ_ONE`] to get only the first extent.
    ///
    /// # Errors
    /// As for [`pread`](Client::pread).
    pub fn extents_with(
        &self,
        offset: u64,
        count: u32,
        flags: Flags,
    ) -> Result<Vec<Extent>, Failure> {
        self.request(Command::Status, offset, count, flags, |connection| {
            emulated::extents(connection, count, offset, flags)
        })
    }

    /// Leaves the connection open. nbdkit does not close the connections of clients that are still
    /// there when it ends; the framework closes them.
    pub fn stay(mut self) {
        std::mem::forget(self.connection.take());
    }

    /// Whether the plugin has asked nbdkit to disconnect this client.
    pub fn is_disconnected(&self) -> bool {
        self.known.is_gone()
    }

    fn shared(&self) -> &SharedConnection<'_> {
        match &self.connection {
            Some(connection) => connection,
            None => unreachable!("the client is dropped"),
        }
    }

    fn request<T>(
        &self,
        command: Command,
        offset: u64,
        count: u32,
        flags: Flags,
        call: impl FnOnce(&Connection<'_>) -> Result<T, i32>,
    ) -> Result<T, Failure> {
        log::taken();
        let answer = match self.refuse(command, offset, count, flags) {
            Some(errno) => Err(errno),
            None if server::is_ending() || self.known.is_gone() => Err(libc::ESHUTDOWN),
            None => self.shared().with(|connection| {
                let _calling = Calling::for_client(&self.known);
                call(connection)
            }),
        };
        answer.map_err(|errno| {
            let what = match command {
                Command::Flush => command.callback().to_string(),
                _ => format!("{} of {count} at {offset}", command.callback()),
            };
            let seen = protocols_errno(errno, flags.contains(Flags::FAST_ZERO));
            Failure::of_request(&what, seen, errno)
        })
    }

    /// Why nbdkit would not pass a request on to the plugin.
    fn refuse(&self, command: Command, offset: u64, count: u32, flags: Flags) -> Option<i32> {
        let offers = &self.offers;
        let name = command.name();
        let refused = |errno, why: String| {
            log::error(format!("invalid request: {why}"));
            Some(errno)
        };
        let of_command = |errno, why: &str| refused(errno, format!("{name}: {why}"));
        if command.writes() && !offers.write {
            return of_command(libc::EROFS, "write request on readonly connection");
        }
        let inside = offset.checked_add(count.into()).is_some_and(|end| end <= offers.size);
        if command != Command::Flush && (count == 0 || !inside) {
            let errno = match command {
                Command::Write | Command::Zero => libc::ENOSPC,
                _ => libc::EINVAL,
            };
            let why = format!("offset and count are out of range: offset={offset} count={count}");
            return of_command(errno, &why);
        }
        if !command.flags().contains(flags) {
            return of_command(libc::EINVAL, "a flag that is not of this command");
        }
        if flags.contains(Flags::FUA) && offers.fua == 0 {
            return refused(libc::EINVAL, "FUA flag not supported".into());
        }
        if matches!(command, Command::Read | Command::Write) && count > LONGEST {
            let why = format!("data request is too large ({count} > {LONGEST})");
            return of_command(libc::ENOMEM, &why);
        }
        let missing = match command {
            Command::Flush if !offers.flush => "flush",
            Command::Trim if !offers.trim => "trim",
            Command::Cache if offers.cache == 0 => "cache",
            _ => return None,
        };
        of_command(libc::EINVAL, &format!("{missing} operation not supported"))
    }
}

impl Drop for Client<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.served.locks.with(|| drop(connection));
        }
    }
}

/// The protocol's error number for a plugin's error number.
fn protocols_errno(errno: i32, fast_zero: bool) -> i32 {
    match errno {
        libc::EROFS | libc::EPERM => libc::EPERM,
        libc::EIO => libc::EIO,
        libc::ENOMEM => libc::ENOMEM,
        libc::EDQUOT | libc::EFBIG | libc::ENOSPC => libc::ENOSPC,
        libc::ESHUTDOWN => libc::ESHUTDOWN,
        errno if [libc::ENOTSUP, libc::EOPNOTSUPP].contains(&errno) && fast_zero => libc::ENOTSUP,
        _ => libc::EINVAL,
    }
}
