//! What is known of a client while it is connected, for its `close`: nbdkit cannot tell any more.
//!
//! A connection keeps it, for the framework closes in another thread what nbdkit leaves open at its
//! end. And so does the connection's own thread, in which nbdkit runs `preconnect`, the first
//! `open` and the last `close`: a filter may open the plugin again in the thread of a request,
//! where nothing tells without an error in the log whether there is a connection at all.
//!
//! How it is found out is in `remember.rs`.

use std::cell::RefCell;
use std::ffi::OsString;
use std::sync::Arc;

/// A client. `None` is what nbdkit did not know.
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

/// What is remembered of a connection's client. `None` where it was not opened in its own thread.
pub(crate) type Remembered = Option<Arc<Client>>;

thread_local! {
    /// The client whose connection this thread is for, from `preconnect` on.
    pub(super) static CLIENT: RefCell<Remembered> = const { RefCell::new(None) };

    /// The client whose `close` this thread is in.
    static CLOSING: RefCell<Remembered> = const { RefCell::new(None) };
}

/// While it lives, this thread is in the `close` of a client.
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

/// What is remembered of the client, in its `close`. Anywhere else `None`: nbdkit is to be asked.
pub(super) fn when_closing<T>(take: impl FnOnce(&Client) -> T) -> Option<T> {
    CLOSING.try_with(|closing| closing.borrow().as_deref().map(take)).ok().flatten()
}
