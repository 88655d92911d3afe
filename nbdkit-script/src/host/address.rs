//! A socket's address, and how a person would write it.

use std::mem::offset_of;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::error::{Error, Result};

/// A socket's address, and its length in bytes.
pub(super) type Address = (libc::sockaddr_storage, usize);

/// An internet address.
pub(super) fn internet(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let address = std::ptr::from_ref(storage);
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says which structure this is, and the storage is large and aligned
            // enough for each of them. The casts below rely on the same.
            let inet = unsafe { &*address.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from(u32::from_be(inet.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(inet.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as for AF_INET.
            let inet = unsafe { &*address.cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(inet.sin6_addr.s6_addr);
            let scope = inet.sin6_scope_id;
            Some(SocketAddrV6::new(ip, u16::from_be(inet.sin6_port), 0, scope).into())
        }
        _ => None,
    }
}

/// Formats an address: `192.0.2.1:10809`, `[2001:db8::1]:10809`, `unix:/path`, `unix:` for a socket
/// without a name, or `vsock:CID:PORT`. `length` is the address's length in bytes.
pub(super) fn shown(storage: &libc::sockaddr_storage, length: usize) -> Result<String> {
    if let Some(internet) = internet(storage) {
        return Ok(internet.to_string());
    }
    let address = std::ptr::from_ref(storage);
    match i32::from(storage.ss_family) {
        libc::AF_UNIX => {
            // SAFETY: as in `internet`.
            let unix = unsafe { &*address.cast::<libc::sockaddr_un>() };
            let length = length.saturating_sub(offset_of!(libc::sockaddr_un, sun_path));
            let path: Vec<u8> = unix.sun_path.iter().take(length).map(|&c| c as u8).collect();
            // The name of an abstract socket on Linux begins with a NUL, which tools show as "@".
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
            // SAFETY: as in `internet`.
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
    use std::ffi::c_char;
    use std::mem::MaybeUninit;

    use super::*;

    fn formatted<T>(address: T, length: usize) -> String {
        let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
        // SAFETY: every socket address fits into the storage, and the remaining zeroes are valid.
        let storage = unsafe {
            storage.as_mut_ptr().cast::<T>().write(address);
            storage.assume_init()
        };
        shown(&storage, length).unwrap()
    }

    fn zeroed<T>() -> T {
        // SAFETY: only used for C structures of numbers, for which zeroes are valid.
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
        address.sin6_addr.s6_addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1).octets();
        address.sin6_scope_id = 3;
        assert_eq!(formatted(address, size_of_val(&address)), "[fe80::1%3]:10809");
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
