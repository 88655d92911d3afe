//! Which client a call runs for, which socket is that client's, and whether it is still there.
//!
//! nbdkit does not say which socket is whose. It follows from the peer, and from the sockets that
//! belong to other connections.

use std::collections::BTreeSet;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::address::Address;
use super::descriptors::{Descriptor, open};
use super::sockets::{self, End};

/// For whom a call runs: a client, by the number of its socket, or one of the constants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller(RawFd);

impl Caller {
    /// A client whose socket we do not know.
    pub(crate) const UNKNOWN: Caller = Caller(-1);

    /// No client: `after_fork` and `cleanup`.
    pub(crate) const NOBODY: Caller = Caller(-2);

    /// A client that has gone, so that its connection is closed. Scripts save data then.
    pub(crate) const CLOSED: Caller = Caller(-3);

    /// For a place that holds plain numbers.
    #[inline]
    pub(crate) fn number(self) -> RawFd {
        self.0
    }

    /// The reverse of `number`.
    #[inline]
    pub(crate) fn from_number(number: RawFd) -> Self {
        Caller(number)
    }
}

impl Default for Caller {
    fn default() -> Self {
        Caller::UNKNOWN
    }
}

/// What a client's socket reveals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Connected,
    /// It sends nothing more. It has gone, or waits for the last replies.
    Leaving,
    Gone,
    /// Some client has gone, and it may be this one; or we found no socket, without `/proc` or over
    /// vsock, where accepted sockets and listeners have different names.
    Unknown,
}

/// The sockets of all clients, and the state of the other ends.
#[derive(Debug)]
pub(crate) struct Clients(Vec<(RawFd, End)>);

impl Clients {
    /// Looks at all of them.
    pub(crate) fn look() -> Clients {
        Clients(sockets::ends())
    }

    #[cfg(test)]
    pub(crate) fn that_are(clients: &[(RawFd, End)]) -> Clients {
        Clients(clients.to_vec())
    }

    /// Whether this client is still connected.
    pub(crate) fn presence(&self, client: Caller) -> Presence {
        let own = self.0.iter().find(|(number, _)| *number == client.0);
        let ends = || self.0.iter().map(|(_, end)| *end);
        match own {
            Some((_, End::Open)) => Presence::Connected,
            Some((_, End::HalfClosed)) => Presence::Leaving,
            Some((_, End::Closed)) => Presence::Gone,
            None if self.0.is_empty() => Presence::Unknown,
            None if ends().all(|end| end == End::Closed) => Presence::Gone,
            None if ends().any(|end| end == End::Closed) => Presence::Unknown,
            None if ends().any(|end| end == End::HalfClosed) => Presence::Leaving,
            None => Presence::Connected,
        }
    }
}

static KNOWN: Mutex<Known> = Mutex::new(Known::NOTHING);

#[derive(Debug)]
struct Known {
    /// Whether anybody asks which socket is whose. To find out takes some system calls for each
    /// open descriptor.
    are_told_apart: bool,
    /// Sockets that belong to connections. Closed ones are removed at the next look.
    owned: BTreeSet<Descriptor>,
    undecided: Undecided,
}

/// Connections that could not be told apart, and the sockets that they may have.
#[derive(Debug)]
struct Undecided {
    sockets: BTreeSet<Descriptor>,
    connections: usize,
}

impl Known {
    const NOTHING: Known =
        Known { are_told_apart: false, owned: BTreeSet::new(), undecided: Undecided::NONE };
}

impl Undecided {
    const NONE: Undecided = Undecided { sockets: BTreeSet::new(), connections: 0 };

    /// Removes the connections whose sockets have been closed.
    fn retain(&mut self, open: &BTreeSet<Descriptor>) {
        let before = self.sockets.len();
        self.sockets.retain(|socket| open.contains(socket));
        self.connections = self.connections.saturating_sub(before - self.sockets.len());
    }

    /// Adds a connection that has one of these sockets. Once there are as many connections as
    /// sockets, returns the sockets: they all belong to connections, even if we do not know which.
    fn add(&mut self, sockets: &[Descriptor]) -> BTreeSet<Descriptor> {
        self.sockets.extend(sockets);
        self.connections += 1;
        if self.connections == self.sockets.len() {
            return std::mem::replace(self, Undecided::NONE).sockets;
        }
        BTreeSet::new()
    }
}

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets an earlier server of this process.
pub(super) fn at_load() {
    *known() = Known::NOTHING;
}

/// From now on `of_new_client` finds sockets.
pub(crate) fn tell_clients_apart() {
    known().are_told_apart = true;
}

/// Whether `of_new_client` finds sockets.
pub(super) fn are_told_apart() -> bool {
    known().are_told_apart
}

/// The client of a new connection. Its socket is the only one with this peer that belongs to no
/// other connection. Two connections that the same process opens before the first of them gets here
/// cannot be told apart. This only happens over Unix domain sockets, where peers have no names.
///
/// `peer` is the client's address, and `pid` its process if that is known.
pub(super) fn of_new_client(peer: &Address, pid: Option<i64>) -> Caller {
    // One connection after the other: each sees at least the sockets that the one before saw.
    let mut known = known();
    let mut open = open();
    if open.is_empty() {
        // No descriptor is left for a look.
        return Caller::UNKNOWN;
    }
    known.owned.retain(|owned| open.contains(owned));
    known.undecided.retain(&open);
    open.retain(|socket| !known.owned.contains(socket));
    let mut free = sockets::clients(&open);
    free.retain(|socket| sockets::has_peer(socket.number, peer, pid));
    match free[..] {
        [] => Caller::UNKNOWN,
        [only] => {
            known.undecided.sockets.remove(&only);
            known.owned.insert(only);
            Caller(only.number)
        }
        _ => {
            let owned = known.undecided.add(&free);
            known.owned.extend(owned);
            Caller::UNKNOWN
        }
    }
}

/// The client of `nbdkit -s`, if there is one.
pub(super) fn on_stdin() -> Option<Caller> {
    sockets::stdin().map(Caller)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::super::sockets::tests::{as_the_only_one, of, peer};
    use super::*;

    #[test]
    fn connections_are_told_apart_by_what_belongs_to_others() {
        let _only_one = as_the_only_one();
        let path = std::env::temp_dir().join(format!("nbdkit-callers-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        sockets::add_listeners(&BTreeSet::from([of(&listener)]));
        let connect = || {
            let client = UnixStream::connect(&path).unwrap();
            (client, listener.accept().unwrap().0)
        };
        let caller = |accepted: &UnixStream| Caller(accepted.as_raw_fd());
        let (first_client, first) = connect();
        let (peer, own) = (peer(&first), i64::from(std::process::id()));
        assert_eq!(of_new_client(&peer, Some(own + 1)), Caller::UNKNOWN);
        let of_new_client = || of_new_client(&peer, Some(own));
        assert_eq!(of_new_client(), caller(&first));

        // Connections that begin at once are unknown, but do not stand in the way of later ones.
        let (_second_client, _second) = connect();
        let (third_client, third) = connect();
        assert_eq!(of_new_client(), Caller::UNKNOWN);
        let (_fourth_client, _fourth) = connect();
        assert_eq!([of_new_client(), of_new_client()], [Caller::UNKNOWN; 2]);
        let (_fifth_client, fifth) = connect();
        assert_eq!(of_new_client(), caller(&fifth));

        // The numbers of connections that have ended are used again.
        drop((first_client, first, third_client, third));
        let (_sixth_client, sixth) = connect();
        assert_eq!(of_new_client(), caller(&sixth));

        // One of two ends before the other looks.
        let (seventh_client, seventh) = connect();
        let (_eighth_client, eighth) = connect();
        assert_eq!(of_new_client(), Caller::UNKNOWN);
        drop((seventh_client, seventh));
        assert_eq!(of_new_client(), caller(&eighth));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_client_is_gone_if_its_own_socket_is_closed_or_all_are() {
        use Presence::{Connected, Gone, Leaving, Unknown};

        let presences = |clients: &[(RawFd, End)]| {
            let clients = Clients::that_are(clients);
            [Caller(3), Caller(4), Caller::UNKNOWN].map(|client| clients.presence(client))
        };
        assert_eq!(presences(&[]), [Unknown; 3]);
        let of = |first, second| presences(&[(3, first), (4, second)]);
        assert_eq!(of(End::Open, End::Open), [Connected; 3]);
        assert_eq!(of(End::Closed, End::Open), [Gone, Connected, Unknown]);
        assert_eq!(of(End::HalfClosed, End::Open), [Leaving, Connected, Leaving]);
        assert_eq!(of(End::Closed, End::HalfClosed), [Gone, Leaving, Unknown]);
        assert_eq!(of(End::Closed, End::Closed), [Gone; 3]);
    }
}
