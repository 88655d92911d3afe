//! The values that callbacks take and return, under nbdkit's names.

bitflags::bitflags! {
    /// Flags of a data request, as nbdkit-plugin(3) names them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct Flags: u32 {
        /// `zero` may punch a hole, if the range reads back as zeroes afterwards.
        const MAY_TRIM = 1 << 0;
        /// Forced unit access: the data is durable before the callback returns. Only seen if
        /// [`can_fua`](crate::ScriptPlugin::can_fua) returned [`Fua::Native`].
        const FUA = 1 << 1;
        /// `extents` need only describe the extent at the request's offset.
        const REQ_ONE = 1 << 2;
        /// `zero` must fail with `ENOTSUP` or `EOPNOTSUPP` unless it is faster than a write.
        const FAST_ZERO = 1 << 3;
    }
}

/// How forced unit access works: the return value of [`can_fua`](crate::ScriptPlugin::can_fua).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fua {
    /// The client is not offered it.
    None,
    /// nbdkit calls `flush` after the request.
    Emulate,
    /// The request carries [`Flags::FUA`], and the plugin handles it.
    Native,
}

/// How cache requests work: the return value of [`can_cache`](crate::ScriptPlugin::can_cache).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cache {
    /// The client is not offered them.
    None,
    /// nbdkit reads the range and discards the bytes.
    Emulate,
    /// nbdkit calls the `cache` callback.
    Native,
}

/// The most concurrency a plugin allows: the return value of
/// [`thread_model`](crate::ScriptPlugin::thread_model). The numbers are nbdkit's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i32)]
pub enum ThreadModel {
    /// One connection at a time.
    SerializeConnections = 0,
    /// Many connections, one request at a time.
    SerializeAllRequests = 1,
    /// Many connections, one request at a time on each.
    SerializeRequests = 2,
    /// Many requests at a time, even on one connection.
    Parallel = 3,
}

/// A range of the disk with one type, as `extents` returns it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extent {
    /// The start, in bytes from the start of the disk.
    pub offset: u64,
    /// The length in bytes, at least 1.
    pub length: u64,
    /// Data, a hole, zeroes, or a hole that reads as zeroes.
    pub extent_type: ExtentType,
}

bitflags::bitflags! {
    /// The type of an [`Extent`]. The empty set means allocated data.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct ExtentType: u32 {
        /// Nothing is allocated.
        const HOLE = 1 << 0;
        /// It reads as zeroes.
        const ZERO = 1 << 1;
    }
}

/// An export, as `list_exports` returns it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Export {
    /// The name that clients ask for: UTF-8, at most 4096 bytes, no NUL.
    pub name: String,
    /// A description for people: UTF-8, at most 4096 bytes, no NUL.
    pub description: Option<String>,
}

/// The request sizes that a disk wants, in bytes: the return value of
/// [`block_size`](crate::ScriptPlugin::block_size).
///
/// nbdkit requires `minimum` to be a power of two of at most 64 KiB, `preferred` a power of two
/// between 512 and 32 MiB, and `maximum` either `u32::MAX` or a multiple of `minimum`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockSize {
    /// Clients should send no smaller or less aligned request.
    pub minimum: u32,
    /// The fastest size.
    pub preferred: u32,
    /// Clients should send no larger request.
    pub maximum: u32,
}
