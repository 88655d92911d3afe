//! What a script fails with, as an error for nbdkit.

use nbdkit_script::{Error, errno};

use crate::interpreter::Failure;
use crate::script::Loaded;

/// Why a call failed, with the file and the line.
///
/// The errno is that of the error code, else what the script has set with `nbdkit::set_error`, else
/// `EIO`.
#[cold]
pub fn error(loaded: &Loaded, failure: Failure, pending: i32) -> Error {
    match failure {
        Failure::NotDefined => Error::not_defined(),
        Failure::Raised { message, posix, position, trace } => {
            // A number stands for an errno without a name.
            let errno = posix.and_then(|name| errno::from_name(&name).or(name.parse().ok()));
            let errno = errno.unwrap_or(pending);
            let error = Error::new(errno, message);
            let error = match position {
                Some(position) => error.at(loaded.name_of(&position.file), Some(position.line)),
                None => error,
            };
            error.with_traceback(trace)
        }
    }
}
