//! Panics end where they began: as the error of one callback.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

use crate::error::{Error, Result};

thread_local! {
    /// Where the panic that is being caught on this thread began.
    static LOCATION: Cell<Option<String>> = const { Cell::new(None) };
}

/// Has panics remember where they were instead of printing several lines to standard error. The
/// hook is the plugin's own: each `.so` has its own copy of the standard library.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(remember)));
}

fn remember(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string);
    // A thread that is ending has no thread locals any more; then there is no location.
    let _ = LOCATION.try_with(|cell| cell.set(location));
}

/// Calls into a plugin. A panic there becomes an error, with `EIO`.
///
/// What the panic left half done is the plugin's to live with, as with any other error: the
/// framework's own state is never changed across such a call.
// What `catch_unwind` calls is copied to it. A request's arguments have just been written then, and
// a processor stalls where it is to copy several of them at once. So this takes an `FnMut`, of
// which only a reference is copied.
#[inline]
pub(crate) fn catch<T>(mut call: impl FnMut() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(&mut call)).unwrap_or_else(|payload| Err(as_error(payload)))
}

#[cold]
fn as_error(payload: Box<dyn Any + Send>) -> Error {
    let message = if let Some(text) = payload.downcast_ref::<&str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.as_str()
    } else {
        "(no message)"
    };
    let location = LOCATION.try_with(Cell::take).ok().flatten();
    let error = match location {
        Some(location) => Error::msg(format!("panicked at {location}: {message}")),
        None => Error::msg(format!("panicked: {message}")),
    };
    // Dropping a payload may panic as well. It is a small string, nearly always.
    std::mem::forget(payload);
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_says_where() {
        install_hook();
        let error = catch::<()>(|| panic!("gone {}", 7)).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("panic.rs:"), "{message}");
        assert!(message.ends_with(": gone 7"), "{message}");
        assert_eq!(error.errno(), libc::EIO);
    }

    #[test]
    fn what_does_not_panic_passes_through() {
        assert_eq!(catch(|| Ok(7)).unwrap(), 7);
        assert_eq!(catch::<()>(|| Err("no".into())).unwrap_err().to_string(), "no");
    }
}
