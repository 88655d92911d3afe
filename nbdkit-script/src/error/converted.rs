//! What Rust code fails with, as an [`Error`]: `?` on any error and on a text.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use super::{Error, Result};

type Boxed = Box<dyn StdError + Send + Sync>;

/// `?` works on every error of Rust code, and on a text:
///
/// ```
/// use nbdkit_script::{Result, errno};
///
/// fn sectors(text: &str) -> Result<u32> {
///     let sectors = text.trim().parse()?;
///     if sectors == 0 {
///         return Err("a disk without a sector".into());
///     }
///     Ok(sectors)
/// }
///
/// fn serial_number() -> Result<Vec<u8>> {
///     Ok(std::fs::read("/no/such/file")?)
/// }
///
/// assert_eq!(sectors("x").unwrap_err().to_string(), "invalid digit found in string");
/// assert_eq!(sectors("x").unwrap_err().errno(), errno::EIO);
/// assert_eq!(sectors("0").unwrap_err().to_string(), "a disk without a sector");
/// assert_eq!(serial_number().unwrap_err().errno(), errno::ENOENT);
/// ```
///
/// The message has the error's sources as well. The errno is that of the first [`io::Error`] with
/// one, of the error or of a source; without any it is `EIO`.
impl<E: Into<Boxed>> From<E> for Error {
    fn from(error: E) -> Error {
        let error: Boxed = error.into();
        let mut errno = None;
        let mut message = String::new();
        let mut next: Option<&(dyn StdError + 'static)> = Some(&*error);
        while let Some(error) = next {
            let system = error.downcast_ref::<io::Error>();
            errno = errno.or(system.and_then(errno_in));
            add(&mut message, &text(error, system));
            next = error.source();
        }
        Error::new(errno.unwrap_or(libc::EIO), message)
    }
}

/// The errno of an error, even of one that another was made of.
fn errno_in(error: &io::Error) -> Option<i32> {
    let inner = || error.get_ref()?.downcast_ref::<io::Error>().and_then(errno_in);
    error.raw_os_error().or_else(inner)
}

/// What an error says. Rust appends the errno, which we already have: " (os error 2)".
fn text(error: &dyn StdError, system: Option<&io::Error>) -> String {
    let mut text = error.to_string();
    if let (Some(_), Some(end)) =
        (system.and_then(io::Error::raw_os_error), text.find(" (os error "))
    {
        text.truncate(end);
    }
    text
}

/// Adds a source. Many errors have their source's text in their own.
fn add(message: &mut String, source: &str) {
    if message.is_empty() {
        message.push_str(source);
    } else if !message.contains(source) {
        message.push_str(": ");
        message.push_str(source);
    }
}

/// An errno, or what was being done, for an error of any kind.
///
/// ```
/// use nbdkit_script::{ResultExt, errno};
///
/// let read = std::fs::read("/no/such/file").context("the table of blocks");
/// assert_eq!(read.as_ref().unwrap_err().to_string(),
///     "the table of blocks: No such file or directory");
/// assert_eq!(read.unwrap_err().errno(), errno::ENOENT);
///
/// let number = "x".parse::<u8>().errno(errno::EINVAL);
/// assert_eq!(number.unwrap_err().errno(), errno::EINVAL);
/// ```
pub trait ResultExt<T> {
    /// With this errno for the client, in place of what [`Error`] would have.
    ///
    /// # Errors
    /// If it was one.
    fn errno(self, errno: i32) -> Result<T>;

    /// With `context: ` before the message.
    ///
    /// # Errors
    /// If it was one.
    fn context(self, context: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Error>> ResultExt<T> for std::result::Result<T, E> {
    fn errno(self, errno: i32) -> Result<T> {
        self.map_err(|error| error.into().with_errno(errno))
    }

    fn context(self, context: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().context(context))
    }
}

/// For functions that return any error, such as tests.
///
/// ```
/// # use nbdkit_script::Error;
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let failed: Result<(), Error> = Err("no such block".into());
///     # if false {
///     failed?;
///     # }
///     Ok(())
/// }
/// ```
impl From<Error> for Box<dyn StdError> {
    fn from(error: Error) -> Box<dyn StdError> {
        Box::new(error.into_std())
    }
}

/// See [`Error::into_std`].
#[derive(Clone)]
struct Std(Error);

impl Error {
    /// As an error of Rust, for code that wants one. `Error` itself is none, because `?` can turn
    /// every error into an `Error` only if it is not among them.
    ///
    /// ```
    /// use nbdkit_script::Error;
    /// let error = std::io::Error::other(Error::msg("no such block").into_std());
    /// assert_eq!(error.to_string(), "no such block");
    /// ```
    pub fn into_std(self) -> impl StdError + Send + Sync + 'static {
        Std(self)
    }
}

impl StdError for Std {}

impl fmt::Display for Std {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Std {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer {
        text: &'static str,
        source: io::Error,
    }

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.text)
        }
    }

    impl StdError for Outer {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&self.source)
        }
    }

    fn full() -> io::Error {
        io::Error::from_raw_os_error(libc::ENOSPC)
    }

    /// What `?` makes of it.
    fn converted(error: impl Into<Error>) -> (i32, String) {
        let error = error.into();
        (error.errno(), error.message().to_owned())
    }

    #[test]
    fn io_errors_keep_their_errno() {
        assert_eq!(converted(full()), (libc::ENOSPC, "No space left on device".into()));
        assert_eq!(converted(io::Error::other("no number")), (libc::EIO, "no number".into()));
        let twice = io::Error::other(full());
        assert_eq!(converted(twice).0, libc::ENOSPC);
    }

    #[test]
    fn sources_are_in_the_message_once_and_have_the_errno() {
        let error = |text| Outer { text, source: full() };
        let both = "block 7: No space left on device";
        assert_eq!(converted(error("block 7")), (libc::ENOSPC, both.into()));
        assert_eq!(converted(error(both)), (libc::ENOSPC, both.into()));
        let inner = io::Error::other(error("block 7"));
        assert_eq!(converted(inner), (libc::ENOSPC, both.into()));
    }

    #[test]
    fn texts_and_boxes() {
        assert_eq!(converted("text"), (libc::EIO, "text".into()));
        assert_eq!(converted(String::from("text")), (libc::EIO, "text".into()));
        let boxed: Boxed = Box::new(full());
        assert_eq!(converted(boxed).0, libc::ENOSPC);
    }

    #[test]
    fn a_result_with_an_errno_and_a_context_keeps_the_rest() {
        let failed: Result<(), io::Error> = Err(full());
        let error = failed.context("block 7").errno(libc::EDQUOT).context("disk").unwrap_err();
        assert_eq!(error.to_string(), "disk: block 7: No space left on device");
        assert_eq!(error.errno(), libc::EDQUOT);
        let std: Box<dyn StdError> = error.into();
        assert_eq!(std.to_string(), "disk: block 7: No space left on device");
    }

    #[test]
    fn what_an_error_can_do() {
        fn can<T: Clone + fmt::Debug + fmt::Display + Send + Sync + 'static>() {}
        can::<Error>();
    }
}
