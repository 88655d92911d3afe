//! What went wrong, as seen by the client or by the user who starts nbdkit.

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
    /// A step at which nbdkit ends or refuses a client. The log says why, or else `why` does.
    pub(crate) fn of_setup(what: &str, why: &str) -> Failure {
        let why = (!why.is_empty()).then(|| why.to_string());
        Failure { what: what.into(), why, errno: 0, plugins_errno: 0, logged: log::taken() }
    }

    /// A request.
    pub(crate) fn of_request(what: &str, errno: i32, plugins_errno: i32) -> Failure {
        Failure { what: what.into(), why: None, errno, plugins_errno, logged: log::taken() }
    }

    /// The error number that the client sees. The protocol has only `EPERM`, `EIO`, `ENOMEM`,
    /// `EINVAL`, `ENOSPC`, `EOVERFLOW`, `ENOTSUP` and `ESHUTDOWN`; nbdkit turns any other into
    /// `EINVAL`. 0 if this was not a request.
    pub fn errno(&self) -> i32 {
        self.errno
    }

    /// The original error number, from the plugin or from nbdkit's own check.
    pub fn plugins_errno(&self) -> i32 {
        self.plugins_errno
    }

    /// The errors that this thread logged meanwhile.
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
            // An error of a callback begins with its name, too.
            let named = text.strip_prefix(&self.what).and_then(|rest| rest.strip_prefix(": "));
            write!(f, ": {}", named.unwrap_or(text))?;
        }
        Ok(())
    }
}

/// The same as `Display`, because a test that returns an error prints it with `Debug`.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Failure {}

/// The C library's text for an error number.
pub(crate) fn error_text(errno: i32) -> String {
    nbdkit_script::Error::from(io::Error::from_raw_os_error(errno)).to_string()
}
