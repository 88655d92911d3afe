//! The locks that nbdkit takes around a request, by the plugin's thread model.

use std::error::Error;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::connection::{Connection, Requests};
use super::plugin::{Plugin, ThreadModel};

/// What the connections of one plugin share.
pub struct Locks<'plugin> {
    plugin: &'plugin Plugin,
    all_requests: Mutex<()>,
}

impl<'plugin> Locks<'plugin> {
    /// The locks of a plugin.
    pub fn new(plugin: &'plugin Plugin) -> Self {
        Locks { plugin, all_requests: Mutex::new(()) }
    }

    /// Connects, for several threads to use.
    ///
    /// # Errors
    /// Those of [`Plugin::connect`].
    pub fn connect(&self) -> Result<SharedConnection<'_>, Box<dyn Error>> {
        let connection = self.plugin.connect()?;
        Ok(SharedConnection {
            thread_model: self.plugin.thread_model(),
            all_requests: &self.all_requests,
            request: Mutex::new(()),
            connection,
        })
    }
}

/// A connection that several threads send requests on.
pub struct SharedConnection<'a> {
    thread_model: ThreadModel,
    all_requests: &'a Mutex<()>,
    request: Mutex<()>,
    connection: Connection<'a>,
}

// SAFETY: what a `Connection` is not `Sync` for is a plugin that cannot stand several threads at
// once. The only way to it is `with`, which takes the locks that the plugin asks for.
unsafe impl Sync for SharedConnection<'_> {}

impl SharedConnection<'_> {
    /// Calls with the locks of a request taken.
    #[inline]
    pub fn with<T>(&self, call: impl FnOnce(&Connection<'_>) -> T) -> T {
        let model = self.thread_model;
        let _all = (model <= ThreadModel::SerializeAllRequests).then(|| lock(self.all_requests));
        let _own = (model <= ThreadModel::SerializeRequests).then(|| lock(&self.request));
        call(&self.connection)
    }
}

/// There is nothing behind these locks that a panic could leave half done.
fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Requests for SharedConnection<'_> {
    #[inline]
    fn pread(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.with(|connection| connection.pread(buffer, offset))
    }

    #[inline]
    fn pwrite(&self, data: &[u8], offset: u64) -> io::Result<()> {
        self.with(|connection| connection.pwrite(data, offset))
    }

    #[inline]
    fn zero(&self, count: u32, offset: u64) -> io::Result<()> {
        self.with(|connection| connection.zero(count, offset))
    }

    #[inline]
    fn flush(&self) -> io::Result<()> {
        self.with(|connection| connection.flush())
    }
}
