//! Who the client of the current callback is. nbdkit finds it by the thread, so these functions
//! only work in the callbacks of a connection, on the thread that runs them.
//!
//! By the time of `close`, nbdkit has closed the client's socket, yet it still asks the system
//! about it, and another client may have the same descriptor by then. So in `close` we return what
//! was [remembered](super::remembered).

use std::ffi::{CStr, OsString, c_char};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStringExt;

use super::address::{self, Address};
use super::functions::{
    Function, logged, nbdkit_disconnect, nbdkit_export_name, nbdkit_is_tls, nbdkit_peer_gid,
    nbdkit_peer_name, nbdkit_peer_pid, nbdkit_peer_security_context, nbdkit_peer_tls_dn,
    nbdkit_peer_tls_issuer_dn, nbdkit_peer_uid,
};
use super::remembered::{Client, recalled};
use crate::error::{Error, Result};
use crate::memory;

/// The export that the client asked for. If the client asked for the empty name, this is what
/// `default_export` returned, and empty only without one. Available from `open` on. The client
/// chooses these bytes freely.
///
/// ```no_run
/// # use nbdkit_script::{Error, Result, errno, host};
/// fn open() -> Result<u64> {
///     match host::export_name()?.to_str() {
///         Some("small") => Ok(1 << 20),
///         Some("large") => Ok(1 << 40),
///         _ => Err(Error::new(errno::ENOENT, "there is no such export")),
///     }
/// }
/// ```
pub fn export_name() -> Result<OsString> {
    if let Some(name) = recalled(|client| client.export_name.clone()) {
        return name.ok_or_else(|| not_remembered("nbdkit_export_name"));
    }
    // SAFETY: takes nothing; may be called from any thread.
    let name = unsafe { nbdkit_export_name.require()?() };
    if name.is_null() {
        // nbdkit logs the reason in some callbacks but not in others.
        return Err(Error::invalid("nbdkit_export_name failed: nbdkit knows no export name here"));
    }
    // SAFETY: nbdkit returns a C string that lives at least as long as this callback.
    let name = unsafe { CStr::from_ptr(name) };
    memory::copied(name.to_bytes(), "the name of the export").map(OsString::from_vec)
}

/// Whether the client has completed TLS authentication. Available in `default_export`, and from
/// `open` on.
///
/// ```no_run
/// # use nbdkit_script::{Error, Result, errno, host};
/// fn open() -> Result<()> {
///     if host::is_tls()? { Ok(()) } else { Err(Error::new(errno::EPERM, "only with TLS")) }
/// }
/// ```
pub fn is_tls() -> Result<bool> {
    if let Some(is_tls) = recalled(|client| client.is_tls) {
        return is_tls.ok_or_else(|| not_remembered("nbdkit_is_tls"));
    }
    // SAFETY: takes nothing; may be called from any thread.
    match unsafe { nbdkit_is_tls.require()?() } {
        -1 => Err(logged("nbdkit_is_tls")),
        is_tls => Ok(is_tls != 0),
    }
}

/// The process ID of the client. Only over a Unix domain socket, and only on Linux.
///
/// ```no_run
/// # use nbdkit_script::{Result, host};
/// # fn open() -> Result<()> {
/// host::debug(&format!("process {} connects", host::peer_pid()?));
/// # Ok(())
/// # }
/// ```
pub fn peer_pid() -> Result<i64> {
    number("nbdkit_peer_pid", "process", &nbdkit_peer_pid, |client| client.pid)
}

/// The user ID of the client. Only over a Unix domain socket.
///
/// ```no_run
/// # use nbdkit_script::{Error, Result, errno, host};
/// fn preconnect() -> Result<()> {
///     match host::peer_uid()? {
///         0 => Ok(()),
///         user => Err(Error::new(errno::EPERM, format!("user {user} is not root"))),
///     }
/// }
/// ```
pub fn peer_uid() -> Result<i64> {
    number("nbdkit_peer_uid", "user", &nbdkit_peer_uid, |client| client.uid)
}

/// The group ID of the client. Only over a Unix domain socket.
///
/// ```no_run
/// # use nbdkit_script::{Result, host};
/// # fn open() -> Result<bool> {
/// let may_write = host::peer_gid()? == 6;
/// # Ok(may_write)
/// # }
/// ```
pub fn peer_gid() -> Result<i64> {
    number("nbdkit_peer_gid", "group", &nbdkit_peer_gid, |client| client.gid)
}

/// The client's security context, for example SELinux's label. Needs nbdkit 1.36.
///
/// ```no_run
/// # use nbdkit_script::{Result, host};
/// # fn open() -> Result<()> {
/// host::debug(&host::peer_security_context()?.to_string_lossy());
/// # Ok(())
/// # }
/// ```
pub fn peer_security_context() -> Result<OsString> {
    const NAME: &str = "nbdkit_peer_security_context";
    let function = nbdkit_peer_security_context.require()?;
    if let Some(context) = recalled(|client| client.security_context.clone()) {
        return context.ok_or_else(|| not_remembered(NAME));
    }
    // SAFETY: takes nothing; may be called from any thread.
    super::path::take(unsafe { function() }, || {
        Error::invalid(format!(
            "{NAME} failed: nbdkit has logged the reason, if only in its debug log (nbdkit -v)"
        ))
    })
}

/// The distinguished name in the client's certificate; empty if it has none. Needs nbdkit 1.40.
///
/// ```no_run
/// # use nbdkit_script::{Error, Result, errno, host};
/// fn open() -> Result<()> {
///     if host::peer_tls_dn()? != "CN=backup" {
///         return Err(Error::new(errno::EPERM, "this disk is for the backup"));
///     }
///     Ok(())
/// }
/// ```
pub fn peer_tls_dn() -> Result<OsString> {
    tls_name("nbdkit_peer_tls_dn", &nbdkit_peer_tls_dn, |client| client.tls_dn.clone())
}

/// The distinguished name of the issuer of the client's certificate; empty if there is none. Needs
/// nbdkit 1.40.
///
/// ```no_run
/// # use nbdkit_script::{Result, host};
/// # fn open() -> Result<bool> {
/// let is_ours = host::peer_tls_issuer_dn()? == "CN=example.org";
/// # Ok(is_ours)
/// # }
/// ```
pub fn peer_tls_issuer_dn() -> Result<OsString> {
    tls_name("nbdkit_peer_tls_issuer_dn", &nbdkit_peer_tls_issuer_dn, |client| {
        client.tls_issuer_dn.clone()
    })
}

/// Disconnects the client: at once with `force`, otherwise once its requests are done. Needs nbdkit
/// 1.34.
///
/// ```no_run
/// # use nbdkit_script::{Error, Result, errno, host};
/// # fn pread() -> Result<()> {
/// host::disconnect(false)?;
/// Err(Error::new(errno::ESHUTDOWN, "this was the last request"))
/// # }
/// ```
pub fn disconnect(force: bool) -> Result<()> {
    // SAFETY: takes any number; may be called from any thread.
    unsafe { nbdkit_disconnect.require()?(force.into()) };
    Ok(())
}

/// The client's address: `192.0.2.1:10809`, `[2001:db8::1]:10809`, `unix:/path`, `unix:` for a
/// socket without a name, or `vsock:CID:PORT`.
///
/// ```no_run
/// # use nbdkit_script::{Result, host};
/// # fn open() -> Result<()> {
/// host::debug(&format!("a client from {}", host::peer_name()?));
/// # Ok(())
/// # }
/// ```
pub fn peer_name() -> Result<String> {
    const NAME: &str = "nbdkit_peer_name";
    if let Some(name) = recalled(|client| client.name.clone()) {
        return name.ok_or_else(|| not_remembered(NAME));
    }
    let (storage, length) = peer_address()?.map_err(|_| logged(NAME))?;
    address::shown(&storage, length)
}

/// Whether nbdkit has a connection for this thread. A filter may call from a thread of its own.
pub(crate) fn thread_has_connection() -> bool {
    !matches!(peer_address(), Ok(Err(0)))
}

/// The client's address according to nbdkit, or an errno, which is 0 if this thread has no
/// connection.
pub(super) fn peer_address() -> Result<Result<Address, i32>> {
    let function = nbdkit_peer_name.require()?;
    let mut storage = MaybeUninit::<libc::sockaddr_storage>::zeroed();
    let mut length = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
    // SAFETY: `storage` has room for `length` bytes; errno belongs to this thread. nbdkit preserves
    // the errno of the system call, even when it logs.
    unsafe {
        *libc::__errno_location() = 0;
        if function(storage.as_mut_ptr().cast(), &mut length) == -1 {
            return Ok(Err(*libc::__errno_location()));
        }
    }
    // SAFETY: all zeroes is a valid address structure, which nbdkit has overwritten with another.
    Ok(Ok((unsafe { storage.assume_init() }, length as usize)))
}

/// One of nbdkit's functions that return a number, or -1 for none.
pub(super) type Number = Function<unsafe extern "C" fn() -> i64>;

/// One of nbdkit's functions that return a string to free, or null for an error.
pub(super) type Text = Function<unsafe extern "C" fn() -> *mut c_char>;

fn number(
    name: &str,
    what: &str,
    function: &Number,
    remembered: impl FnOnce(&Client) -> Option<i64>,
) -> Result<i64> {
    match recalled(remembered) {
        Some(number) => number.ok_or_else(|| not_remembered(name)),
        // nbdkit logs the reason in some cases but not in others.
        None => asked(function)?.ok_or_else(|| {
            let message = format!("{name} failed: nbdkit does not know the client's {what} here");
            Error::new(libc::ENOTSUP, message)
        }),
    }
}

/// Asks nbdkit. `None` if nbdkit does not know.
pub(super) fn asked(function: &Number) -> Result<Option<i64>> {
    // Over TCP, nbdkit returns the system's own value: a user or group of -1 in 32 bits.
    const NOBODY: i64 = u32::MAX as i64;
    // SAFETY: takes nothing; may be called from any thread.
    let number = unsafe { function.require()?() };
    Ok(Some(number).filter(|number| ![-1, NOBODY].contains(number)))
}

fn tls_name(
    name: &str,
    function: &Text,
    remembered: impl FnOnce(&Client) -> Option<OsString>,
) -> Result<OsString> {
    let function = function.require()?;
    if let Some(text) = recalled(remembered) {
        return text.ok_or_else(|| not_remembered(name));
    }
    // An assertion in nbdkit fails if this thread has no connection.
    if let Err(0) = peer_address()? {
        return Err(logged(name));
    }
    // SAFETY: takes nothing; this thread has a connection.
    super::path::take(unsafe { function() }, || logged(name))
}

/// The error where nothing was remembered.
fn not_remembered(name: &str) -> Error {
    Error::new(
        libc::ENOTSUP,
        format!("{name} failed: nbdkit did not know it while this client was connected"),
    )
}
