//! Collects what is known about a connected client, to be [remembered](super::remembered).
//!
//! This must not add to nbdkit's log with each `open`, so we only ask nbdkit what it knows.

use std::ffi::OsString;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use once_cell::sync::Lazy;

use super::address;
use super::callers::{self, Caller};
use super::client::{Number, Text, asked, export_name, is_tls, peer_address};
use super::functions::{
    nbdkit_peer_gid, nbdkit_peer_pid, nbdkit_peer_security_context, nbdkit_peer_tls_dn,
    nbdkit_peer_tls_issuer_dn, nbdkit_peer_uid,
};
use super::remembered::{CLIENT, Client, Remembered};
use super::sockets;
use super::stdio::stdio_safe;
use crate::error::Error;

/// Whether nbdkit serves a client on a standard input that is a pipe or a file. nbdkit takes it for
/// a socket, and logs an error each time we ask about it.
static NO_SOCKET: AtomicBool = AtomicBool::new(false);

/// Call this when nbdkit loads the plugin, while standard input is still the original one.
pub(crate) fn look_at_stdin() {
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: there is room for the result. If the call fails, it stays all zeroes, which is valid.
    let status = unsafe {
        libc::fstat(libc::STDIN_FILENO, status.as_mut_ptr());
        status.assume_init()
    };
    let socket = status.st_mode & libc::S_IFMT == libc::S_IFSOCK;
    let has_client = !stdio_safe();
    NO_SOCKET.store(has_client && !socket, Ordering::Relaxed);
    if has_client {
        sockets::client_on_stdin();
    }
}

/// Call this in `preconnect`: from then on this thread has a connection.
pub(crate) fn connected() {
    let client = Client { caller: new_caller(), ..Client::default() };
    let _ = CLIENT.try_with(|remembered| remembered.replace(Some(Arc::new(client))));
}

/// The client of this thread's new connection. We look for its socket before the handshake: while
/// few other connections are new.
fn new_caller() -> Caller {
    if let Some(stdin) = callers::on_stdin() {
        return stdin;
    }
    if !callers::are_told_apart() {
        return Caller::UNKNOWN;
    }
    let Ok(Ok(peer)) = peer_address() else { return Caller::UNKNOWN };
    let unix = i32::from(peer.0.ss_family) == libc::AF_UNIX;
    let pid = if unix { asked(&nbdkit_peer_pid).ok().flatten() } else { None };
    callers::of_new_client(&peer, pid)
}

/// Call this before a plugin's `open`.
pub(crate) fn remember() -> Remembered {
    CLIENT
        .try_with(|client| {
            let mut client = client.borrow_mut();
            if let Some(client) = &mut *client {
                *client = Arc::new(Client { caller: client.caller, ..known() });
            }
            client.clone()
        })
        .unwrap_or_default()
}

fn known() -> Client {
    let mut client =
        Client { export_name: export_name().ok(), is_tls: is_tls().ok(), ..Client::default() };
    if !NO_SOCKET.load(Ordering::Relaxed)
        && let Ok(Ok((storage, length))) = peer_address()
    {
        client.name = address::shown(&storage, length).ok();
        if i32::from(storage.ss_family) == libc::AF_UNIX {
            let number = |function: &Number| asked(function).ok().flatten();
            client.pid = number(&nbdkit_peer_pid);
            client.uid = number(&nbdkit_peer_uid);
            client.gid = number(&nbdkit_peer_gid);
            if *SYSTEM_HAS_CONTEXTS {
                client.security_context = text(&nbdkit_peer_security_context);
            }
        }
    }
    // Without TLS, nbdkit returns an empty name, and says so in the debug log each time.
    let tls = client.is_tls == Some(true);
    let tls_name = |function| if tls { text(function) } else { Some(OsString::new()) };
    client.tls_dn = tls_name(&nbdkit_peer_tls_dn);
    client.tls_issuer_dn = tls_name(&nbdkit_peer_tls_issuer_dn);
    client
}

fn text(function: &Text) -> Option<OsString> {
    // SAFETY: takes nothing; this thread has a connection.
    let text = unsafe { function.get()?() };
    super::path::take(text, Error::not_defined).ok()
}

/// Whether sockets have security contexts on this system. If they have none, nbdkit says so in its
/// debug log each time.
static SYSTEM_HAS_CONTEXTS: Lazy<bool> = Lazy::new(|| {
    let mut pair = [0; 2];
    let mut length = 0;
    let (level, option) = (libc::SOL_SOCKET, libc::SO_PEERSEC);
    // SAFETY: there is room for two descriptors, which are closed once. The buffer for the option
    // has no bytes, so only its length is written.
    unsafe {
        if libc::socketpair(libc::AF_UNIX, libc::SOCK_STREAM, 0, pair.as_mut_ptr()) == -1 {
            return false;
        }
        let none = std::ptr::null_mut();
        let status = libc::getsockopt(pair[0], level, option, none, &mut length);
        let too_long = *libc::__errno_location() == libc::ERANGE;
        libc::close(pair[0]);
        libc::close(pair[1]);
        status == 0 || too_long
    }
});
