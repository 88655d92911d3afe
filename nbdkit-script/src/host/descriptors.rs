//! What the process's file descriptors reveal about the server: the pipe through which nbdkit tells
//! itself to end, and the sockets of its clients. nbdkit has no function for either.
//!
//! nbdkit creates the pipe and its listening sockets between `get_ready` and `after_fork`, and
//! nothing else happens in between. So they are the descriptors that are new in `after_fork`.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};

/// A descriptor and its file: the numbers of closed descriptors are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Descriptor {
    number: RawFd,
    file: (libc::dev_t, libc::ino_t),
    kind: libc::mode_t,
}

static KNOWN: Mutex<Known> =
    Mutex::new(Known { before: BTreeSet::new(), listeners: Vec::new(), stdin: None });

/// The end of nbdkit's pipe that becomes readable when the server has to end.
static QUIT: AtomicI32 = AtomicI32::new(NONE);

/// Stands for no descriptor.
const NONE: RawFd = -1;

#[derive(Debug)]
struct Known {
    /// What was open at the end of `get_ready`.
    before: BTreeSet<Descriptor>,
    /// The names of nbdkit's listening sockets, including those it was started with, for example by
    /// systemd.
    listeners: Vec<Name>,
    /// The socket or pipe of the only client, with `nbdkit -s`. nbdkit moves it to another number.
    stdin: Option<Descriptor>,
}

/// What the sockets of the clients reveal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clients {
    /// All of them are still connected.
    AreThere,
    /// Some have gone; or we found none, without `/proc` or over vsock, where accepted sockets and
    /// listeners have different names.
    MayBeGone,
    /// All of them have gone.
    AreGone,
}

/// A socket's name, in the system's own form.
type Name = Vec<u8>;

fn known() -> std::sync::MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Records the listening sockets that nbdkit was started with. Called before a script can create
/// any.
pub(super) fn at_load() {
    QUIT.store(NONE, Ordering::Relaxed);
    known().listeners = listeners(&open());
}

/// Records where the client of `nbdkit -s` is. Called while standard input is still the original
/// one.
pub(super) fn client_on_stdin() {
    known().stdin = descriptor(libc::STDIN_FILENO);
}

/// Records what is open at the end of `get_ready`.
pub(crate) fn before_serving() {
    known().before = open();
}

/// Finds what nbdkit has created since. Called before anything else in `after_fork`.
pub(super) fn find() {
    let mut known = known();
    let new: BTreeSet<_> = open().difference(&known.before).copied().collect();
    QUIT.store(only_pipe(&new).unwrap_or(NONE), Ordering::Relaxed);
    let listeners = listeners(&new);
    known.listeners.extend(listeners);
}

/// The end of nbdkit's pipe that becomes readable when the server has to end, if we found it.
pub(super) fn quit() -> Option<RawFd> {
    Some(QUIT.load(Ordering::Relaxed)).filter(|quit| *quit != NONE)
}

/// Makes nbdkit see end of file on its clients' sockets. Otherwise it would wait for each idle
/// client to leave before it ends.
///
/// This only affects sockets that share a name with one of nbdkit's listening sockets, as accepted
/// sockets do. nbdkit still reads what a client has already sent, and can still send replies.
pub(crate) fn let_clients_go() {
    for client in clients() {
        // SAFETY: takes any number. If the descriptor has been reused by now, it is either not a
        // socket, or belongs to a script that has nobody left to serve.
        unsafe { libc::shutdown(client, libc::SHUT_RD) };
    }
}

/// Looks for clients that have gone: the other end of their sockets is closed.
pub(crate) fn look_for_clients() -> Clients {
    let clients = clients().into_iter().chain(stdin());
    let polled = clients.map(|fd| libc::pollfd { fd, events: CLOSED, revents: 0 });
    let mut polled: Vec<_> = polled.collect();
    // SAFETY: takes an array of this length; the descriptors may have any numbers.
    unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, 0) };
    let gone = polled.iter().filter(|client| client.revents != 0).count();
    match polled.len() {
        0 => Clients::MayBeGone,
        _ if gone == 0 => Clients::AreThere,
        all if gone == all => Clients::AreGone,
        _ => Clients::MayBeGone,
    }
}

/// The event for a closed other end. It is reported even while data is left to read.
#[cfg(target_os = "linux")]
const CLOSED: libc::c_short = libc::POLLRDHUP;
#[cfg(not(target_os = "linux"))]
const CLOSED: libc::c_short = libc::POLLIN;

/// The sockets of nbdkit's clients.
fn clients() -> Vec<RawFd> {
    let listeners = known().listeners.clone();
    let sockets = open().into_iter().filter(|descriptor| descriptor.kind == libc::S_IFSOCK);
    let is_client = |socket: &RawFd| {
        !is_listening(*socket) && name(*socket).is_some_and(|name| listeners.contains(&name))
    };
    sockets.map(|socket| socket.number).filter(is_client).collect()
}

/// Where nbdkit keeps the original standard input, if it serves a client there.
fn stdin() -> Option<RawFd> {
    let stdin = known().stdin?;
    let mut found = open().into_iter().filter(|descriptor| descriptor.file == stdin.file);
    found.next().map(|descriptor| descriptor.number)
}

/// All descriptors of the process.
fn open() -> BTreeSet<Descriptor> {
    let directory = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    let names = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let numbers = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter_map(descriptor).collect()
}

fn descriptor(number: RawFd) -> Option<Descriptor> {
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: takes any number and room for the result, for which zeroes are valid.
    let status = unsafe {
        if libc::fstat(number, status.as_mut_ptr()) != 0 {
            return None;
        }
        status.assume_init()
    };
    let file = (status.st_dev, status.st_ino);
    Some(Descriptor { number, file, kind: status.st_mode & libc::S_IFMT })
}

/// The reading end of the only pipe with both ends in this set.
fn only_pipe(descriptors: &BTreeSet<Descriptor>) -> Option<RawFd> {
    let pipes = descriptors.iter().filter(|descriptor| descriptor.kind == libc::S_IFIFO);
    let pipes: Vec<_> = pipes.map(|pipe| (pipe, access(pipe.number))).collect();
    let mut both = pipes.iter().filter(|(pipe, access)| {
        *access == libc::O_RDONLY
            && pipes
                .iter()
                .any(|(other, access)| other.file == pipe.file && *access == libc::O_WRONLY)
    });
    match (both.next(), both.next()) {
        (Some((pipe, _)), None) => Some(pipe.number),
        _ => None,
    }
}

/// The access mode: reading, writing, or both.
fn access(number: RawFd) -> libc::c_int {
    // SAFETY: takes any number.
    unsafe { libc::fcntl(number, libc::F_GETFL) & libc::O_ACCMODE }
}

fn listeners(descriptors: &BTreeSet<Descriptor>) -> Vec<Name> {
    let sockets = descriptors.iter().filter(|descriptor| descriptor.kind == libc::S_IFSOCK);
    let listening = sockets.filter(|socket| is_listening(socket.number));
    listening.filter_map(|socket| name(socket.number)).collect()
}

fn is_listening(socket: RawFd) -> bool {
    let mut listening: libc::c_int = 0;
    let mut length = size_of_val(&listening) as libc::socklen_t;
    let place = (&raw mut listening).cast();
    // SAFETY: takes any number, and room for `length` bytes.
    let status = unsafe {
        libc::getsockopt(socket, libc::SOL_SOCKET, libc::SO_ACCEPTCONN, place, &mut length)
    };
    status == 0 && listening != 0
}

/// What a socket is bound to. For an internet address, only the family and the port: a socket that
/// listens on all addresses accepts on one of them.
fn name(socket: RawFd) -> Option<Name> {
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: takes any number and room for `length` bytes, for which zeroes are valid. Every byte
    // is initialised, so we may look at them as bytes.
    let (family, bytes) = unsafe {
        if libc::getsockname(socket, storage.as_mut_ptr().cast(), &mut length) != 0 {
            return None;
        }
        let bytes = storage.as_ptr().cast::<u8>();
        let family = storage.assume_init_ref().ss_family;
        (family, std::slice::from_raw_parts(bytes, size_of_val(&storage)))
    };
    let size = size_of::<libc::sa_family_t>();
    let whole = bytes.get(..length as usize)?;
    match libc::c_int::from(family) {
        libc::AF_INET | libc::AF_INET6 => whole.get(..size + size_of::<libc::in_port_t>()),
        // A listener always has a name.
        _ => Some(whole).filter(|name| name.len() > size),
    }
    .map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, pipe};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::*;

    fn of(number: RawFd) -> Descriptor {
        descriptor(number).unwrap()
    }

    #[test]
    fn a_pipe_is_found_if_both_ends_are_open_and_it_is_the_only_one() {
        let (reader, writer) = pipe().unwrap();
        let both = BTreeSet::from([of(reader.as_raw_fd()), of(writer.as_raw_fd())]);
        assert!(both.is_subset(&open()));
        assert_eq!(only_pipe(&both), Some(reader.as_raw_fd()));
        assert_eq!(only_pipe(&BTreeSet::from([of(reader.as_raw_fd())])), None);
        let (other_reader, other_writer) = pipe().unwrap();
        let others = [of(other_reader.as_raw_fd()), of(other_writer.as_raw_fd())];
        assert_eq!(only_pipe(&both.into_iter().chain(others).collect()), None);
    }

    #[test]
    fn an_accepted_socket_has_the_name_of_its_listener() {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let accepted = listener.accept().unwrap().0;
        assert!(is_listening(listener.as_raw_fd()) && !is_listening(accepted.as_raw_fd()));
        assert_eq!(name(listener.as_raw_fd()), name(accepted.as_raw_fd()));
        assert_ne!(name(client.as_raw_fd()), name(accepted.as_raw_fd()));

        assert_eq!(look_for_clients(), Clients::MayBeGone, "no listener is known");
        known().listeners = listeners(&BTreeSet::from([of(listener.as_raw_fd())]));
        assert_eq!(look_for_clients(), Clients::AreThere);
        drop(client);
        // The other end takes a moment to notice.
        while look_for_clients() == Clients::AreThere {
            std::thread::yield_now();
        }
        assert_eq!((clients(), look_for_clients()), (vec![accepted.as_raw_fd()], Clients::AreGone));

        // As with `nbdkit -s`.
        let (reader, writer) = pipe().unwrap();
        known().stdin = Some(of(reader.as_raw_fd()));
        assert_eq!(look_for_clients(), Clients::MayBeGone);
        drop(writer);
        assert_eq!(look_for_clients(), Clients::AreGone);
        known().stdin = None;

        let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let mut accepted = listener.accept().unwrap().0;
        let_clients_go();
        assert_eq!(accepted.read(&mut [0]).unwrap(), 0);
    }
}
