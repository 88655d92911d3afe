//! Single-threaded instances, each behind its own lock.

use std::sync::{Mutex, MutexGuard, PoisonError};

use slab::Slab;

use super::{Handle, Runner};
use crate::error::{Error, Result};
use crate::plugin::ScriptPlugin;

/// Runs a plugin that knows nothing of threads: `P` need only be `Send`. One call at a time goes
/// into an instance. This is where an interpreter goes.
pub struct Isolated<P: ScriptPlugin> {
    instance: Mutex<Instance<P>>,
}

/// A plugin and the handles of the connections that are open in it. They are behind one lock, so
/// a handle need only be `Send` as well.
struct Instance<P: ScriptPlugin> {
    // Before `plugin`, so that what is still open is dropped while its interpreter lives.
    handles: Slab<P::Handle>,
    plugin: P,
}

/// Which of an instance's handles is a connection's.
#[derive(Debug)]
pub struct Connection {
    key: usize,
}

impl<P: ScriptPlugin> Isolated<P> {
    /// A panic in a callback has been caught by then and failed its request; the instance goes on
    /// being used, so a poisoned lock is as good as any other.
    fn lock(&self) -> MutexGuard<'_, Instance<P>> {
        self.instance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: ScriptPlugin> Runner for Isolated<P> {
    type Plugin = P;
    type Connection = Connection;

    fn new(plugin: P) -> Self {
        Isolated { instance: Mutex::new(Instance { handles: Slab::new(), plugin }) }
    }

    fn with_plugin<T>(&self, call: impl FnOnce(&P) -> T) -> T {
        call(&self.lock().plugin)
    }

    fn open(&self, readonly: bool) -> Result<Connection> {
        let mut instance = self.lock();
        let handle = instance.plugin.open(readonly)?;
        Ok(Connection { key: instance.handles.insert(handle) })
    }

    #[inline]
    fn with<T>(
        &self,
        connection: &Connection,
        call: impl FnOnce(&P, &Handle<Self>) -> Result<T>,
    ) -> Result<T> {
        let instance = self.lock();
        match instance.handles.get(connection.key) {
            Some(handle) => call(&instance.plugin, handle),
            None => Err(not_open()),
        }
    }

    fn close(&self, connection: Connection) -> Result<()> {
        let mut instance = self.lock();
        match instance.handles.try_remove(connection.key) {
            Some(handle) => instance.plugin.close(handle),
            None => Err(not_open()),
        }
    }
}

/// nbdkit does not call with a handle that it has closed; a bug there is to be an error here.
#[cold]
fn not_open() -> Error {
    Error::new(libc::EINVAL, "this connection is not open")
}
