//! Who the client of the current callback is. nbdkit knows it by the thread, so these are for the
//! callbacks of a connection, from `preconnect` to `close`, and for the thread that runs them.

use std::ffi::{CStr, OsString, c_char};
use std::mem::{MaybeUninit, offset_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStringExt;

use super::functions::{
    Function, logged, nbdkit_disconnect, nbdkit_export_name, nbdkit_is_tls, nbdkit_peer_gid,
    nbdkit_peer_name, nbdkit_peer_pid, nbdkit_peer_security_context, nbdkit_peer_tls_dn,
    nbdkit_peer_tls_issuer_dn, nbdkit_peer_uid,
};
use crate::error::{Error, Result};

/// The export that the client asked for; empty for the default one. The client chooses these
/// bytes freely.
pub fn export_name() -> Result<OsString> {
    // SAFETY: takes nothing; may be called from any thread.
    let name = unsafe { nbdkit_export_name.require()?() };
    if name.is_null() {
        return Err(logged("nbdkit_export_name"));
    }
    // SAFETY: nbdkit returns a C string that stays at least as long as this callback runs.
    Ok(OsString::from_vec(unsafe { CStr::from_ptr(name) }.to_bytes().to_vec()))
}

/// Whether the client has completed TLS authentication.
pub fn is_tls() -> Result<bool> {
    // SAFETY: as in `export_name`.
    match unsafe { nbdkit_is_tls.require()?() } {
        -1 => Err(logged("nbdkit_is_tls")),
        answer => Ok(answer != 0),
    }
}

/// The client's process. Only over a Unix domain socket, and on Linux.
pub fn peer_pid() -> Result<i64> {
    number("nbdkit_peer_pid", &nbdkit_peer_pid)
}

/// The client's user. Only over a Unix domain socket.
pub fn peer_uid() -> Result<i64> {
    number("nbdkit_peer_uid", &nbdkit_peer_uid)
}

/// The client's group. Only over a Unix domain socket.
pub fn peer_gid() -> Result<i64> {
    number("nbdkit_peer_gid", &nbdkit_peer_gid)
}

/// The client's security context, as SELinux has it. Needs nbdkit 1.36.
pub fn peer_security_context() -> Result<OsString> {
    text("nbdkit_peer_security_context", &nbdkit_peer_security_context)
}

/// The distinguished name in the client's certificate; empty if there is none. Needs nbdkit 1.40.
pub fn peer_tls_dn() -> Result<OsString> {
    text("nbdkit_peer_tls_dn", &nbdkit_peer_tls_dn)
}

/// The distinguished name of who issued the client's certificate. Needs nbdkit 1.40.
pub fn peer_tls_issuer_dn() -> Result<OsString> {
    text("nbdkit_peer_tls_issuer_dn", &nbdkit_peer_tls_issuer_dn)
}

/// Ends the client's connection: at once if `force`, else when its requests are done. Needs
/// nbdkit 1.34.
pub fn disconnect(force: bool) -> Result<()> {
    // SAFETY: takes any number; may be called from any thread.
    unsafe { nbdkit_disconnect.require()?(force.into()) };
    Ok(())
}

fn number(name: &str, function: &Function<unsafe extern "C" fn() -> i64>) -> Result<i64> {
    // SAFETY: as in `export_name`.
    match unsafe { function.require()?() } {
        // Over TCP, nbdkit 1.32 gives the system's answer, a user or a group of -1 in 32 bits.
        -1 | NOBODY => Err(Error::new(
            libc::ENOTSUP,
            format!("{name}: this is known of a client on a Unix domain socket only"),
        )),
        number => Ok(number),
    }
}

const NOBODY: i64 = u32::MAX as i64;

fn text(
    name: &str,
    function: &Function<unsafe extern "C" fn() -> *mut c_char>,
) -> Result<OsString> {
    // SAFETY: as in `export_name`.
    let text = unsafe { function.require()?() };
    super::path::take(text).ok_or_else(|| logged(name))
}

/// Where the client is, as a person would write it: `192.0.2.1:10809`, `[2001:db8::1]:10809`,
/// `unix:/path`, `unix:` for a socket without a name, `vsock:CID:PORT`.
pub fn peer_name() -> Result<String> {
    let function = nbdkit_peer_name.require()?;
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: `storage` has room for `length` bytes.
    if unsafe { function(storage.as_mut_ptr().cast(), &mut length) } == -1 {
        return Err(logged("nbdkit_peer_name"));
    }
    // SAFETY: all zeroes is a valid address structure, and nbdkit has written another over it.
    let storage = unsafe { storage.assume_init() };
    format_address(&storage, length as usize)
}

fn format_address(storage: &libc::sockaddr_storage, length: usize) -> Result<String> {
    let address = std::ptr::from_ref(storage);
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which structure this is; the storage is large enough for
            // and aligned as any of them. The same holds below.
            let inet = unsafe { &*address.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(inet.sin_addr.s_addr));
            Ok(SocketAddrV4::new(ip, u16::from_be(inet.sin_port)).to_string())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let inet = unsafe { &*address.cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(inet.sin6_addr.s6_addr);
            let scope = inet.sin6_scope_id;
            Ok(SocketAddrV6::new(ip, u16::from_be(inet.sin6_port), 0, scope).to_string())
        }
        libc::AF_UNIX => {
            // SAFETY: as above.
            let unix = unsafe { &*address.cast::<libc::sockaddr_un>() };
            let length = length.saturating_sub(offset_of!(libc::sockaddr_un, sun_path));
            let path: Vec<u8> = unix.sun_path.iter().take(length).map(|&c| c as u8).collect();
            // Linux's abstract sockets begin with a NUL, which tools show as "@".
            let text = match path.strip_prefix(b"\0") {
                Some(name) if name.first().is_some_and(|&byte| byte != 0) => {
                    format!("@{}", String::from_utf8_lossy(name))
                }
                _ => String::from_utf8_lossy(&path).into_owned(),
            };
            Ok(format!("unix:{}", text.trim_end_matches('\0')))
        }
        #[cfg(target_os = "linux")]
        libc::AF_VSOCK => {
            // SAFETY: as above.
            let vsock = unsafe { &*address.cast::<libc::sockaddr_vm>() };
            Ok(format!("vsock:{}:{}", vsock.svm_cid, vsock.svm_port))
        }
        family => Err(Error::new(
            libc::EAFNOSUPPORT,
            format!("the client's address is of an unknown family, {family}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted<T>(address: T, length: usize) -> String {
        let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
        // SAFETY: every socket address fits into the storage, and zeroes are valid in the rest.
        let storage = unsafe {
            storage.as_mut_ptr().cast::<T>().write(address);
            storage.assume_init()
        };
        format_address(&storage, length).unwrap()
    }

    fn zeroed<T>() -> T {
        // SAFETY: used for C structures of numbers only.
        unsafe { MaybeUninit::zeroed().assume_init() }
    }

    #[test]
    fn ipv4() {
        let mut address: libc::sockaddr_in = zeroed();
        address.sin_family = libc::AF_INET as libc::sa_family_t;
        address.sin_port = 10809_u16.to_be();
        address.sin_addr.s_addr = u32::from(Ipv4Addr::new(192, 0, 2, 1)).to_be();
        assert_eq!(formatted(address, size_of_val(&address)), "192.0.2.1:10809");
    }

    #[test]
    fn ipv6() {
        let mut address: libc::sockaddr_in6 = zeroed();
        address.sin6_family = libc::AF_INET6 as libc::sa_family_t;
        address.sin6_port = 10809_u16.to_be();
        address.sin6_addr.s6_addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).octets();
        assert_eq!(formatted(address, size_of_val(&address)), "[2001:db8::1]:10809");
    }

    #[test]
    fn unix() {
        let mut address: libc::sockaddr_un = zeroed();
        address.sun_family = libc::AF_UNIX as libc::sa_family_t;
        let path = offset_of!(libc::sockaddr_un, sun_path);
        assert_eq!(formatted(address, path), "unix:");
        for (to, from) in address.sun_path.iter_mut().zip(b"/tmp/s\0") {
            *to = *from as c_char;
        }
        assert_eq!(formatted(address, path + 7), "unix:/tmp/s");
        for (to, from) in address.sun_path.iter_mut().zip(b"\0name") {
            *to = *from as c_char;
        }
        assert_eq!(formatted(address, path + 5), "unix:@name");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn vsock() {
        let mut address: libc::sockaddr_vm = zeroed();
        address.svm_family = libc::AF_VSOCK as libc::sa_family_t;
        address.svm_cid = 3;
        address.svm_port = 10809;
        assert_eq!(formatted(address, size_of_val(&address)), "vsock:3:10809");
    }
}
