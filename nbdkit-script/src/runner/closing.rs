//! How connections and instances end.

use crate::error::{Error, Result};
use crate::panic;
use crate::plugin::Plugin;
use crate::report;

/// Gives a handle back to its plugin. Without a `close` of the plugin's, it is dropped.
pub(super) fn close<P: Plugin>(plugin: &P, handle: P::Handle) -> Result<()> {
    match plugin.close(handle) {
        Err(error) if error.is_not_defined() => Ok(()),
        result => result,
    }
}

/// nbdkit does not call with a handle that it has closed; a bug there is to be an error here.
#[cold]
pub(super) fn not_open() -> Error {
    Error::invalid("this connection is not open")
}

/// Drops instances one by one: a panic in the destructor of one must not meet another's.
pub(super) fn drop_each<T>(items: impl IntoIterator<Item = T>) {
    for item in items {
        let mut item = Some(item);
        if let Err(error) = panic::catch(|| {
            drop(item.take());
            Ok(())
        }) {
            report::log(&error.context("unload"));
        }
    }
}
