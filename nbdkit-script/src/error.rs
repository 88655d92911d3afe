//! An errno and a message: what a callback fails with, and what nbdkit and the client see of it.

mod converted;
mod text;

pub use converted::ResultExt;
pub use text::one_line;
pub use text::printable;
pub(crate) use text::{bounded, shown};

use std::fmt;

/// What every callback returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a callback failed.
///
/// The client of a data request sees the errno. nbdkit's log shows `CALLBACK: MESSAGE`; the
/// framework adds the callback's name, so a message should not repeat it.
///
/// ```
/// use nbdkit_script::{Error, errno};
/// let error = Error::new(errno::ENOSPC, "the quota of 10 MiB is used up");
/// assert_eq!(error.errno(), errno::ENOSPC);
/// assert_eq!(error.to_string(), "the quota of 10 MiB is used up");
/// ```
///
/// `?` turns any error of Rust code and any text into one, and [`ResultExt`] adds an errno or what
/// was being done:
///
/// ```
/// use nbdkit_script::{Result, ResultExt, errno};
///
/// fn table(bytes: &[u8]) -> Result<&str> {
///     let text = std::str::from_utf8(bytes).errno(errno::EINVAL).context("the table")?;
///     Ok(text.lines().next().ok_or("the table is empty")?)
/// }
///
/// assert!(table(b"\xff").unwrap_err().to_string().starts_with("the table: invalid utf-8"));
/// assert_eq!(table(b"").unwrap_err().errno(), errno::EIO);
/// ```
// Boxed, so that a `Result<()>` on the path of every request fits into two registers. `None` means
// "not defined", which is not a failure and allocates nothing, so that a callback may be absent
// even when memory runs out.
#[derive(Clone)]
pub struct Error(Option<Box<Inner>>);

#[derive(Clone)]
struct Inner {
    errno: i32,
    message: String,
    place: Option<Place>,
    traceback: Option<String>,
    /// Whether it was made by [`Error::invalid`].
    is_invalid: bool,
}

/// Where in a script an error happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The file, under the name that the user knows.
    pub file: String,
    /// The line, counted from 1, if known.
    pub line: Option<usize>,
}

const NOT_DEFINED: &str = "this callback is not defined";

impl Error {
    /// A failure with the errno that the client will see. An errno of 0 or less is not an error
    /// number and becomes `EIO`.
    ///
    /// ```
    /// use nbdkit_script::{Error, errno};
    /// assert_eq!(Error::new(errno::ENOSPC, "the disk is full").errno(), errno::ENOSPC);
    /// assert_eq!(Error::new(0, "no number").errno(), errno::EIO);
    /// ```
    pub fn new(errno: i32, message: impl Into<String>) -> Error {
        Error(Some(Box::new(Inner {
            errno: positive(errno),
            message: message.into(),
            place: None,
            traceback: None,
            is_invalid: false,
        })))
    }

    /// A failure with `EIO`, which nbdkit sends when a plugin sets no errno.
    ///
    /// ```
    /// use nbdkit_script::{Error, errno};
    /// assert_eq!(Error::msg("sector 7 is bad").errno(), errno::EIO);
    /// ```
    pub fn msg(message: impl Into<String>) -> Error {
        Error::new(libc::EIO, message)
    }

    /// A failure with `EINVAL`: an unusable argument or return value. The message should say what
    /// was found and what was expected.
    ///
    /// ```
    /// use nbdkit_script::{Error, errno};
    /// let error = Error::invalid("mode=fast: expected slow or exact");
    /// assert_eq!(error.errno(), errno::EINVAL);
    /// ```
    pub fn invalid(message: impl Into<String>) -> Error {
        let mut error = Error::new(libc::EINVAL, message);
        error.failed().is_invalid = true;
        error
    }

    /// Whether it comes from [`invalid`](Error::invalid), and not from the system.
    pub(crate) fn is_invalid(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.is_invalid)
    }

    /// A failure whose message is a script's own bytes, which need not be UTF-8: see [`printable`].
    /// Only the beginning of a long message is copied: a script that throws a string which fills
    /// the memory should not need as much again.
    ///
    /// ```
    /// use nbdkit_script::{Error, errno};
    /// assert_eq!(Error::from_bytes(errno::EIO, b"caf\xe9").message(), "caf\\xe9");
    /// ```
    pub fn from_bytes(errno: i32, message: &[u8]) -> Error {
        Error::new(errno, shown(message))
    }

    /// The plugin does not define this callback. Every optional method of
    /// [`ScriptPlugin`](crate::ScriptPlugin) returns this by default, and a language's adapter
    /// returns it if the script has no such function. The framework then does what nbdkit does for
    /// a NULL pointer in a C plugin.
    ///
    /// ```
    /// use nbdkit_script::Error;
    /// assert!(Error::not_defined().is_not_defined());
    /// assert!(!Error::msg("x").is_not_defined());
    /// ```
    pub fn not_defined() -> Error {
        Error(None)
    }

    /// Whether this is [`Error::not_defined`].
    ///
    /// ```
    /// use nbdkit_script::Error;
    /// /// What the error of a callback that may be absent means.
    /// fn size_or(result: Result<i64, Error>, default: i64) -> Result<i64, Error> {
    ///     match result {
    ///         Err(error) if error.is_not_defined() => Ok(default),
    ///         result => result,
    ///     }
    /// }
    /// assert_eq!(size_or(Err(Error::not_defined()), 512)?, 512);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn is_not_defined(&self) -> bool {
        self.0.is_none()
    }

    /// Adds a traceback of the script. It goes to nbdkit's debug log (`nbdkit -v`), never into the
    /// message.
    ///
    /// ```
    /// use nbdkit_script::Error;
    /// let error = Error::msg("no block").with_traceback("in pread\nin the main program");
    /// assert_eq!(error.message(), "no block");
    /// assert_eq!(error.traceback(), Some("in pread\nin the main program"));
    /// ```
    pub fn with_traceback(mut self, traceback: impl Into<String>) -> Error {
        self.failed().traceback = Some(traceback.into());
        self
    }

    /// Puts the place before the message: `FILE:LINE: `, or `FILE: ` without a line.
    ///
    /// ```
    /// use nbdkit_script::Error;
    /// let error = Error::msg("no such block").at("disk.lua", Some(12));
    /// assert_eq!(error.to_string(), "disk.lua:12: no such block");
    /// assert_eq!(error.place().and_then(|place| place.line), Some(12));
    /// ```
    pub fn at(self, file: impl Into<String>, line: Option<usize>) -> Error {
        let place = Place { file: file.into(), line };
        let mut error = match line {
            Some(line) => self.context(format_args!("{}:{line}", place.file)),
            None => self.context(&place.file),
        };
        error.failed().place = Some(place);
        error
    }

    /// The place given to [`at`](Error::at).
    ///
    /// ```
    /// use nbdkit_script::Error;
    /// let error = Error::msg("no such block").at("disk.lua", Some(12));
    /// assert_eq!(error.place().map(|place| place.file.as_str()), Some("disk.lua"));
    /// assert_eq!(Error::msg("no such block").place(), None);
    /// ```
    pub fn place(&self) -> Option<&Place> {
        self.0.as_ref().and_then(|failed| failed.place.as_ref())
    }

    /// Puts `context: ` before the message.
    ///
    /// ```
    /// use nbdkit_script::Error;
    /// let error = Error::msg("no such block").context("the table");
    /// assert_eq!(error.to_string(), "the table: no such block");
    /// ```
    pub fn context(mut self, context: impl fmt::Display) -> Error {
        let failed = self.failed();
        failed.message = format!("{context}: {}", failed.message);
        self
    }

    /// Adds a remark after the message, if there is one.
    pub(crate) fn remark(mut self, remark: Option<impl fmt::Display>) -> Error {
        if let Some(remark) = remark {
            let failed = self.failed();
            failed.message = format!("{} ({remark})", failed.message);
        }
        self
    }

    /// With another errno for the client.
    ///
    /// ```
    /// use nbdkit_script::{Error, errno};
    /// let error = Error::msg("the quota is used up").with_errno(errno::EDQUOT);
    /// assert_eq!(error.errno(), errno::EDQUOT);
    /// ```
    pub fn with_errno(mut self, errno: i32) -> Error {
        self.failed().errno = positive(errno);
        self
    }

    /// The error number that the client of a data request sees, always positive.
    ///
    /// ```
    /// use nbdkit_script::{Error, errno};
    /// assert_eq!(Error::from(std::io::Error::from_raw_os_error(28)).errno(), errno::ENOSPC);
    /// ```
    pub fn errno(&self) -> i32 {
        self.0.as_ref().map_or(libc::EOPNOTSUPP, |failed| failed.errno)
    }

    /// The error number that we pass to nbdkit for any request but a zero. From a `zero`, these two
    /// errnos ask nbdkit to write zeroes instead. nbdkit asserts that nothing else fails with them,
    /// so returning one from the `pwrite` or `flush` that emulates a zero would abort the server. A
    /// client sees `EINVAL` in place of either in any case.
    pub(crate) fn errno_for_nbdkit(&self) -> i32 {
        if self.is_unsupported() { libc::EINVAL } else { self.errno() }
    }

    /// Whether a `zero` that fails with this asks nbdkit to write zeroes instead.
    pub(crate) fn is_unsupported(&self) -> bool {
        [libc::EOPNOTSUPP, libc::ENOTSUP].contains(&self.errno())
    }

    /// The message as given: any length, any number of lines.
    ///
    /// ```
    /// use nbdkit_script::Error;
    /// assert_eq!(Error::msg("two\nlines").message(), "two\nlines");
    /// ```
    pub fn message(&self) -> &str {
        self.0.as_ref().map_or(NOT_DEFINED, |failed| &failed.message)
    }

    /// The traceback given to [`with_traceback`](Error::with_traceback).
    ///
    /// ```
    /// use nbdkit_script::Error;
    /// assert_eq!(Error::msg("no block").traceback(), None);
    /// ```
    pub fn traceback(&self) -> Option<&str> {
        self.0.as_ref().and_then(|failed| failed.traceback.as_deref())
    }

    /// The details of a failure. Adding details to "not defined" turns it into a failure.
    fn failed(&mut self) -> &mut Inner {
        self.0.get_or_insert_with(|| {
            Box::new(Inner {
                errno: libc::EOPNOTSUPP,
                message: NOT_DEFINED.into(),
                place: None,
                traceback: None,
                is_invalid: false,
            })
        })
    }

    /// The error for the `nbdkit` crate.
    pub(crate) fn into_nbdkit(self) -> nbdkit::Error {
        // `nbdkit` 0.3.0 makes a C string of the text, and aborts the server if it contains a NUL
        // byte. `log_line` escapes those.
        nbdkit::Error::new(self.errno_for_nbdkit(), self.log_line())
    }

    /// The message for the log: one line of limited length without control characters, except tabs.
    pub(crate) fn log_line(&self) -> String {
        one_line(self.message())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("errno", &self.errno())
            .field("message", &self.message())
            .finish_non_exhaustive()
    }
}

/// An errno. A number that is none becomes `EIO`.
fn positive(errno: i32) -> i32 {
    if errno > 0 { errno } else { libc::EIO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_of_nothing_fits_into_two_registers() {
        assert_eq!(size_of::<Result<()>>(), 2 * size_of::<usize>());
    }

    #[test]
    fn not_defined_becomes_a_failure_once_it_has_context() {
        let error = Error::not_defined();
        assert!(error.is_not_defined());
        assert_eq!(error.errno(), libc::EOPNOTSUPP);
        let error = error.context("pread");
        assert!(!error.is_not_defined());
        assert_eq!(error.to_string(), "pread: this callback is not defined");
        assert_eq!(error.errno(), libc::EOPNOTSUPP);
    }

    #[test]
    fn a_number_that_is_not_an_errno_becomes_eio() {
        assert_eq!(Error::new(0, "x").errno(), libc::EIO);
        assert_eq!(Error::new(-5, "x").errno(), libc::EIO);
    }

    #[test]
    fn only_a_zero_may_tell_nbdkit_that_it_is_not_supported() {
        for errno in [libc::EOPNOTSUPP, libc::ENOTSUP] {
            assert!(Error::new(errno, "x").is_unsupported());
            assert_eq!(Error::new(errno, "x").errno_for_nbdkit(), libc::EINVAL);
        }
        assert!(!Error::new(libc::ENOSPC, "x").is_unsupported());
        assert_eq!(Error::new(libc::ENOSPC, "x").errno_for_nbdkit(), libc::ENOSPC);
    }

    #[test]
    fn a_log_line_is_one_line_without_nul() {
        let error = Error::from_bytes(libc::EIO, b"a\0b\nc\xffd\x1b[1m\n");
        assert_eq!(error.log_line(), "a\\0b c\\xffd\\x1b[1m");
        assert_eq!(Error::msg("a\x7fb\u{9b}c\td").log_line(), "a\\x7fb\\x9bc\td");
        let error = Error::msg("module 'x' not found:\n\tno file './x.lua'\n\tno file './x.so'");
        assert_eq!(error.log_line(), "module 'x' not found: no file './x.lua' no file './x.so'");
    }

    #[test]
    fn a_log_line_is_cut_at_a_character_and_says_so() {
        let error = Error::msg("é".repeat(1_000_000));
        let line = error.log_line();
        assert!(line.len() < 4100, "{}", line.len());
        assert!(line.ends_with("... (cut: 2000000 bytes in all)"), "{line}");
        assert_eq!(error.message().len(), 2_000_000);
    }

    #[test]
    fn context_goes_in_front_and_the_rest_stays() {
        let error = Error::new(libc::ENOENT, "no file").with_traceback("t").context("open");
        assert_eq!(error.to_string(), "open: no file");
        assert_eq!(error.errno(), libc::ENOENT);
        assert_eq!(error.traceback(), Some("t"));
    }
}
