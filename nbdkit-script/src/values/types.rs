//! The values that callbacks take and give, with the names nbdkit has for them.

bitflags::bitflags! {
    /// Flags of a data request, as nbdkit-plugin(3) names them.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct Flags: u32 {
        /// `zero` may punch a hole, if the range reads back as zeroes afterwards.
        const MAY_TRIM = 1 << 0;
        /// Forced unit access: durable before the callback returns. Only seen where
        /// [`can_fua`](crate::ScriptPlugin::can_fua) answered [`Fua::Native`].
        const FUA = 1 << 1;
        /// `extents` need describe only the extent at the request's offset.
        const REQ_ONE = 1 << 2;
        /// `zero` must fail with `ENOTSUP` or `EOPNOTSUPP` unless it is faster than a write.
        const FAST_ZERO = 1 << 3;
    }
}

/// How forced unit access is done: the answer of [`can_fua`](crate::ScriptPlugin::can_fua).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fua {
    /// It is not offered to the client.
    None,
    /// nbdkit calls `flush` after the request.
    Emulate,
    /// The request carries [`Flags::FUA`] and the plugin sees to it.
    Native,
}

/// How cache requests are done: the answer of [`can_cache`](crate::ScriptPlugin::can_cache).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cache {
    /// They are not offered to the client.
    None,
    /// nbdkit reads the range and throws the bytes away.
    Emulate,
    /// The `cache` callback is called.
    Native,
}

/// The greatest concurrency a plugin can stand: the answer of
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

/// A range of the disk that is all of one kind, as `extents` reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Where it begins, in bytes from the start of the disk.
    pub offset: u64,
    /// Its length in bytes, at least 1.
    pub length: u64,
    /// Data, hole, zeroes, or both of the latter.
    pub kind: ExtentKind,
}

bitflags::bitflags! {
    /// The kind of an [`Extent`]. The empty set is allocated data.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
    pub struct ExtentKind: u32 {
        /// Nothing is allocated.
        const HOLE = 1 << 0;
        /// It reads as zeroes.
        const ZERO = 1 << 1;
    }
}

/// One export, as `list_exports` reports it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Export {
    /// The name a client asks for: UTF-8, at most 4096 bytes, no NUL.
    pub name: String,
    /// A text for people: UTF-8, at most 4096 bytes, no NUL.
    pub description: Option<String>,
}

/// The request sizes a disk wants, in bytes: the answer of
/// [`block_size`](crate::ScriptPlugin::block_size).
///
/// nbdkit refuses a `minimum` that is not a power of two of at most 64 KiB, a `preferred` that is
/// not a power of two between 512 and 32 MiB, and a `maximum` that is neither `u32::MAX` nor a
/// multiple of `minimum`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockSize {
    /// No smaller or less aligned request is sent.
    pub minimum: u32,
    /// What is fast.
    pub preferred: u32,
    /// No larger request is sent.
    pub maximum: u32,
}
