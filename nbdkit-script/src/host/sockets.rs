//! The sockets of nbdkit's clients, for which nbdkit has no function. An accepted socket shares its
//! name with a socket on which nbdkit listens.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::address::{Address, internet};
use super::descriptors::{Descriptor, descriptor, open};
use super::tcp::{self, Connection};

static KNOWN: Mutex<Known> = Mutex::new(Known { listeners: Vec::new(), stdin: None });

#[derive(Debug)]
struct Known {
    /// The names of nbdkit's listening sockets, including those it was started with, for example by
    /// systemd.
    listeners: Vec<Name>,
    /// The socket or pipe of the only client, with `nbdkit -s`. nbdkit moves it to another number.
    stdin: Option<Descriptor>,
}

/// A socket's name, in the system's own form.
type Name = Vec<u8>;

fn known() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records the listening sockets that nbdkit was started with. Called before a script can create
/// any.
pub(super) fn at_load() {
    known().listeners = listeners(&open());
}

/// Records where the client of `nbdkit -s` is. Called while standard input is still the original
/// one.
pub(super) fn client_on_stdin() {
    known().stdin = descriptor(libc::STDIN_FILENO);
}

/// Records the listening sockets among descriptors that nbdkit has created.
pub(super) fn add_listeners(new: &BTreeSet<Descriptor>) {
    let listeners = listeners(new);
    known().listeners.extend(listeners);
}

/// Makes nbdkit see end of file on its clients' sockets. Otherwise it would wait for each idle
/// client to leave before it ends.
///
/// This only affects sockets that share a name with one of nbdkit's listening sockets, as accepted
/// sockets do. nbdkit still reads what a client has already sent, and can still send replies.
pub(crate) fn let_clients_go() {
    for client in clients(&open()) {
        // SAFETY: takes any number. If the descriptor has been reused by now, it is either not a
        // socket, or belongs to a script that has nobody left to serve.
        unsafe { libc::shutdown(client.number, libc::SHUT_RD) };
    }
}

/// The sockets of nbdkit's clients, among all that is open.
pub(super) fn clients(open: &BTreeSet<Descriptor>) -> Vec<Descriptor> {
    let listeners = &known().listeners;
    let is_accepted = |socket: RawFd| {
        !is_listening(socket) && name(socket).is_some_and(|name| listeners.contains(&name))
    };
    sockets(open).filter(|socket| is_accepted(socket.number)).collect()
}

/// The other end of a client's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    /// The client sends nothing more, but may still wait for replies. Over TCP, a client in another
    /// network namespace that has gone looks the same.
    HalfClosed,
    Closed,
}

/// Where clients are, and the state of their ends.
pub(super) fn ends() -> Vec<(RawFd, End)> {
    let open = open();
    let clients: Vec<_> = clients(&open).into_iter().chain(stdin_among(&open)).collect();
    let polled =
        |client: &Descriptor| libc::pollfd { fd: client.number, events: HALF_CLOSED, revents: 0 };
    let mut polled: Vec<_> = clients.iter().map(polled).collect();
    // SAFETY: takes an array of this length; the descriptors may have any numbers.
    unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, 0) };
    let ends = clients.iter().zip(&polled).map(|(client, polled)| match polled.revents {
        0 => (*client, End::Open),
        events if events == HALF_CLOSED => (*client, End::HalfClosed),
        _ => (*client, End::Closed),
    });
    let mut ends: Vec<_> = ends.collect();
    close_abandoned(&mut ends);
    ends.into_iter().map(|(client, end)| (client.number, end)).collect()
}

/// Finds half-closed ends that are closed after all.
fn close_abandoned(ends: &mut [(Descriptor, End)]) {
    let half_closed = ends.iter_mut().filter(|(_, end)| *end == End::HalfClosed);
    let (half_closed, connections): (Vec<_>, Vec<_>) =
        half_closed.filter_map(|(client, end)| Some((end, connection(client)?))).unzip();
    for (end, is_abandoned) in half_closed.into_iter().zip(tcp::are_abandoned(&connections)) {
        if is_abandoned {
            *end = End::Closed;
        }
    }
}

/// The connection of a socket, if it is one over the internet's protocols.
fn connection(socket: &Descriptor) -> Option<Connection> {
    let end = |function| address(socket.number, function).and_then(|(end, _)| internet(&end));
    let (own, peer) = (end(libc::getsockname)?, end(libc::getpeername)?);
    Some(Connection { own, peer, inode: socket.file.1 })
}

/// The event for a half-closed other end. It is reported even while data is left to read.
#[cfg(target_os = "linux")]
const HALF_CLOSED: libc::c_short = libc::POLLRDHUP;
#[cfg(not(target_os = "linux"))]
const HALF_CLOSED: libc::c_short = 0;

/// Where nbdkit keeps the original standard input, if it serves a client there.
pub(super) fn stdin() -> Option<RawFd> {
    stdin_among(&open()).map(|stdin| stdin.number)
}

fn stdin_among(open: &BTreeSet<Descriptor>) -> Option<Descriptor> {
    let stdin = known().stdin?;
    open.iter().find(|descriptor| descriptor.file == stdin.file).copied()
}

fn sockets(descriptors: &BTreeSet<Descriptor>) -> impl Iterator<Item = Descriptor> {
    descriptors.iter().filter(|descriptor| descriptor.kind == libc::S_IFSOCK).copied()
}

fn listeners(descriptors: &BTreeSet<Descriptor>) -> Vec<Name> {
    let listening = sockets(descriptors).filter(|socket| is_listening(socket.number));
    listening.filter_map(|socket| name(socket.number)).collect()
}

fn is_listening(socket: RawFd) -> bool {
    option::<libc::c_int>(socket, libc::SO_ACCEPTCONN).is_some_and(|listening| listening != 0)
}

/// Whether a socket has this peer. `pid` is the peer's process, if that is known.
pub(super) fn has_peer(socket: RawFd, peer: &Address, pid: Option<i64>) -> bool {
    address(socket, libc::getpeername).is_some_and(|address| bytes(&address) == bytes(peer))
        && pid.is_none_or(|pid| has_pid(socket, pid))
}

/// Whether this is the process at the other end, as `nbdkit_peer_pid` sees it.
#[cfg(target_os = "linux")]
fn has_pid(socket: RawFd, pid: i64) -> bool {
    let credentials = option::<[libc::pid_t; 3]>(socket, libc::SO_PEERCRED);
    credentials.is_some_and(|[peer, ..]| i64::from(peer) == pid)
}
#[cfg(not(target_os = "linux"))]
fn has_pid(_: RawFd, _: i64) -> bool {
    true
}

/// Types that are valid whatever bytes the system writes.
trait Plain: Default {}
impl Plain for libc::c_int {}
// `struct ucred`: the numbers of the process, user and group.
impl Plain for [libc::pid_t; 3] {}

/// An option of a socket.
fn option<T: Plain>(socket: RawFd, option: libc::c_int) -> Option<T> {
    let mut value = T::default();
    let mut length = size_of::<T>() as libc::socklen_t;
    let place = (&raw mut value).cast();
    // SAFETY: takes any number, and room for `length` bytes, which may have any values.
    let status = unsafe { libc::getsockopt(socket, libc::SOL_SOCKET, option, place, &mut length) };
    (status == 0 && length as usize == size_of::<T>()).then_some(value)
}

/// What a socket is bound to. For an internet address, only the family and the port: a socket that
/// listens on all addresses accepts on one of them.
fn name(socket: RawFd) -> Option<Name> {
    let address = address(socket, libc::getsockname)?;
    let size = size_of::<libc::sa_family_t>();
    let name = bytes(&address);
    match libc::c_int::from(address.0.ss_family) {
        libc::AF_INET | libc::AF_INET6 => name.get(..size + size_of::<libc::in_port_t>()),
        // A listener always has a name.
        _ => Some(name).filter(|name| name.len() > size),
    }
    .map(<[u8]>::to_vec)
}

/// `getsockname` or `getpeername`.
type AddressOf =
    unsafe extern "C" fn(RawFd, *mut libc::sockaddr, *mut libc::socklen_t) -> libc::c_int;

fn address(socket: RawFd, function: AddressOf) -> Option<Address> {
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: takes any number and room for `length` bytes, for which zeroes are valid.
    unsafe {
        let status = function(socket, storage.as_mut_ptr().cast(), &mut length);
        (status == 0).then(|| (storage.assume_init(), length as usize))
    }
}

/// An address in the system's own form.
fn bytes((storage, length): &Address) -> &[u8] {
    let all = std::ptr::from_ref(storage).cast::<u8>();
    // SAFETY: the storage has this many bytes. All of them are initialised: it was all zeroes when
    // the system wrote to it.
    unsafe { std::slice::from_raw_parts(all, (*length).min(size_of_val(storage))) }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::{Read, pipe};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// Tests share the process's descriptors and listeners.
    pub(in super::super) fn as_the_only_one() -> MutexGuard<'static, ()> {
        static ONE: Mutex<()> = Mutex::new(());
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        known().listeners.clear();
        one
    }

    pub(in super::super) fn of(stream: &impl AsRawFd) -> Descriptor {
        descriptor(stream.as_raw_fd()).unwrap()
    }

    pub(in super::super) fn peer(accepted: &impl AsRawFd) -> Address {
        address(accepted.as_raw_fd(), libc::getpeername).unwrap()
    }

    #[test]
    fn an_accepted_socket_has_the_name_of_its_listener_and_reveals_its_client() {
        let _only_one = as_the_only_one();
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connect = || {
            let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
            (client, listener.accept().unwrap().0)
        };
        let (client, accepted) = connect();
        let numbers = [listener.as_raw_fd(), accepted.as_raw_fd(), client.as_raw_fd()];
        assert_eq!(numbers.map(is_listening), [true, false, false]);
        assert_eq!(name(listener.as_raw_fd()), name(accepted.as_raw_fd()));
        assert_ne!(name(client.as_raw_fd()), name(accepted.as_raw_fd()));
        assert_eq!(ends(), [], "no listener is known");
        add_listeners(&BTreeSet::from([of(&listener)]));

        let (_other_client, other) = connect();
        let accepted_number = accepted.as_raw_fd();
        let has_peer = |peer| has_peer(accepted_number, &peer, None);
        assert_eq!([peer(&accepted), peer(&other)].map(has_peer), [true, false]);
        let end_of = |socket: RawFd| ends().into_iter().find(|(number, _)| *number == socket);
        let end_of = |socket| end_of(socket).map(|(_, end)| end);
        assert_eq!(end_of(accepted_number), Some(End::Open));
        // This end takes a moment to notice, and a process that another test has just forked may
        // still have what is closed here.
        let wait_while = |end| {
            while end_of(accepted_number) == Some(end) {
                std::thread::yield_now();
            }
            [accepted_number, other.as_raw_fd()].map(end_of)
        };
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(wait_while(End::Open), [Some(End::HalfClosed), Some(End::Open)]);
        drop(client);
        assert_eq!(wait_while(End::HalfClosed), [Some(End::Closed), Some(End::Open)]);
        drop((accepted, other));

        // As with `nbdkit -s`.
        let (reader, writer) = pipe().unwrap();
        let number = reader.as_raw_fd();
        known().stdin = Some(of(&reader));
        assert_eq!((stdin(), ends()), (Some(number), vec![(number, End::Open)]));
        drop(writer);
        while ends() == [(number, End::Open)] {
            std::thread::yield_now();
        }
        assert_eq!(ends(), [(number, End::Closed)]);
        known().stdin = None;

        // Over a Unix domain socket, a client that only sends nothing more is told apart.
        let (client, accepted) = UnixStream::pair().unwrap();
        known().stdin = Some(of(&accepted));
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(ends(), [(accepted.as_raw_fd(), End::HalfClosed)]);
        drop(client);
        while ends() == [(accepted.as_raw_fd(), End::HalfClosed)] {
            std::thread::yield_now();
        }
        assert_eq!(ends(), [(accepted.as_raw_fd(), End::Closed)]);
        known().stdin = None;

        let (_client, mut accepted) = connect();
        let_clients_go();
        assert_eq!(accepted.read(&mut [0]).unwrap(), 0);
    }
}
