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
    /// Counts how often it was taken. Only its holder writes this; other threads may read it.
    uses: std::sync::atomic::AtomicUsize,
}

impl<T> Slot<T> {
    /// The item, if it is free and not reserved.
    #[inline]
    fn try_take(&self) -> Option<MutexGuard<'_, T>> {
        if self.reserved.load(Ordering::Relaxed) > 0 {
            return None;
        }
        self.try_lock().inspect(|_| self.count_use())
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

    #[inline]
    fn count_use(&self) {
        let uses = self.uses.load(std::sync::atomic::Ordering::Relaxed);
        self.uses.store(uses.wrapping_add(1), std::sync::atomic::Ordering::Relaxed);
    }
}

impl<T> Pool<T> {
    pub(super) fn new(items: impl Iterator<Item = T>) -> Self {
        let slot = |item| Slot {
            item: Mutex::new(item),
            reserved: AtomicUsize::new(0),
            uses: Default::default(),
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
    pub(super) fn take(&self, first: usize, preferred: impl Fn(usize) -> bool) -> Taken<'_, T> {
        if preferred(first)
            && let Some(item) = self.slots[first].try_take()
        {
            return Taken { pool: self, number: first, item: Some(item) };
        }
        self.take_another(first, &preferred)
    }

    // Not in line, so that the short way has less around it.
    #[inline(never)]
    fn take_another(&self, first: usize, preferred: &dyn Fn(usize) -> bool) -> Taken<'_, T> {
        if let Some(taken) = self.try_take(first, preferred) {
            return taken;
        }
        let mut about_to_wait = self.lock_waiting();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // Who puts an item back does so first, and then looks whether anybody waits. Here it is the
        // other way round, so one of the two sees the other.
        fence(Ordering::SeqCst);
        let taken = loop {
            if let Some(taken) = self.try_take(first, preferred) {
                break taken;
            }
            about_to_wait = self.freed.wait(about_to_wait).unwrap_or_else(PoisonError::into_inner);
        };
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        taken
    }

    fn try_take(&self, first: usize, preferred: &dyn Fn(usize) -> bool) -> Option<Taken<'_, T>> {
        let all = || (first..self.slots.len()).chain(0..first);
        let in_order = all().filter(|number| preferred(*number)).chain(all());
        let mut taken =
            in_order.filter_map(|number| self.slots[number].try_take().map(|item| (number, item)));
        taken.next().map(|(number, item)| Taken { pool: self, number, item: Some(item) })
    }

    /// Takes the item of this number, once its present holder has put it back.
    pub(super) fn take_this(&self, number: usize) -> Taken<'_, T> {
        let slot = &self.slots[number];
        slot.reserved.fetch_add(1, Ordering::Relaxed);
        let item = slot.item.lock().unwrap_or_else(PoisonError::into_inner);
        // From here on it is the lock that keeps others away.
        slot.reserved.fetch_sub(1, Ordering::Relaxed);
        slot.count_use();
        Taken { pool: self, number, item: Some(item) }
    }

    /// The number of the use that an item is in; `None` if it is in none.
    pub(super) fn use_of(&self, number: usize) -> Option<usize> {
        let slot = self.slots.get(number)?;
        match slot.try_lock() {
            // It is put back as any other: somebody may have found it taken, and wait.
            Some(item) => drop(Taken { pool: self, number, item: Some(item) }),
            None => return Some(slot.uses.load(std::sync::atomic::Ordering::Relaxed)),
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
mod tests {
    use super::*;

    #[cfg(loom)]
    use loom::{sync::Arc, thread};
    #[cfg(not(loom))]
    use std::{sync::Arc, thread};

    /// Items that count how often they have been taken.
    fn pool(size: usize) -> Pool<usize> {
        Pool::new((0..size).map(|_| 0))
    }

    fn any(_: usize) -> bool {
        true
    }

    /// What a request does.
    fn request(pool: &Pool<usize>) {
        *pool.take(0, any) += 1;
    }

    /// What the watcher does.
    fn look(pool: &Pool<usize>) {
        let _ = pool.use_of(0);
    }

    /// What closing a connection does that was open in all items.
    fn close(pool: &Pool<usize>) {
        (0..pool.size()).for_each(|number| *pool.take_this(number) += 1);
    }

    fn total(pool: &Pool<usize>) -> usize {
        (0..pool.size()).map(|number| *pool.take_this(number)).sum()
    }

    /// Runs these in threads of their own, and one here.
    fn at_once(pool: &Arc<Pool<usize>>, others: &[fn(&Pool<usize>)], here: fn(&Pool<usize>)) {
        let threads: Vec<_> = others
            .iter()
            .map(|other| {
                let (pool, other) = (Arc::clone(pool), *other);
                thread::spawn(move || other(&pool))
            })
            .collect();
        here(pool);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn a_request_gets_what_it_prefers_then_what_is_free() {
        model(|| {
            let pool = pool(3);
            let second = |number| number == 1;
            let taken = pool.take(2, second);
            assert_eq!(taken.number(), 1);
            let other = pool.take(2, second);
            assert_eq!(other.number(), 2);
            drop(taken);
            assert_eq!(pool.take(2, second).number(), 1);
        });
    }

    #[test]
    fn a_request_gets_the_first_one_from_where_it_begins() {
        model(|| {
            let pool = pool(3);
            let taken = [1, 1, 1].map(|first| pool.take(first, any));
            assert_eq!(taken.each_ref().map(Taken::number), [1, 2, 0]);
            drop(taken);
            assert_eq!(pool.take(2, any).number(), 2);
        });
    }

    #[test]
    fn what_is_reserved_is_not_for_requests() {
        model(|| {
            let pool = pool(2);
            pool.slots[0].reserved.store(1, Ordering::Relaxed);
            assert_eq!(pool.take(0, any).number(), 1);
            // Who has reserved it gets it.
            assert_eq!(pool.take_this(0).number(), 0);
        });
    }

    #[test]
    fn who_has_reserved_an_item_gets_it_before_requests_that_begin_later() {
        model(|| {
            let pool = Arc::new(pool(2));
            let taken = pool.take(0, any);
            let closer = {
                let pool = Arc::clone(&pool);
                thread::spawn(move || *pool.take_this(0) += 1)
            };
            while pool.slots[0].reserved.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
            }
            drop(taken);
            let later = pool.take(0, any);
            assert!(later.number() == 1 || *later == 1, "the later one was first");
            drop(later);
            closer.join().unwrap();
        });
    }

    #[test]
    fn a_use_has_a_number_of_its_own() {
        model(|| {
            let pool = pool(1);
            assert_eq!(pool.use_of(0), None);
            let taken = pool.take(0, any);
            let first = pool.use_of(0);
            drop(taken);
            assert!(first.is_some());
            assert_eq!(pool.use_of(0), None);
            let _taken = pool.take_this(0);
            assert!(pool.use_of(0).is_some_and(|second| Some(second) != first));
        });
    }

    #[test]
    fn who_looks_at_an_item_keeps_nobody_from_it() {
        model(|| {
            let pool = Arc::new(pool(1));
            at_once(&pool, &[look, request], request);
            assert_eq!(total(&pool), 2);
        });
    }

    #[test]
    fn who_waits_for_any_item_is_woken() {
        model(|| {
            let pool = Arc::new(pool(1));
            at_once(&pool, &[request, request], request);
            assert_eq!(total(&pool), 3);
        });
    }

    #[test]
    fn requests_and_a_close_never_hang_or_lose_an_item() {
        model(|| {
            let pool = Arc::new(pool(1));
            at_once(&pool, &[close, request], request);
            assert_eq!(total(&pool), 3);
        });
    }

    #[test]
    fn a_connection_that_is_open_in_two_items_is_closed_in_both_while_others_ask_for_them() {
        model(|| {
            let pool = Arc::new(pool(2));
            at_once(&pool, &[request], close);
            assert_eq!(total(&pool), 3);
        });
    }

    #[test]
    #[cfg(not(loom))]
    fn an_item_is_put_back_in_a_panic() {
        let pool = pool(1);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _item = pool.take(0, any);
            panic!("in a callback");
        }));
        assert!(panicked.is_err());
        let _item = pool.take(0, any);
    }
}
