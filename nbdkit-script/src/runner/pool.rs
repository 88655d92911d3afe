//! The pool that instances are taken from: the one place where threads wait for each other.
//!
//! Each item has its own lock, and a request tries them one after the other. So threads that find
//! free items do not interfere: they write to nothing that they share.
//!
//! - A request takes any free item, preferably one that it prefers. It says where to start looking,
//!   and only waits while all items are in use.
//! - A thread that wants one particular item reserves it: no request that begins later gets it
//!   first.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release -p nbdkit-script --lib runner` tries all the ways
//! in which threads can interleave here while they are interrupted at most three times.

use std::ops::{Deref, DerefMut};
use std::sync::{PoisonError, TryLockError};

use super::calls::Calls;
use crate::host::Caller;
use crate::interrupt::Call;

#[cfg(all(test, loom))]
use loom::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering, fence},
};
#[cfg(not(all(test, loom)))]
use std::sync::{
    Condvar, Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering, fence},
};

pub(super) struct Pool<T> {
    slots: Box<[Slot<T>]>,
    /// How many threads wait for an item, any one, or are about to.
    waiting: AtomicUsize,
    /// Held by a thread that is about to wait, until it waits.
    about_to_wait: Mutex<()>,
    /// An item became free.
    freed: Condvar,
}

/// An item and its lock. Two of them are not in one line of a processor's cache, nor in two that it
/// fetches together.
#[repr(align(128))]
struct Slot<T> {
    item: Mutex<T>,
    /// How many threads wait for this one item.
    reserved: AtomicUsize,
    calls: Calls,
}

impl<T> Slot<T> {
    /// The item, if it is free and not reserved.
    #[inline]
    fn try_take(&self, client: Caller) -> Option<MutexGuard<'_, T>> {
        if self.reserved.load(Ordering::Relaxed) > 0 {
            return None;
        }
        self.try_lock().inspect(|_| self.calls.begin(client))
    }

    #[inline]
    fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.item.try_lock() {
            Ok(item) => Some(item),
            // A panic in a callback has been caught and failed its request; the item goes on being
            // used.
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl<T> Pool<T> {
    pub(super) fn new(items: impl Iterator<Item = T>) -> Self {
        let slot = |item| Slot {
            item: Mutex::new(item),
            reserved: AtomicUsize::new(0),
            calls: Calls::new(),
        };
        Pool {
            slots: items.map(slot).collect(),
            waiting: AtomicUsize::new(0),
            about_to_wait: Mutex::new(()),
            freed: Condvar::new(),
        }
    }

    /// How many items there are. They have the numbers from 0 on.
    pub(super) fn size(&self) -> usize {
        self.slots.len()
    }

    /// Takes an item that is free, preferably one whose number is preferred. Of several, it is the
    /// first one from the number `first` on, which is one of the pool's.
    #[inline]
    pub(super) fn take(
        &self,
        first: usize,
        client: Caller,
        preferred: impl Fn(usize) -> bool,
    ) -> Taken<'_, T> {
        if preferred(first)
            && let Some(item) = self.slots[first].try_take(client)
        {
            return Taken { pool: self, number: first, item: Some(item) };
        }
        self.take_another(first, client, &preferred)
    }

    // Not in line, so that the short way has less around it.
    #[inline(never)]
    fn take_another(
        &self,
        first: usize,
        client: Caller,
        preferred: &dyn Fn(usize) -> bool,
    ) -> Taken<'_, T> {
        if let Some(taken) = self.try_take(first, client, preferred) {
            return taken;
        }
        let mut about_to_wait = self.lock_waiting();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // Who puts an item back does so first, and then looks whether anybody waits. Here it is the
        // other way round, so one of the two sees the other.
        fence(Ordering::SeqCst);
        let taken = loop {
            if let Some(taken) = self.try_take(first, client, preferred) {
                break taken;
            }
            about_to_wait = self.freed.wait(about_to_wait).unwrap_or_else(PoisonError::into_inner);
        };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        taken
    }

    fn try_take(
        &self,
        first: usize,
        client: Caller,
        preferred: &dyn Fn(usize) -> bool,
    ) -> Option<Taken<'_, T>> {
        let all = || (first..self.slots.len()).chain(0..first);
        let in_order = all().filter(|number| preferred(*number)).chain(all());
        let mut taken = in_order
            .filter_map(|number| self.slots[number].try_take(client).map(|item| (number, item)));
        taken.next().map(|(number, item)| Taken { pool: self, number, item: Some(item) })
    }

    /// Takes the item of this number, once its present holder has put it back.
    pub(super) fn take_this(&self, number: usize, client: Caller) -> Taken<'_, T> {
        let slot = &self.slots[number];
        slot.reserved.fetch_add(1, Ordering::Relaxed);
        let item = slot.item.lock().unwrap_or_else(PoisonError::into_inner);
        // From here on it is the lock that keeps others away.
        slot.reserved.fetch_sub(1, Ordering::Relaxed);
        slot.calls.begin(client);
        Taken { pool: self, number, item: Some(item) }
    }

    /// The call for which an item was taken; `None` if it is free.
    pub(super) fn call_of(&self, number: usize) -> Option<Call> {
        let slot = self.slots.get(number)?;
        match slot.try_lock() {
            // It is put back as any other: somebody may have found it taken, and wait.
            Some(item) => drop(Taken { pool: self, number, item: Some(item) }),
            None => return Some(slot.calls.latest()),
        }
        None
    }

    fn lock_waiting(&self) -> MutexGuard<'_, ()> {
        self.about_to_wait.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cold]
    fn wake_one(&self) {
        // Nobody is between the last look at the items and the beginning of waiting.
        drop(self.lock_waiting());
        self.freed.notify_one();
    }
}

impl<T> Drop for Pool<T> {
    fn drop(&mut self) {
        super::closing::drop_each(std::mem::take(&mut self.slots));
    }
}

/// An item that is in use. Dropping this puts it back, even in a panic.
pub(super) struct Taken<'a, T> {
    pool: &'a Pool<T>,
    number: usize,
    /// `None` only while this is being dropped.
    item: Option<MutexGuard<'a, T>>,
}

impl<T> Taken<'_, T> {
    /// The number of the item.
    pub(super) fn number(&self) -> usize {
        self.number
    }
}

const IN_USE: &str = "an item is there until it is put back";

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item.as_deref().expect(IN_USE)
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.item.as_deref_mut().expect(IN_USE)
    }
}

impl<T> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        drop(self.item.take());
        // See `take_another`.
        fence(Ordering::SeqCst);
        if self.pool.waiting.load(Ordering::Relaxed) > 0 {
            self.pool.wake_one();
        }
    }
}

/// Under loom, every way of interleaving in which threads are interrupted at most three times
/// where they need not wait; else, once.
#[cfg(test)]
pub(super) fn model(test: impl Fn() + Sync + Send + 'static) {
    #[cfg(loom)]
    {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(test);
    }
    #[cfg(not(loom))]
    test();
}

#[cfg(test)]
mod tests;
