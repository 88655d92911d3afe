//! What we remember about a client, for callbacks in which nbdkit cannot tell. `remember.rs`
//! collects this.
//!
//! Each connection keeps a copy, because at the end the framework closes the connections that
//! nbdkit leaves open, on another thread. So does the connection's own thread, on which nbdkit runs
//! `preconnect`, the first `open` and the last `close`: a filter may reopen the plugin on the
//! thread of a request, where we could not ask whether there is a connection without an error in
//! the log.

use std::cell::RefCell;
use std::ffi::OsString;
use std::sync::Arc;

use super::callers::Caller;

/// A client. `None` means that nbdkit did not know.
#[derive(Debug, Default)]
pub(crate) struct Client {
    pub(super) caller: Caller,
    pub(super) export_name: Option<OsString>,
    pub(super) is_tls: Option<bool>,
    pub(super) name: Option<String>,
    pub(super) pid: Option<i64>,
    pub(super) uid: Option<i64>,
    pub(super) gid: Option<i64>,
    pub(super) security_context: Option<OsString>,
    pub(super) tls_dn: Option<OsString>,
    pub(super) tls_issuer_dn: Option<OsString>,
}

/// The client of a connection. `None` if the connection was not opened in its own thread.
pub(crate) type Remembered = Option<Arc<Client>>;

thread_local! {
    /// The client whose connection this thread serves, from `preconnect` on.
    pub(super) static CLIENT: RefCell<Remembered> = const { RefCell::new(None) };

    /// The client that questions on this thread are about, while nbdkit cannot answer them.
    static RECALLED: RefCell<Remembered> = const { RefCell::new(None) };
}

/// While this exists, questions about the client are answered from memory on this thread: in
/// `close`, and in `cache`, which the filter `readahead` calls in a thread of its own.
#[derive(Debug)]
pub(crate) struct Recalled {
    outer: Remembered,
}

impl Recalled {
    pub(crate) fn begin(client: &Remembered) -> Recalled {
        let client = client.clone().or_else(|| CLIENT.try_with(|own| own.borrow().clone()).ok()?);
        let outer = RECALLED.try_with(|recalled| recalled.replace(client)).unwrap_or_default();
        Recalled { outer }
    }
}

impl Drop for Recalled {
    fn drop(&mut self) {
        let _ = RECALLED.try_with(|recalled| recalled.replace(self.outer.take()));
    }
}

/// For whom a callback of a connection runs.
pub(crate) fn caller(client: &Remembered) -> Caller {
    client.as_deref().map(|client| client.caller).unwrap_or_default()
}

/// For whom a callback runs on this thread if its connection is not open yet, or not any more.
pub(crate) fn caller_of_this_thread() -> Caller {
    CLIENT.try_with(|client| caller(&client.borrow())).unwrap_or_default()
}

/// Takes a value from the remembered client. Returns `None` if the caller has to ask nbdkit.
pub(super) fn recalled<T>(take: impl FnOnce(&Client) -> T) -> Option<T> {
    RECALLED.try_with(|recalled| recalled.borrow().as_deref().map(take)).ok().flatten()
}
