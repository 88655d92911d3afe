//! What nbdkit knows about the client, the errno of a request, and the end of client and server.

use std::ffi::{c_char, c_int, c_uint};
use std::mem::offset_of;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use crate::log;
use crate::peer::Peer;
use crate::server::{self, Woken};
use crate::session::{self, Known};

fn set_errno(errno: c_int) {
    // SAFETY: errno is this thread's own.
    unsafe { *libc::__errno_location() = errno };
}

/// Returns the client, or logs an error if there is none.
fn found(client: Option<Arc<Known>>) -> Option<Arc<Known>> {
    if client.is_none() {
        log::error("no connection in this thread");
    }
    client
}

/// Sets the errno of the request that is about to fail.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_set_error(errno: c_int) {
    session::set_error(errno);
}

/// The export that the client asked for. The string lives as long as the connection.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_export_name() -> *const c_char {
    let client = found(session::opened_client());
    let name = client.as_ref().and_then(|client| client.export.get());
    name.map_or(ptr::null(), |name| name.as_ptr())
}

/// Whether the client came over TLS.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_is_tls() -> c_int {
    found(session::opened_client()).map_or(-1, |client| client.tls.into())
}

/// Whether the plugin may use standard input and output: until all parameters are taken.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_stdio_safe() -> c_int {
    (!server::is_configured()).into()
}

/// The client's address.
///
/// # Safety
/// As for getpeername(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn nbdkit_peer_name(
    place: *mut libc::sockaddr,
    length: *mut libc::socklen_t,
) -> c_int {
    let Some(client) = found(session::client()) else { return -1 };
    let (address, size) = address(&client.peer);
    // SAFETY: there is room for `length` bytes, and the address has at least as many as we copy.
    unsafe {
        let copied = size.min(*length as usize);
        place.cast::<u8>().copy_from_nonoverlapping((&raw const address).cast(), copied);
        *length = size as libc::socklen_t;
    }
    0
}

/// A socket's address, and its length.
fn address(peer: &Peer) -> (libc::sockaddr_storage, usize) {
    // SAFETY: zeroes are an address of no family.
    let mut storage: libc::sockaddr_storage = unsafe { std::mem::zeroed() };
    let place = &raw mut storage;
    // SAFETY: the storage is large enough and aligned for any address.
    let size = unsafe {
        match peer {
            Peer::Unix { path, .. } => {
                let unix = &mut *place.cast::<libc::sockaddr_un>();
                unix.sun_family = libc::AF_UNIX as libc::sa_family_t;
                let path = path.as_ref().map_or(&[][..], |path| path.as_os_str().as_bytes());
                for (to, from) in unix.sun_path.iter_mut().zip(path) {
                    *to = *from as c_char;
                }
                // Includes the NUL at the end, if there is a path.
                let length = path.len() + usize::from(!path.is_empty());
                offset_of!(libc::sockaddr_un, sun_path) + length.min(unix.sun_path.len())
            }
            Peer::Tcp(SocketAddr::V4(address)) => {
                let inet = &mut *place.cast::<libc::sockaddr_in>();
                inet.sin_family = libc::AF_INET as libc::sa_family_t;
                inet.sin_port = address.port().to_be();
                inet.sin_addr.s_addr = u32::from(*address.ip()).to_be();
                size_of_val(inet)
            }
            Peer::Tcp(SocketAddr::V6(address)) => {
                let inet = &mut *place.cast::<libc::sockaddr_in6>();
                inet.sin6_family = libc::AF_INET6 as libc::sa_family_t;
                inet.sin6_port = address.port().to_be();
                inet.sin6_addr.s6_addr = address.ip().octets();
                inet.sin6_scope_id = address.scope_id();
                size_of_val(inet)
            }
        }
    };
    (storage, size)
}

/// The client's process.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_peer_pid() -> i64 {
    found(session::client()).map_or(-1, |client| client.peer.pid())
}

/// The client's user.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_peer_uid() -> i64 {
    found(session::client()).map_or(-1, |client| client.peer.uid())
}

/// The client's group.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_peer_gid() -> i64 {
    found(session::client()).map_or(-1, |client| client.peer.gid())
}

/// Asks the server to shut down.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_shutdown() {
    server::shut_down();
}

/// Ends the client's connection. Here all its later requests fail, with or without `force`.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_disconnect(_force: c_int) {
    if let Some(client) = found(session::client()) {
        client.disconnect();
        server::wake();
    }
}

/// Sleeps until the time is up, the server shuts down or the client is gone.
#[unsafe(no_mangle)]
pub extern "C" fn nbdkit_nanosleep(seconds: c_uint, nanoseconds: c_uint) -> c_int {
    let time = Duration::new(seconds.into(), 0) + Duration::from_nanos(nanoseconds.into());
    if i32::try_from(time.as_secs()).is_err() {
        log::error("sleep request is too long");
        set_errno(libc::EINVAL);
        return -1;
    }
    let client = session::client();
    let woken = server::sleep(time, || client.as_ref().is_some_and(|client| client.is_gone()));
    log::error(match woken {
        Ok(()) => return 0,
        Err(Woken::ServerEnds) => "aborting sleep because of server shut down",
        Err(Woken::ClientIsGone) => "aborting sleep because of connection close or error",
    });
    set_errno(libc::ESHUTDOWN);
    -1
}
