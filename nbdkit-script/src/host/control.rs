//! The server itself: ending it, sleeping, its name and its clock.

use std::ffi::{CStr, c_uint};
use std::time::Duration;

use super::ending::serves;
use super::functions::{nbdkit_name, nbdkit_nanosleep, nbdkit_shutdown, nbdkit_timestamp};
use crate::error::{Error, Result};

/// Asks the server to end: it accepts no new clients and disconnects the current ones.
///
/// May be called from any thread; returns at once.
///
/// ```no_run
/// # use nbdkit_script::{Result, host};
/// /// A server for one client.
/// fn close() -> Result<()> {
///     host::shutdown()
/// }
/// ```
///
/// # Errors
/// `EINVAL` before `after_fork`, since there is no server yet. To end nbdkit at that point, return
/// an error.
pub fn shutdown() -> Result<()> {
    if !serves() {
        return Err(Error::invalid("nbdkit does not serve yet"));
    }
    // SAFETY: takes nothing; may be called from any thread.
    unsafe { nbdkit_shutdown.require()?() };
    Ok(())
}

/// Sleeps. The end of the server or of the client's connection ends the sleep early. May be called
/// from any thread, but notices the end of the connection only on the callback's own.
///
/// ```
/// use std::time::Duration;
/// use nbdkit_script::host;
///
/// host::nanosleep(Duration::from_millis(1))?;
/// # Ok::<(), nbdkit_script::Error>(())
/// ```
///
/// # Errors
/// `ESHUTDOWN` if the sleep ended early, because there is no point in going on; `EINVAL` for more
/// than `i32::MAX` seconds.
pub fn nanosleep(time: Duration) -> Result<()> {
    let too_long = || Error::invalid(format!("{} seconds is too long", time.as_secs()));
    let seconds = c_uint::try_from(time.as_secs()).map_err(|_| too_long())?;
    if i32::try_from(seconds).is_err() {
        return Err(too_long());
    }
    if !serves() {
        std::thread::sleep(time);
        return Ok(());
    }
    // SAFETY: takes any numbers; may be called from any thread.
    match unsafe { nbdkit_nanosleep.require()?(seconds, time.subsec_nanos()) } {
        0 => Ok(()),
        _ => Err(Error::new(libc::ESHUTDOWN, "the sleep was cut short: the connection is ending")),
    }
}

/// The name given to the server with `--name`, if any. Needs nbdkit 1.48. May be called from any
/// thread.
///
/// ```
/// use nbdkit_script::host;
///
/// // An older nbdkit has no names, so fall back to another.
/// let name = host::name().ok().flatten().unwrap_or_else(|| "nbdkit".into());
/// host::debug(&format!("{name} is ready"));
/// ```
pub fn name() -> Result<Option<String>> {
    // SAFETY: takes nothing; may be called from any thread.
    let name = unsafe { nbdkit_name.require()?() };
    if name.is_null() {
        return Ok(None);
    }
    // SAFETY: nbdkit returns a C string that lives as long as the server.
    Ok(Some(unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()))
}

/// The current time in UTC, for messages: `2026-01-01 12:00:00.000333`. Needs nbdkit 1.48. May be
/// called from any thread; on a thread that serves no client, nbdkit returns `!`.
///
/// ```no_run
/// # use nbdkit_script::{Result, host};
/// # fn open() -> Result<()> {
/// host::debug(&format!("{}: a client", host::timestamp()?));
/// # Ok(())
/// # }
/// ```
pub fn timestamp() -> Result<String> {
    // SAFETY: takes nothing; may be called from any thread.
    let text = unsafe { nbdkit_timestamp.require()?() };
    // SAFETY: nbdkit returns a C string that stays valid until this thread's next call.
    Ok(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}
