//! The error numbers of this platform, as constants and by name.
//!
//! ```
//! use nbdkit_script::{Error, errno};
//! let error = Error::new(errno::ENOSPC, "the disk is full");
//! ```

/// Pairs each name with its number on this platform, and makes a constant of it.
macro_rules! numbers {
    ($(#[$attribute:meta])* $table:ident: $($name:ident)*) => {
        $(#[$attribute])*
        const $table: &[(&str, i32)] = &[$((stringify!($name), $name)),*];

        $(#[$attribute])*
        pub use libc::{$($name),*};
    };
}

numbers! {
    /// The names of POSIX and BSD sockets, which all platforms have.
    COMMON:
    E2BIG EACCES EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF EBADMSG EBUSY
    ECANCELED ECHILD ECONNABORTED ECONNREFUSED ECONNRESET EDEADLK EDESTADDRREQ EDOM EDQUOT
    EEXIST EFAULT EFBIG EHOSTDOWN EHOSTUNREACH EIDRM EILSEQ EINPROGRESS EINTR EINVAL EIO EISCONN
    EISDIR ELOOP EMFILE EMLINK EMSGSIZE EMULTIHOP ENAMETOOLONG ENETDOWN ENETRESET ENETUNREACH
    ENFILE ENOBUFS ENODEV ENOENT ENOEXEC ENOLCK ENOLINK ENOMEM ENOMSG ENOPROTOOPT ENOSPC ENOSYS
    ENOTBLK ENOTCONN ENOTDIR ENOTEMPTY ENOTRECOVERABLE ENOTSOCK ENOTSUP ENOTTY ENXIO EOPNOTSUPP
    EOVERFLOW EOWNERDEAD EPERM EPFNOSUPPORT EPIPE EPROTO EPROTONOSUPPORT EPROTOTYPE ERANGE
    EREMOTE EROFS ESHUTDOWN ESOCKTNOSUPPORT ESPIPE ESRCH ESTALE ETIMEDOUT ETOOMANYREFS ETXTBSY
    EUSERS EWOULDBLOCK EXDEV
}

#[cfg(target_os = "linux")]
numbers! {
    /// The names that only Linux has.
    PLATFORM:
    EADV EBADE EBADFD EBADR EBADRQC EBADSLT EBFONT ECHRNG ECOMM EDEADLOCK EDOTDOT EHWPOISON
    EISNAM EKEYEXPIRED EKEYREJECTED EKEYREVOKED EL2HLT EL2NSYNC EL3HLT EL3RST ELIBACC ELIBBAD
    ELIBEXEC ELIBMAX ELIBSCN ELNRNG EMEDIUMTYPE ENAVAIL ENOANO ENOCSI ENODATA ENOKEY ENOMEDIUM
    ENONET ENOPKG ENOSR ENOSTR ENOTNAM ENOTUNIQ EREMCHG EREMOTEIO ERESTART ERFKILL ESRMNT ESTRPIPE
    ETIME EUCLEAN EUNATCH EXFULL
}

#[cfg(not(target_os = "linux"))]
const PLATFORM: &[(&str, i32)] = &[];

/// The names that are new in Linux 7 and not yet in libc. Some processors have other numbers.
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
const NEW: &[(&str, i32)] = &[("EFTYPE", 134)];

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
const NEW: &[(&str, i32)] = &[];

/// All names of this platform with their numbers.
pub fn all() -> impl Iterator<Item = (&'static str, i32)> {
    COMMON.iter().chain(PLATFORM).chain(NEW).copied()
}

/// The name of a number. Some numbers have several.
pub fn name_of(errno: i32) -> Option<&'static str> {
    all().find(|(_, number)| *number == errno).map(|(name, _)| name)
}

/// The number of a name such as `ENOSPC`.
///
/// ```
/// use nbdkit_script::errno;
/// assert_eq!(errno::from_name("ENOSPC"), Some(libc::ENOSPC));
/// assert_eq!(errno::from_name("ENOSPACE"), None);
/// ```
pub fn from_name(name: &str) -> Option<i32> {
    all().find(|(known, _)| *known == name).map(|(_, number)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_numbers_are_positive() {
        let names: std::collections::HashSet<_> = all().map(|(name, _)| name).collect();
        assert_eq!(names.len(), all().count());
        assert!(all().all(|(_, number)| number > 0));
    }
}
