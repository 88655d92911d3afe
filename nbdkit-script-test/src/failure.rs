//! What went wrong, as the client or whoever starts nbdkit sees it.

use std::error::Error;
use std::fmt;
use std::io;

use crate::log;

/// A request that failed, a client that was refused, or a plugin that ended nbdkit.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    what: String,
    why: Option<String>,
    errno: i32,
    plugins_errno: i32,
    logged: Vec<String>,
}

impl Failure {
    /// A step at which nbdkit ends or refuses a client. What was logged says why, or `why` does.
    pub(crate) fn of_setup(what: &str, why: &str) -> Failure {
        let why = (!why.is_empty()).then(|| why.to_string());
        Failure { what: what.into(), why, errno: 0, plugins_errno: 0, logged: log::taken() }
    }

    /// A request.
    pub(crate) fn of_request(what: &str, errno: i32, plugins_errno: i32) -> Failure {
        Failure { what: what.into(), why: None, errno, plugins_errno, logged: log::taken() }
    }

    /// The error number that the client sees. The protocol has only `EPERM`, `EIO`, `ENOMEM`,
    /// `EINVAL`, `ENOSPC`, `EOVERFLOW`, `ENOTSUP` and `ESHUTDOWN`; nbdkit makes another one
    /// `EINVAL`. 0 for what is no request.
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// The error number that the plugin, or nbdkit's own check, had before that.
    pub fn plugins_errno(&self) -> i32 {
        self.plugins_errno
    }

    /// The errors that were logged meanwhile, by this thread.
    pub fn logged(&self) -> &[String] {
        &self.logged
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        if self.errno != 0 {
            write!(f, ": {}", error_text(self.errno))?;
        }
        for text in self.why.iter().chain(&self.logged) {
            write!(f, ": {text}")?;
        }
        Ok(())
    }
}

/// As it is displayed: a test that returns an error shows it by this.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Failure {}

/// What the C library says of an error number.
pub(crate) fn error_text(errno: i32) -> String {
    let mut text = io::Error::from_raw_os_error(errno).to_string();
    // Rust adds the number.
    if let Some(end) = text.find(" (os error ") {
        text.truncate(end);
    }
    text
}
