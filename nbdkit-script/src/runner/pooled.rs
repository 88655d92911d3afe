//! Each request goes to any free instance.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use slab::Slab;

use super::closing::{close, not_open};
use super::pool::{Pool, Taken};
use crate::callbacks::Callbacks;
use crate::error::Result;
use crate::host::{self, Caller};
use crate::interrupt::Call;
use crate::plugin::Plugin;
use crate::system;

/// Instances in a pool.
pub(super) struct Pooled<P: Plugin> {
    instances: Arc<Instances<P>>,
}

/// The part of the runner that connections hold.
struct Instances<P: Plugin> {
    pool: Pool<Instance<P>>,
    /// The keys of all open connections.
    keys: Mutex<Slab<()>>,
}

/// A plugin and the handles of the connections open in it, indexed by the connection's key.
struct Instance<P: Plugin> {
    // Before `plugin`, so that open handles are dropped while their interpreter still exists.
    handles: Vec<Option<P::Handle>>,
    plugin: P,
}

/// One client's connection, which may be open in any number of instances.
pub(super) struct Connection<P: Plugin> {
    instances: Arc<Instances<P>>,
    key: usize,
    readonly: bool,
    client: Caller,
    /// The instances in which it is open. Only the holder of an instance changes its entry; other
    /// threads may read it.
    open_in: Box<[AtomicBool]>,
}

impl<P: Plugin> Instance<P> {
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

impl<P: Plugin> Instances<P> {
    /// Takes an instance, a preferred one if possible.
    ///
    /// The search begins at a different instance on each processor. So no more instances are in use
    /// than processors, their memory stays in those processors' caches, and two processors do not
    /// compete for the same one. The number of threads does not matter; nbdkit has 16 for each
    /// connection.
    #[inline]
    fn take(&self, client: Caller, preferred: impl Fn(usize) -> bool) -> Taken<'_, Instance<P>> {
        self.pool.take(system::processor() % self.pool.size(), client, preferred)
    }

    fn take_any(&self, client: Caller) -> Taken<'_, Instance<P>> {
        self.take(client, |_| true)
    }

    fn register(&self) -> usize {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(())
    }

    fn unregister(&self, key: usize) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).try_remove(key);
    }
}

impl<P: Plugin> Pooled<P> {
    pub(super) fn new(plugins: Vec<P>) -> Self {
        let instance = |plugin| Instance { handles: Vec::new(), plugin };
        let pool = Pool::new(plugins.into_iter().map(instance));
        Pooled { instances: Arc::new(Instances { pool, keys: Mutex::default() }) }
    }

    /// The call that an instance is running.
    pub(super) fn call_of(&self, instance: usize) -> Option<Call> {
        self.instances.pool.call_of(instance)
    }

    pub(super) fn with_plugin<T>(&self, call: impl FnOnce(&P) -> T) -> T {
        call(&self.instances.take_any(host::caller_of_this_thread()).plugin)
    }

    pub(super) fn with_each_plugin(&self, call: &mut dyn FnMut(&P)) {
        let pool = &self.instances.pool;
        (0..pool.size()).for_each(|number| call(&pool.take_this(number, Caller::NOBODY).plugin));
    }

    pub(super) fn open(&self, readonly: bool, client: Caller) -> Result<Connection<P>> {
        let mut instance = self.instances.take_any(client);
        let handle = instance.plugin.open(readonly)?;
        let key = self.instances.register();
        instance.keep(key, handle);
        let open_in = |number| AtomicBool::new(number == instance.number());
        Ok(Connection {
            instances: Arc::clone(&self.instances),
            key,
            readonly,
            client,
            open_in: (0..self.instances.pool.size()).map(open_in).collect(),
        })
    }
}

impl<P: Plugin> Connection<P> {
    /// Whether it is open in this instance. The result is exact for the holder of the instance, and
    /// once no requests run any more.
    #[inline]
    fn is_open_in(&self, number: usize) -> bool {
        self.open_in[number].load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn with<T>(&self, call: impl FnOnce(&P, &P::Handle) -> Result<T>) -> Result<T> {
        let mut instance = self.instances.take(self.client, |number| self.is_open_in(number));
        if !self.is_open_in(instance.number()) {
            self.open_another(&mut instance)?;
        }
        match instance.handle(self.key) {
            Some(handle) => call(&instance.plugin, handle),
            None => Err(not_open()),
        }
    }

    /// Opens it in one more instance.
    #[cold]
    fn open_another(&self, instance: &mut Taken<'_, Instance<P>>) -> Result<()> {
        let handle = instance
            .plugin
            .open(self.readonly)
            .map_err(|error| error.context(P::callback_name(Callbacks::OPEN)))?;
        instance.keep(self.key, handle);
        self.open_in[instance.number()].store(true, Ordering::Release);
        Ok(())
    }

    /// Closes it in every instance where it is open, and waits for those that are busy with another
    /// connection. Returns the first error and logs the others.
    pub(super) fn close(self) -> Result<()> {
        let mut result = Ok(());
        for number in (0..self.open_in.len()).filter(|number| self.is_open_in(*number)) {
            let mut instance = self.instances.pool.take_this(number, Caller::CLOSED);
            let mut handle = instance.handles.get_mut(self.key).and_then(Option::take);
            // A panic must not prevent the close in the other instances.
            let closed = crate::panic::catch(|| match handle.take() {
                Some(handle) => close(&instance.plugin, handle),
                None => Ok(()),
            });
            match (&result, closed) {
                (Ok(()), closed) => result = closed,
                (Err(_), Err(error)) => {
                    crate::report::log(&error.context(P::callback_name(Callbacks::CLOSE)));
                }
                (Err(_), Ok(())) => {}
            }
        }
        self.instances.unregister(self.key);
        result
    }
}

// Not under loom, for which the pool is made of other locks.
#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::fake::{Closed, Noting};
    use super::*;

    /// Three instances, and the numbers of those in which a handle was closed.
    fn three(fails: bool) -> (Pooled<Noting>, Closed) {
        let (plugins, closed) = Noting::several(3, fails);
        (Pooled::new(plugins), closed)
    }

    /// Has a connection be open in two instances: the second request comes while one is in use.
    fn use_two(connection: &Connection<Noting>) {
        let both =
            connection.with(|one, _| connection.with(|other, _| Ok((one.number, other.number))));
        let (one, other) = both.unwrap();
        assert_ne!(one, other);
    }

    #[test]
    fn a_connection_is_closed_wherever_it_is_open_although_that_fails() {
        for fails in [false, true] {
            let (pooled, closed) = three(fails);
            let connection = pooled.open(false, Caller::UNKNOWN).unwrap();
            use_two(&connection);
            let result = connection.close();
            let closed = closed.lock().unwrap();
            assert_eq!(closed.len(), 2);
            // The first of the errors.
            let expected = fails.then(|| format!("in {}", closed[0]));
            assert_eq!(result.err().map(|error| error.to_string()), expected);
        }
    }

    #[test]
    fn the_place_of_a_connection_that_has_ended_is_used_again() {
        let (pooled, _) = three(false);
        let stays = pooled.open(false, Caller::UNKNOWN).unwrap();
        let keys: Vec<_> = (0..5)
            .map(|_| {
                let connection = pooled.open(false, Caller::UNKNOWN).unwrap();
                use_two(&connection);
                let key = connection.key;
                connection.close().unwrap();
                key
            })
            .collect();
        assert_eq!(keys, [keys[0]; 5]);
        assert_ne!(keys[0], stays.key);
        use_two(&stays);
    }
}
