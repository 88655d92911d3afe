//! The locks that nbdkit takes around a request, according to the plugin's thread model.
#![allow(unsafe_code)]

use std::error::Error;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nbdkit_script::ThreadModel;

use crate::connection::{Connection, Requests};
use crate::plugin::Plugin;

/// What the connections of one plugin share.
#[derive(Debug)]
pub struct Locks {
    thread_model: ThreadModel,
    all_requests: Mutex<()>,
}

impl Locks {
    /// The locks of a plugin.
    pub fn new(plugin: &Plugin) -> Self {
        Locks { thread_model: plugin.thread_model(), all_requests: Mutex::new(()) }
    }

    /// Connects, for several threads to use.
    ///
    /// # Errors
    /// Those of [`Plugin::connect`].
    pub fn connect<'a>(
        &'a self,
        plugin: &'a Plugin,
    ) -> Result<SharedConnection<'a>, Box<dyn Error>> {
        Ok(self.share(plugin.connect()?))
    }

    pub(crate) fn share<'a>(&'a self, connection: Connection<'a>) -> SharedConnection<'a> {
        SharedConnection {
            thread_model: self.thread_model,
            all_requests: &self.all_requests,
            request: Mutex::new(()),
            connection,
        }
    }

    /// Makes a call that uses no connection, or one that nobody else has.
    pub(crate) fn with<T>(&self, call: impl FnOnce() -> T) -> T {
        let model = self.thread_model;
        let _all = (model <= ThreadModel::SerializeAllRequests).then(|| lock(&self.all_requests));
        call()
    }
}

/// A plugin that several threads connect to.
#[derive(Debug)]
pub(crate) struct SharedPlugin(Plugin);

// SAFETY: the strings of its table never change, and every caller takes the locks that nbdkit
// takes. nbdkit calls `preconnect` without any, so a plugin must allow that from several threads.
unsafe impl Sync for SharedPlugin {}
// SAFETY: nbdkit too unloads a plugin in a thread other than those of its connections.
unsafe impl Send for SharedPlugin {}

impl SharedPlugin {
    pub(crate) fn new(plugin: Plugin) -> SharedPlugin {
        SharedPlugin(plugin)
    }

    pub(crate) fn get(&self) -> &Plugin {
        &self.0
    }
}

/// A connection that several threads send requests on.
#[derive(Debug)]
pub struct SharedConnection<'a> {
    thread_model: ThreadModel,
    all_requests: &'a Mutex<()>,
    request: Mutex<()>,
    connection: Connection<'a>,
}

// SAFETY: `Connection` is not `Sync` only because the plugin may not allow calls from several
// threads at once. The only way to it is `with`, which takes the locks that the plugin asks for.
unsafe impl Sync for SharedConnection<'_> {}
// SAFETY: nbdkit too closes a connection in a thread other than that of its requests.
unsafe impl Send for SharedConnection<'_> {}

impl SharedConnection<'_> {
    /// Makes a call while it holds the locks of a request.
    #[inline]
    pub fn with<T>(&self, call: impl FnOnce(&Connection<'_>) -> T) -> T {
        let model = self.thread_model;
        let _all = (model <= ThreadModel::SerializeAllRequests).then(|| lock(self.all_requests));
        let _own = (model <= ThreadModel::SerializeRequests).then(|| lock(&self.request));
        call(&self.connection)
    }
}

/// These locks protect no data that a panic could leave half changed.
fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Requests for SharedConnection<'_> {
    #[inline]
    fn pread(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.with(|connection| connection.pread(buffer, offset))
    }

    #[inline]
    fn pwrite(&self, data: &[u8], offset: u64) -> std::io::Result<()> {
        self.with(|connection| connection.pwrite(data, offset))
    }

    #[inline]
    fn zero(&self, count: u32, offset: u64) -> std::io::Result<()> {
        self.with(|connection| connection.zero(count, offset))
    }

    #[inline]
    fn flush(&self) -> std::io::Result<()> {
        self.with(|connection| connection.flush())
    }
}
