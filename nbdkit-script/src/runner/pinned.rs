//! Each connection is pinned to one instance for its whole life.

use std::sync::{Arc, PoisonError, TryLockError};

#[cfg(all(test, loom))]
use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};
use slab::Slab;
#[cfg(not(all(test, loom)))]
use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};

use super::calls::Calls;
use super::closing::{close, drop_each, not_open};
use crate::error::Result;
use crate::host::{self, Caller};
use crate::interrupt::Call;
use crate::plugin::Plugin;

/// Instances, each behind its own lock.
pub(super) struct Pinned<P: Plugin> {
    workers: Box<[Arc<Worker<P>>]>,
}

struct Worker<P: Plugin> {
    instance: Mutex<Instance<P>>,
    calls: Calls,
    /// The number of its connections: a hint for placing the next one.
    connections: AtomicUsize,
}

/// A plugin and the handles of its open connections, behind one lock. So a handle, too, need only
/// be `Send`.
struct Instance<P: Plugin> {
    // Before `plugin`, so that open handles are dropped while their interpreter still exists.
    handles: Slab<P::Handle>,
    plugin: P,
}

/// One client's connection. It holds its worker, so a request finds the instance without going
/// through the runner.
pub(super) struct Connection<P: Plugin> {
    worker: Arc<Worker<P>>,
    /// The key of this connection's handle in the worker.
    key: usize,
    client: Caller,
}

impl<P: Plugin> Worker<P> {
    /// Ignores poison: a panic in a callback was caught and failed its request, and the instance
    /// stays in use.
    #[inline]
    fn lock(&self, client: Caller) -> MutexGuard<'_, Instance<P>> {
        let instance = self.instance.lock().unwrap_or_else(PoisonError::into_inner);
        self.calls.begin(client);
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
                calls: Calls::new(),
                connections: AtomicUsize::new(0),
            })
        };
        Pinned { workers: plugins.into_iter().map(worker).collect() }
    }

    /// The worker with the fewest connections. Two new connections may choose the same one.
    fn emptiest(&self) -> &Arc<Worker<P>> {
        let load = |index: &usize| self.workers[*index].connections.load(Ordering::Relaxed);
        &self.workers[(0..self.workers.len()).min_by_key(load).unwrap_or(0)]
    }

    /// The call that an instance is running.
    pub(super) fn call_of(&self, instance: usize) -> Option<Call> {
        let worker = self.workers.get(instance)?;
        let is_taken = matches!(worker.instance.try_lock(), Err(TryLockError::WouldBlock));
        is_taken.then(|| worker.calls.latest())
    }

    pub(super) fn with_plugin<T>(&self, call: impl FnOnce(&P) -> T) -> T {
        call(&self.emptiest().lock(host::caller_of_this_thread()).plugin)
    }

    pub(super) fn with_each_plugin(&self, call: &mut dyn FnMut(&P)) {
        self.workers.iter().for_each(|worker| call(&worker.lock(Caller::NOBODY).plugin));
    }

    pub(super) fn open(&self, readonly: bool, client: Caller) -> Result<Connection<P>> {
        let worker = self.emptiest();
        let mut instance = worker.lock(client);
        let handle = instance.plugin.open(readonly)?;
        worker.connections.fetch_add(1, Ordering::Relaxed);
        let key = instance.handles.insert(handle);
        Ok(Connection { worker: Arc::clone(worker), key, client })
    }
}

impl<P: Plugin> Connection<P> {
    #[inline]
    pub(super) fn with<T>(&self, call: impl FnOnce(&P, &P::Handle) -> Result<T>) -> Result<T> {
        let instance = self.worker.lock(self.client);
        match instance.handles.get(self.key) {
            Some(handle) => call(&instance.plugin, handle),
            None => Err(not_open()),
        }
    }

    pub(super) fn close(self) -> Result<()> {
        let mut instance = self.worker.lock(Caller::CLOSED);
        let Some(handle) = instance.handles.try_remove(self.key) else {
            return Err(not_open());
        };
        self.worker.connections.fetch_sub(1, Ordering::Relaxed);
        close(&instance.plugin, handle)
    }
}

#[cfg(test)]
mod tests {
    #[cfg(loom)]
    use loom::thread;
    #[cfg(not(loom))]
    use std::thread;

    use super::super::fake::{Closed, Noting};
    use super::super::pool::model;
    use super::*;

    fn pinned(count: usize) -> (Arc<Pinned<Noting>>, Closed) {
        let (plugins, closed) = Noting::several(count, false);
        (Arc::new(Pinned::new(plugins)), closed)
    }

    fn instance_of(connection: &Connection<Noting>) -> usize {
        connection.with(|plugin, _| Ok(plugin.number)).unwrap()
    }

    fn handle_of(connection: &Connection<Noting>) -> usize {
        connection.with(|_, handle| Ok(*handle)).unwrap()
    }

    #[test]
    fn a_connection_goes_where_there_are_fewest() {
        model(|| {
            let (pinned, closed) = pinned(2);
            let open = || pinned.open(false, Caller::UNKNOWN).unwrap();
            let [first, second, third] = [open(), open(), open()];
            assert_eq!([&first, &second, &third].map(instance_of), [0, 1, 0]);
            first.close().unwrap();
            third.close().unwrap();
            let [fourth, fifth] = [open(), open()];
            assert_eq!([&fourth, &fifth].map(instance_of), [0, 0]);
            assert_eq!(*closed.lock().unwrap(), [0, 0]);
        });
    }

    #[test]
    fn connections_that_begin_and_end_at_once_have_each_their_own_handle() {
        model(|| {
            let (pinned, closed) = pinned(1);
            let stays = pinned.open(false, Caller::UNKNOWN).unwrap();
            let before = handle_of(&stays);
            let visit = |pinned: &Pinned<Noting>| {
                let connection = pinned.open(false, Caller::UNKNOWN).unwrap();
                let handle = handle_of(&connection);
                assert_eq!(handle_of(&connection), handle);
                connection.close().unwrap();
            };
            let other = Arc::clone(&pinned);
            let other = thread::spawn(move || visit(&other));
            visit(&pinned);
            assert_eq!(handle_of(&stays), before);
            other.join().unwrap();
            assert_eq!(closed.lock().unwrap().len(), 2);
            let connections = &pinned.workers[0].connections;
            assert_eq!(connections.load(Ordering::Relaxed), 1);
        });
    }

    #[test]
    fn who_looks_at_calls_sees_each_under_a_number_of_its_own() {
        model(|| {
            let (pinned, _) = pinned(1);
            let connection = pinned.open(false, Caller::UNKNOWN).unwrap();
            let watched = Arc::clone(&pinned);
            let watcher = thread::spawn(move || [watched.call_of(0), watched.call_of(0)]);
            // In a call there is a number, whoever looks.
            let inside = || connection.with(|_, _| Ok(pinned.call_of(0))).unwrap();
            let [first, second] = [inside(), inside()];
            assert!(first.is_some() && second.is_some() && first != second);
            for seen in watcher.join().unwrap() {
                let is_earlier =
                    |seen: Call| second.is_some_and(|second| seen.number <= second.number);
                assert!(seen.is_none_or(is_earlier), "{seen:?}");
            }
            assert_eq!(pinned.call_of(0), None);
        });
    }
}
