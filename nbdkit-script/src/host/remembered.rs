//! What we remember about a client for its `close`, when nbdkit can no longer tell. `remember.rs`
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

/// A client. `None` means that nbdkit did not know.
#[derive(Debug, Default)]
pub(crate) struct Client {
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

    /// The client whose `close` is running on this thread.
    static CLOSING: RefCell<Remembered> = const { RefCell::new(None) };
}

/// While this exists, a client's `close` is running on this thread.
#[derive(Debug)]
pub(crate) struct Closing {
    outer: Remembered,
}

impl Closing {
    pub(crate) fn begin(client: &Remembered) -> Closing {
        let client = client.clone().or_else(|| CLIENT.try_with(|own| own.borrow().clone()).ok()?);
        Closing { outer: CLOSING.try_with(|closing| closing.replace(client)).unwrap_or_default() }
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let _ = CLOSING.try_with(|closing| closing.replace(self.outer.take()));
    }
}

/// Takes a value from the remembered client, during its `close`. Otherwise returns `None`, and the
/// caller has to ask nbdkit.
pub(super) fn when_closing<T>(take: impl FnOnce(&Client) -> T) -> Option<T> {
    CLOSING.try_with(|closing| closing.borrow().as_deref().map(take)).ok().flatten()
}
