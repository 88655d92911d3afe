//! A request goes to any instance that is free.

use std::sync::Arc;

use super::isolated::not_open;
use super::pool::{Hold, Pool};
use super::{close, drop_each};
use crate::callbacks::Callbacks;
use crate::error::Result;
use crate::plugin::ScriptPlugin;

/// Instances in a pool. Who takes one owns it until it is put back, so that no lock is held while
/// a plugin runs.
pub(super) struct Roaming<P: ScriptPlugin> {
    pool: Arc<Pool<Instance<P>>>,
}

/// A plugin and the handles of the connections that are open in it, by the connection's key.
struct Instance<P: ScriptPlugin> {
    // Before `plugin`, so that what is still open is dropped while its interpreter lives.
    handles: Vec<Option<P::Handle>>,
    plugin: P,
}

/// One client's connection, which may be open in any number of instances.
pub(super) struct Connection<P: ScriptPlugin> {
    pool: Arc<Pool<Instance<P>>>,
    key: usize,
    readonly: bool,
}

impl<P: ScriptPlugin> Hold for Instance<P> {
    fn holds(&self, key: usize) -> bool {
        self.handle(key).is_some()
    }
}

impl<P: ScriptPlugin> Instance<P> {
    fn handle(&self, key: usize) -> Option<&P::Handle> {
        self.handles.get(key).and_then(Option::as_ref)
    }

    fn keep(&mut self, key: usize, handle: P::Handle) {
        if self.handles.len() <= key {
            self.handles.resize_with(key + 1, || None);
        }
        self.handles[key] = Some(handle);
    }
}

impl<P: ScriptPlugin> Drop for Roaming<P> {
    fn drop(&mut self) {
        drop_each(self.pool.drain());
    }
}

impl<P: ScriptPlugin> Roaming<P> {
    pub(super) fn new(plugins: Vec<P>) -> Self {
        let instance = |plugin| Instance { handles: Vec::new(), plugin };
        Roaming { pool: Arc::new(Pool::new(plugins.into_iter().map(instance))) }
    }

    pub(super) fn with_plugin<T>(&self, call: impl FnOnce(&P) -> T) -> T {
        call(&self.pool.take(None).plugin)
    }

    pub(super) fn with_each_plugin(&self, call: &mut dyn FnMut(&P)) {
        self.pool.with_each(|instance| call(&instance.plugin));
    }

    pub(super) fn open(&self, readonly: bool) -> Result<Connection<P>> {
        let mut instance = self.pool.take(None);
        let handle = instance.plugin.open(readonly)?;
        let key = self.pool.register();
        instance.keep(key, handle);
        self.pool.held(key);
        Ok(Connection { pool: Arc::clone(&self.pool), key, readonly })
    }
}

impl<P: ScriptPlugin> Connection<P> {
    #[inline]
    pub(super) fn with<T>(&self, call: impl FnOnce(&P, &P::Handle) -> Result<T>) -> Result<T> {
        let mut instance = self.pool.take(Some(self.key));
        if !instance.holds(self.key) {
            let handle = instance
                .plugin
                .open(self.readonly)
                .map_err(|error| error.context(P::callback_name(Callbacks::OPEN)))?;
            instance.keep(self.key, handle);
            self.pool.held(self.key);
        }
        match instance.handle(self.key) {
            Some(handle) => call(&instance.plugin, handle),
            None => Err(not_open()),
        }
    }

    /// Closes it in each instance where it is open, waiting for those that are at work for another
    /// connection. Returns the first error; the others are logged.
    pub(super) fn close(self) -> Result<()> {
        let key = self.key;
        let mut result = Ok(());
        while let Some(mut instance) = self.pool.take_holder(key) {
            let mut handle = instance.handles.get_mut(key).and_then(Option::take);
            // A panic must not keep the connection from being closed in the others.
            let closed = crate::panic::catch(|| match handle.take() {
                Some(handle) => close(&instance.plugin, handle),
                None => Ok(()),
            });
            match (&result, closed) {
                (Ok(()), closed) => result = closed,
                (Err(_), Err(error)) => {
                    crate::server::log(&error.context(P::callback_name(Callbacks::CLOSE)));
                }
                (Err(_), Ok(())) => {}
            }
        }
        self.pool.unregister(key);
        result
    }
}
