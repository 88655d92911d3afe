//! A client's identity, as the plugin sees it.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Where a client connects from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Peer {
    /// Over a Unix domain socket. Most clients' sockets have no path.
    Unix {
        /// The path that the client's socket is bound to, if any.
        path: Option<PathBuf>,
        /// The client's process.
        pid: i64,
        /// The client's user.
        uid: i64,
        /// The client's group.
        gid: i64,
    },
    /// Over TCP.
    Tcp(SocketAddr),
}

/// This process, over a Unix domain socket.
impl Default for Peer {
    fn default() -> Peer {
        let (uid, gid) = crate::system::user();
        Peer::Unix { path: None, pid: std::process::id().into(), uid, gid }
    }
}

impl From<SocketAddr> for Peer {
    fn from(address: SocketAddr) -> Peer {
        Peer::Tcp(address)
    }
}

impl Peer {
    pub(crate) fn pid(&self) -> i64 {
        match self {
            Peer::Unix { pid, .. } => *pid,
            Peer::Tcp(_) => -1,
        }
    }

    pub(crate) fn uid(&self) -> i64 {
        match self {
            Peer::Unix { uid, .. } => *uid,
            // The system returns this, and nbdkit passes it on.
            Peer::Tcp(_) => u32::MAX.into(),
        }
    }

    pub(crate) fn gid(&self) -> i64 {
        match self {
            Peer::Unix { gid, .. } => *gid,
            Peer::Tcp(_) => u32::MAX.into(),
        }
    }
}
