//! Parses parameters by nbdkit's rules, for plugins in Rust. You may call these functions from any
//! thread, and without nbdkit, as in a plugin's own tests.
//!
//! An invalid value gives one error, which names the parameter.

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::functions::c_string;
use super::parse;
use super::rules::{self, Integer};
use crate::error::{Error, Result};

/// A size in bytes: `1048576`, `512K`, `1M`, `2G`, ...
///
/// ```
/// use nbdkit_script::host;
///
/// assert_eq!(host::parse_size("size", "1M".as_ref())?, 1 << 20);
/// let error = host::parse_size("size", "much".as_ref()).unwrap_err();
/// assert_eq!(error.to_string(), "size: could not parse size string (much)");
/// # Ok::<(), nbdkit_script::Error>(())
/// ```
///
/// # Errors
/// `EINVAL` for anything else.
pub fn parse_size(name: &str, value: &OsStr) -> Result<i64> {
    rules::size(&text(name, value)?).map_err(|message| wrong(name, &message))
}

/// A boolean: `true`, `yes`, `on`, `1`, ... and their opposites.
///
/// ```
/// use nbdkit_script::host;
///
/// assert!(host::parse_bool("sync", "yes".as_ref())?);
/// assert!(!host::parse_bool("sync", "off".as_ref())?);
/// let error = host::parse_bool("sync", "perhaps".as_ref()).unwrap_err();
/// assert_eq!(error.to_string(), "sync: could not decipher boolean (perhaps)");
/// # Ok::<(), nbdkit_script::Error>(())
/// ```
///
/// # Errors
/// `EINVAL` for anything else.
pub fn parse_bool(name: &str, value: &OsStr) -> Result<bool> {
    rules::boolean(&text(name, value)?).map_err(|message| wrong(name, &message))
}

/// An integer of any type: decimal, `0x` hexadecimal or `0` octal.
///
/// ```
/// use nbdkit_script::host;
///
/// assert_eq!(host::parse_int::<u16>("port", "10809".as_ref())?, 10809);
/// assert_eq!(host::parse_int::<u8>("mode", "0x1f".as_ref())?, 31);
/// let error = host::parse_int::<u16>("port", "70000".as_ref()).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "port: could not parse number: \"70000\": Numerical result out of range"
/// );
/// # Ok::<(), nbdkit_script::Error>(())
/// ```
///
/// # Errors
/// `EINVAL` for anything else, and for a number that the type cannot hold.
pub fn parse_int<T: Integer>(name: &str, value: &OsStr) -> Result<T> {
    T::by_rules(&text(name, value)?).map_err(|message| wrong(name, &message))
}

/// A probability: `0.1`, `10%`, `1:10`, `1/10`. It may be more than 1.
///
/// ```
/// use nbdkit_script::host;
///
/// assert_eq!(host::parse_probability("chance", "25%".as_ref())?, 0.25);
/// let error = host::parse_probability("chance", "often".as_ref()).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "chance: found \"often\", expected a probability, as 0.1, 10%, 1:10 or 1/10"
/// );
/// # Ok::<(), nbdkit_script::Error>(())
/// ```
///
/// # Errors
/// `EINVAL` for anything else.
pub fn parse_probability(name: &str, value: &OsStr) -> Result<f64> {
    parse::probability_of(&c_string(name, name.as_bytes())?, &text(name, value)?)
}

/// A time: `1.5`, `100ms`, `20us`, ...
///
/// ```
/// use std::time::Duration;
/// use nbdkit_script::host;
///
/// assert_eq!(host::parse_delay("wait", "1.5".as_ref())?, Duration::from_millis(1500));
/// let error = host::parse_delay("wait", "long".as_ref()).unwrap_err();
/// assert_eq!(error.to_string(), "wait: found \"long\", expected a time, as 1.5 or 100ms");
/// # Ok::<(), nbdkit_script::Error>(())
/// ```
///
/// # Errors
/// `EINVAL` for anything else.
pub fn parse_delay(name: &str, value: &OsStr) -> Result<Duration> {
    parse::delay_of(&c_string(name, name.as_bytes())?, &text(name, value)?)
}

fn text(name: &str, value: &OsStr) -> Result<CString> {
    c_string(name, value.as_bytes())
}

fn wrong(name: &str, message: &str) -> Error {
    Error::invalid(format!("{name}: {message}"))
}
