//! A panic ends as the error of one callback.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::Once;

use crate::error::{Error, Result};

thread_local! {
    /// Where the current panic on this thread began.
    static LOCATION: Cell<Option<String>> = const { Cell::new(None) };
}

/// Makes panics record their location instead of printing several lines to standard error. The hook
/// only affects this plugin: each `.so` has its own copy of the standard library.
pub(crate) fn install_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(remember)));
}

fn remember(info: &PanicHookInfo<'_>) {
    let location = info.location().map(ToString::to_string);
    // The thread locals of a thread that is ending are already gone; then there is no location.
    let _ = LOCATION.try_with(|cell| cell.set(location));
}

/// Calls into a plugin. A panic there becomes an `EIO` error.
///
/// The plugin has to live with whatever the panic left half done, as after any other error. The
/// framework never changes its own state across such a call.
// `catch_unwind` copies the closure it gets. A request's arguments have only just been written
// then, and a processor stalls when it copies several of them at once. So this takes an `FnMut`,
// and passes on only a reference to it.
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
    // Dropping a payload may panic too. It is nearly always a small string.
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
    fn results_pass_through_without_a_panic() {
        assert_eq!(catch(|| Ok(7)).unwrap(), 7);
        assert_eq!(catch::<()>(|| Err("no".into())).unwrap_err().to_string(), "no");
    }
}
