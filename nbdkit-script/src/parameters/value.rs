//! The types that a parameter may have.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::host;

/// A type that a parameter may have, and how to read a value of it.
///
/// ```
/// use std::ffi::OsStr;
/// use nbdkit_script::{Error, FromParameter, Result};
///
/// #[derive(Debug, Default, PartialEq)]
/// enum Mode {
///     #[default]
///     Fast,
///     Exact,
/// }
///
/// impl FromParameter for Mode {
///     const VALUE: &'static str = "fast|exact";
///
///     fn from_parameter(name: &str, value: &OsStr) -> Result<Self> {
///         match value.as_encoded_bytes() {
///             b"fast" => Ok(Mode::Fast),
///             b"exact" => Ok(Mode::Exact),
///             _ => Err(Error::invalid(format!(
///                 "{name}={}: expected fast or exact",
///                 value.display()
///             ))),
///         }
///     }
/// }
///
/// assert_eq!(Mode::from_parameter("mode", "exact".as_ref())?, Mode::Exact);
/// # Ok::<(), Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a parameter cannot have the type `{Self}`",
    label = "`nbdkit_script::FromParameter` is not implemented for this",
    note = "a parameter may be an integer, `bool`, `String`, `OsString`, `PathBuf`, `Duration`, \
            `Size` or `Secret`, or an `Option` or a `Vec` of these"
)]
pub trait FromParameter: Sized {
    /// What `nbdkit --help` shows in place of a value: `<SIZE>`, `fast|exact`.
    const VALUE: &'static str;

    /// Reads a value.
    ///
    /// # Errors
    /// For an invalid value; the error ends nbdkit before it serves. Name the parameter in it.
    fn from_parameter(name: &str, value: &OsStr) -> Result<Self>;

    /// Reads another value of the same parameter, which replaces the earlier one.
    ///
    /// # Errors
    /// As for [`from_parameter`](FromParameter::from_parameter).
    fn again(&mut self, name: &str, value: &OsStr) -> Result<()> {
        *self = Self::from_parameter(name, value)?;
        Ok(())
    }
}

/// Implements the trait for types that a function of the module `host`, or one like it, can read.
macro_rules! types {
    ($($(#[$description:meta])* $type:ty, $value:literal, $read:expr;)*) => {
        $(
            $(#[$description])*
            impl FromParameter for $type {
                const VALUE: &'static str = $value;

                fn from_parameter(name: &str, value: &OsStr) -> Result<Self> {
                    $read(name, value)
                }
            }
        )*
    };
}

types! {
    /// Read by [`host::parse_bool`].
    bool, "true|false", host::parse_bool;
    /// Read by [`host::parse_size`].
    Size, "<SIZE>", |name, value| host::parse_size(name, value).map(Size);
    /// Read by [`host::parse_delay`].
    Duration, "<SECONDS>", host::parse_delay;
    /// Any UTF-8 text.
    String, "<TEXT>", text;
    /// Any bytes but NUL.
    OsString, "<TEXT>", |_, value: &OsStr| Ok(value.to_owned());
    /// A path, made absolute: nbdkit changes its directory before it serves. The file need not
    /// exist.
    PathBuf, "<PATH>", path;
    /// Read by [`host::read_password`].
    Secret, "<PASSWORD>", |name, value| {
        let secret = host::read_password(value).map_err(|error| error.context(name));
        secret.map(Secret)
    };
}

macro_rules! integers {
    ($($type:ty)*) => {
        types! { $(
            /// Read by [`host::parse_int`].
            $type, "<N>", host::parse_int;
        )* }
    };
}

integers! { i8 i16 i32 i64 isize u8 u16 u32 u64 usize }

/// `None` if the user does not give the parameter.
impl<T: FromParameter> FromParameter for Option<T> {
    const VALUE: &'static str = T::VALUE;

    fn from_parameter(name: &str, value: &OsStr) -> Result<Self> {
        T::from_parameter(name, value).map(Some)
    }

    fn again(&mut self, name: &str, value: &OsStr) -> Result<()> {
        match self {
            Some(earlier) => earlier.again(name, value),
            None => {
                *self = Self::from_parameter(name, value)?;
                Ok(())
            }
        }
    }
}

/// All values that the user gives, in order.
impl<T: FromParameter> FromParameter for Vec<T> {
    const VALUE: &'static str = T::VALUE;

    fn from_parameter(name: &str, value: &OsStr) -> Result<Self> {
        Ok(vec![T::from_parameter(name, value)?])
    }

    fn again(&mut self, name: &str, value: &OsStr) -> Result<()> {
        self.push(T::from_parameter(name, value)?);
        Ok(())
    }
}

fn text(name: &str, value: &OsStr) -> Result<String> {
    value.to_str().map(String::from).ok_or_else(|| {
        Error::invalid(format!("{name}: found \"{}\", expected UTF-8", value.display()))
    })
}

fn path(name: &str, value: &OsStr) -> Result<PathBuf> {
    std::path::absolute(value).map_err(|error| Error::invalid(format!("{name}: {error}")))
}

/// A number of bytes, which a user may write as `512K` or `2G`.
///
/// ```
/// use nbdkit_script::{FromParameter, Size};
/// assert_eq!(Size::from_parameter("size", "1M".as_ref())?, Size(1 << 20));
/// # Ok::<(), nbdkit_script::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(
    /// The number of bytes. A parameter's is never negative.
    pub i64,
);

/// A password. The user may write it in full, as `+FILE` or `-FD`, or as `-` for a prompt. `Debug`
/// does not show it.
///
/// Under [`Isolated`](crate::Isolated) each instance reads the password again, so only the first
/// one can read it from a pipe.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(OsString);

impl Secret {
    /// The password.
    ///
    /// ```
    /// use nbdkit_script::Secret;
    /// let secret = Secret::from("swordfish");
    /// assert_eq!(secret.expose(), "swordfish");
    /// assert_eq!(format!("{secret:?}"), "Secret(..)");
    /// ```
    pub fn expose(&self) -> &OsStr {
        &self.0
    }
}

impl<T: Into<OsString>> From<T> for Secret {
    fn from(password: T) -> Self {
        Secret(password.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A field of any type that a parameter may have.
pub trait Field {
    /// Stores a value: the first one that the user gives, or `again` another.
    #[doc(hidden)]
    fn put(&mut self, name: &str, value: &OsStr, again: bool) -> Result<()>;
}

impl<T: FromParameter> Field for T {
    fn put(&mut self, name: &str, value: &OsStr, again: bool) -> Result<()> {
        if again {
            return self.again(name, value);
        }
        *self = T::from_parameter(name, value)?;
        Ok(())
    }
}

/// Reads the value of `default = ...`.
pub fn default_of<T: FromParameter>(name: &str, value: &str) -> Result<T> {
    T::from_parameter(name, value.as_ref()).map_err(|error| error.context("the default"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn read<T: FromParameter>(value: &str) -> Result<T, String> {
        T::from_parameter("key", value.as_ref()).map_err(|error| error.to_string())
    }

    #[test]
    fn values_are_read_by_nbdkits_rules() {
        assert_eq!(read("yes"), Ok(true));
        assert_eq!(read("0x10"), Ok(16_u8));
        assert_eq!(read("2G"), Ok(Size(2 << 30)));
        assert_eq!(read("1.5"), Ok(Duration::from_millis(1500)));
        assert_eq!(read(""), Ok(String::new()));
        assert_eq!(read("7"), Ok(Some(7_i64)));
        let here = std::env::current_dir().unwrap();
        assert_eq!(read("a file"), Ok(here.join("a file")));
        assert_eq!(read("/a file"), Ok(PathBuf::from("/a file")));
    }

    #[test]
    fn errors_name_the_parameter() {
        let named = |error: Option<String>| assert!(error.as_ref().unwrap().starts_with("key: "));
        named(read::<bool>("perhaps").err());
        named(read::<i8>("128").err());
        named(read::<Option<Size>>("much").err());
        named(read::<Vec<Duration>>("long").err());
        named(read::<PathBuf>("").err());
        let error = String::from_parameter("key", OsStr::from_bytes(b"\xff")).unwrap_err();
        named(Some(error.to_string()));
        // Without nbdkit, reading a password fails; the error must not contain the password.
        named(read::<Secret>("swordfish").err().filter(|error| !error.contains("swordfish")));
    }

    #[test]
    fn only_a_list_keeps_all_values() {
        let (mut last, mut all): (u8, Vec<u8>) = (0, vec![9]);
        for (number, value) in ["1", "2", "3"].into_iter().enumerate() {
            let again = number > 0;
            last.put("key", value.as_ref(), again).unwrap();
            all.put("key", value.as_ref(), again).unwrap();
        }
        assert_eq!((last, all), (3, vec![1, 2, 3]));
    }
}
