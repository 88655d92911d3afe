//! The pool that instances are taken from and put back to: the one place where threads wait for
//! each other.
//!
//! - A request takes any item that is free, one that holds its key if there is one. It waits only
//!   while all items are in use.
//! - To close a key is to take each item that holds it, one after the other. An item that is put
//!   back while it holds a key that is being closed goes to who closes it before any request.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release -p nbdkit-script --lib pool` tries all the ways in
//! which threads can interleave here.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;

#[cfg(all(test, loom))]
use loom::sync::{Condvar, Mutex, MutexGuard};
#[cfg(not(all(test, loom)))]
use std::sync::{Condvar, Mutex, MutexGuard};

use slab::Slab;

/// What is pooled: it holds something for some keys.
pub(super) trait Hold {
    fn holds(&self, key: usize) -> bool;
}

pub(super) struct Pool<T: Hold> {
    state: Mutex<State<T>>,
    /// An item became free.
    freed: Condvar,
    /// An item was put aside for who closes a key, or the last one was put back.
    returned: Condvar,
    size: usize,
}

struct State<T> {
    /// The last one that was put back is taken first: its memory is still in a cache.
    free: Vec<Box<T>>,
    /// Those that hold a key that is being closed.
    aside: Vec<Box<T>>,
    /// How many threads wait for one that is free. Waking nobody is a system call as well.
    waiting: usize,
    /// How many items hold each key.
    keys: Slab<usize>,
    /// The keys that are being closed.
    closing: Vec<usize>,
    /// How many threads wait for `returned`.
    waiting_for_all: usize,
}

impl<T: Hold> Pool<T> {
    pub(super) fn new(items: impl Iterator<Item = T>) -> Self {
        let free: Vec<_> = items.map(Box::new).collect();
        Pool {
            size: free.len(),
            state: Mutex::new(State {
                free,
                aside: Vec::new(),
                waiting: 0,
                keys: Slab::new(),
                closing: Vec::new(),
                waiting_for_all: 0,
            }),
            freed: Condvar::new(),
            returned: Condvar::new(),
        }
    }

    /// While the state is locked, nothing of a plugin's runs but in `with_each`, for which the
    /// caller catches panics.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new key, which no item holds yet.
    pub(super) fn register(&self) -> usize {
        self.lock().keys.insert(0)
    }

    /// The item that the caller has taken holds this key from now on.
    pub(super) fn held(&self, key: usize) {
        if let Some(items) = self.lock().keys.get_mut(key) {
            *items += 1;
        }
    }

    /// A key that no item holds any more.
    pub(super) fn unregister(&self, key: usize) {
        let mut state = self.lock();
        state.closing.retain(|closing| *closing != key);
        state.keys.try_remove(key);
    }

    /// Takes an item that is free, preferably one that holds the key.
    pub(super) fn take(&self, key: Option<usize>) -> Taken<'_, T> {
        let mut state = self.lock();
        loop {
            let preferred = key.and_then(|key| state.free.iter().rposition(|item| item.holds(key)));
            let item = match preferred {
                Some(index) => Some(state.free.swap_remove(index)),
                None => state.free.pop(),
            };
            if let Some(item) = item {
                return Taken { pool: self, item: Some(item) };
            }
            state.waiting += 1;
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
    }

    /// Takes an item that holds a key which is to be closed, waiting until there is one that is
    /// not in use. None if no item holds it any more. The caller makes the item let go of it.
    pub(super) fn take_holder(&self, key: usize) -> Option<Taken<'_, T>> {
        let mut state = self.lock();
        if !state.closing.contains(&key) {
            state.closing.push(key);
        }
        loop {
            let items = state.keys.get_mut(key)?;
            if *items == 0 {
                return None;
            }
            let taken = take_from(&mut state.aside, key)
                .map_or_else(|| take_from(&mut state.free, key), Some);
            if let Some(item) = taken {
                state.keys[key] -= 1;
                return Some(Taken { pool: self, item: Some(item) });
            }
            state.waiting_for_all += 1;
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting_for_all -= 1;
        }
    }

    /// Calls with each item, when none is in use.
    pub(super) fn with_each(&self, mut call: impl FnMut(&T)) {
        let mut state = self.lock();
        while state.free.len() + state.aside.len() < self.size {
            state.waiting_for_all += 1;
            state = self.returned.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting_for_all -= 1;
        }
        state.free.iter().chain(&state.aside).for_each(|item| call(item));
    }

    /// Takes out what is not in use, when there will be no more requests.
    pub(super) fn drain(&self) -> Vec<Box<T>> {
        let mut state = self.lock();
        let mut items = std::mem::take(&mut state.free);
        items.append(&mut state.aside);
        items
    }

    fn put_back(&self, item: Box<T>) {
        let mut state = self.lock();
        if state.closing.iter().any(|key| item.holds(*key)) {
            state.aside.push(item);
        } else {
            state.free.push(item);
            if state.waiting > 0 {
                self.freed.notify_one();
            }
        }
        if state.waiting_for_all > 0 {
            self.returned.notify_all();
        }
    }
}

fn take_from<T: Hold>(items: &mut Vec<Box<T>>, key: usize) -> Option<Box<T>> {
    let index = items.iter().position(|item| item.holds(key))?;
    Some(items.swap_remove(index))
}

/// An item that is in use. Dropping this puts it back, even in a panic.
pub(super) struct Taken<'a, T: Hold> {
    pool: &'a Pool<T>,
    /// `None` only while this is being dropped.
    item: Option<Box<T>>,
}

const IN_USE: &str = "an item is there until it is put back";

impl<T: Hold> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.item.as_deref().expect(IN_USE)
    }
}

impl<T: Hold> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.item.as_deref_mut().expect(IN_USE)
    }
}

impl<T: Hold> Drop for Taken<'_, T> {
    fn drop(&mut self) {
        if let Some(item) = self.item.take() {
            self.pool.put_back(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(loom)]
    use loom::{sync::Arc, thread};
    #[cfg(not(loom))]
    use std::{sync::Arc, thread};

    /// Holds the keys that it has been told.
    struct Item {
        keys: Vec<usize>,
        calls: usize,
    }

    impl Hold for Item {
        fn holds(&self, key: usize) -> bool {
            self.keys.contains(&key)
        }
    }

    fn pool(size: usize) -> Pool<Item> {
        Pool::new((0..size).map(|_| Item { keys: Vec::new(), calls: 0 }))
    }

    /// What a request does.
    fn request(pool: &Pool<Item>, key: usize) {
        let mut item = pool.take(Some(key));
        if !item.holds(key) {
            item.keys.push(key);
            pool.held(key);
        }
        item.calls += 1;
    }

    /// What closing a connection does. Returns in how many items it was open.
    fn close(pool: &Pool<Item>, key: usize) -> usize {
        let mut count = 0;
        while let Some(mut item) = pool.take_holder(key) {
            item.keys.retain(|held| *held != key);
            count += 1;
        }
        pool.unregister(key);
        count
    }

    fn total_calls(pool: &Pool<Item>) -> usize {
        let mut calls = 0;
        pool.with_each(|item| {
            assert_eq!(item.keys, [0; 0], "every key was closed everywhere");
            calls += item.calls;
        });
        calls
    }

    /// Under loom, every way of interleaving; else, once.
    fn model(test: impl Fn() + Sync + Send + 'static) {
        #[cfg(loom)]
        loom::model(test);
        #[cfg(not(loom))]
        test();
    }

    #[test]
    fn a_request_prefers_an_item_that_holds_its_key() {
        model(|| {
            let pool = pool(2);
            let (a, b) = (pool.register(), pool.register());
            request(&pool, a);
            let held = pool.take(Some(a));
            request(&pool, b);
            drop(held);
            for _ in 0..3 {
                request(&pool, a);
                request(&pool, b);
            }
            assert_eq!(close(&pool, a), 1);
            assert_eq!(close(&pool, b), 1);
            assert_eq!(total_calls(&pool), 8);
        });
    }

    #[test]
    fn requests_and_closes_of_two_connections_never_hang_or_lose_an_item() {
        model(|| {
            let pool = Arc::new(pool(1));
            let other = Arc::clone(&pool);
            let thread = thread::spawn(move || {
                let key = other.register();
                request(&other, key);
                assert_eq!(close(&other, key), 1);
            });
            let key = pool.register();
            request(&pool, key);
            assert_eq!(close(&pool, key), 1);
            thread.join().unwrap();
            assert_eq!(total_calls(&pool), 2);
        });
    }

    #[test]
    fn a_connection_that_is_open_in_two_items_is_closed_in_both_while_others_ask_for_them() {
        model(|| {
            let pool = Arc::new(pool(2));
            let key = pool.register();
            let first = pool.take(Some(key));
            request(&pool, key);
            drop(first);
            {
                // The other one, for the first request's is taken.
                let _held = pool.take(Some(key));
                request(&pool, key);
            }
            let other = Arc::clone(&pool);
            let thread = thread::spawn(move || {
                let key = other.register();
                request(&other, key);
                close(&other, key);
            });
            assert_eq!(close(&pool, key), 2);
            thread.join().unwrap();
            assert_eq!(total_calls(&pool), 3);
        });
    }

    #[test]
    #[cfg(not(loom))]
    fn an_item_is_put_back_in_a_panic() {
        let pool = pool(1);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _item = pool.take(None);
            panic!("in a callback");
        }));
        assert!(panicked.is_err());
        let _item = pool.take(None);
    }
}
