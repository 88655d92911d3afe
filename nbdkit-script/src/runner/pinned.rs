//! A connection belongs to one instance for its life.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use slab::Slab;

use super::closing::{close, drop_each, not_open};
use crate::error::Result;
use crate::plugin::Plugin;

/// Instances, each behind its own lock.
pub(super) struct Pinned<P: Plugin> {
    workers: Box<[Arc<Worker<P>>]>,
}

struct Worker<P: Plugin> {
    instance: Mutex<Instance<P>>,
    /// How often it has been taken. Only who has it writes here, and others may look.
    calls: AtomicUsize,
    /// How many connections belong to it: a hint for where the next one goes.
    connections: AtomicUsize,
}

/// A plugin and the handles of the connections that are open in it. They are behind one lock, so
/// a handle need only be `Send` as well.
struct Instance<P: Plugin> {
    // Before `plugin`, so that what is still open is dropped while its interpreter lives.
    handles: Slab<P::Handle>,
    plugin: P,
}

/// One client's connection, which holds its worker: a request finds its instance without the
/// runner.
pub(super) struct Connection<P: Plugin> {
    worker: Arc<Worker<P>>,
    /// Which of the worker's handles is the connection's.
    key: usize,
}

impl<P: Plugin> Worker<P> {
    /// A panic in a callback has been caught by then and failed its request; the instance goes on
    /// being used, so a poisoned lock is as good as any other.
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Instance<P>> {
        let instance = self.instance.lock().unwrap_or_else(PoisonError::into_inner);
        self.calls.store(self.calls.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
        instance
    }
}

impl<P: Plugin> Drop for Pinned<P> {
    fn drop(&mut self) {
        drop_each(std::mem::take(&mut self.workers));
    }
}

impl<P: Plugin> Pinned<P> {
    pub(super) fn new(plugins: Vec<P>) -> Self {
        let worker = |plugin| {
            Arc::new(Worker {
                instance: Mutex::new(Instance { handles: Slab::new(), plugin }),
                calls: AtomicUsize::new(0),
                connections: AtomicUsize::new(0),
            })
        };
        Pinned { workers: plugins.into_iter().map(worker).collect() }
    }

    /// The worker with the fewest connections. Two that begin at once may both choose it.
    fn emptiest(&self) -> &Arc<Worker<P>> {
        let load = |index: &usize| self.workers[*index].connections.load(Ordering::Relaxed);
        &self.workers[(0..self.workers.len()).min_by_key(load).unwrap_or(0)]
    }

    /// The number of the call that an instance is in.
    pub(super) fn call_of(&self, instance: usize) -> Option<usize> {
        let worker = self.workers.get(instance)?;
        let is_taken = matches!(worker.instance.try_lock(), Err(TryLockError::WouldBlock));
        is_taken.then(|| worker.calls.load(Ordering::Relaxed))
    }

    pub(super) fn with_plugin<T>(&self, call: impl FnOnce(&P) -> T) -> T {
        call(&self.emptiest().lock().plugin)
    }

    pub(super) fn with_each_plugin(&self, call: &mut dyn FnMut(&P)) {
        self.workers.iter().for_each(|worker| call(&worker.lock().plugin));
    }

    pub(super) fn open(&self, readonly: bool) -> Result<Connection<P>> {
        let worker = self.emptiest();
        let mut instance = worker.lock();
        let handle = instance.plugin.open(readonly)?;
        worker.connections.fetch_add(1, Ordering::Relaxed);
        let key = instance.handles.insert(handle);
        Ok(Connection { worker: Arc::clone(worker), key })
    }
}

impl<P: Plugin> Connection<P> {
    #[inline]
    pub(super) fn with<T>(&self, call: impl FnOnce(&P, &P::Handle) -> Result<T>) -> Result<T> {
        let instance = self.worker.lock();
        match instance.handles.get(self.key) {
            Some(handle) => call(&instance.plugin, handle),
            None => Err(not_open()),
        }
    }

    pub(super) fn close(self) -> Result<()> {
        let mut instance = self.worker.lock();
        let Some(handle) = instance.handles.try_remove(self.key) else {
            return Err(not_open());
        };
        self.worker.connections.fetch_sub(1, Ordering::Relaxed);
        close(&instance.plugin, handle)
    }
}
