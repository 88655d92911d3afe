//! How threads take items and put them back; under loom, in every order.

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
    *pool.take(0, Caller::UNKNOWN, any) += 1;
}

/// What the watcher does.
fn look(pool: &Pool<usize>) {
    let _ = pool.call_of(0);
}

/// What closing a connection does that was open in all items.
fn close(pool: &Pool<usize>) {
    (0..pool.size()).for_each(|number| *pool.take_this(number, Caller::UNKNOWN) += 1);
}

fn total(pool: &Pool<usize>) -> usize {
    (0..pool.size()).map(|number| *pool.take_this(number, Caller::UNKNOWN)).sum()
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
        let taken = pool.take(2, Caller::UNKNOWN, second);
        assert_eq!(taken.number(), 1);
        let other = pool.take(2, Caller::UNKNOWN, second);
        assert_eq!(other.number(), 2);
        drop(taken);
        assert_eq!(pool.take(2, Caller::UNKNOWN, second).number(), 1);
    });
}

#[test]
fn a_request_gets_the_first_one_from_where_it_begins() {
    model(|| {
        let pool = pool(3);
        let taken = [1, 1, 1].map(|first| pool.take(first, Caller::UNKNOWN, any));
        assert_eq!(taken.each_ref().map(Taken::number), [1, 2, 0]);
        drop(taken);
        assert_eq!(pool.take(2, Caller::UNKNOWN, any).number(), 2);
    });
}

#[test]
fn what_is_reserved_is_not_for_requests() {
    model(|| {
        let pool = pool(2);
        pool.slots[0].reserved.store(1, Ordering::Relaxed);
        assert_eq!(pool.take(0, Caller::UNKNOWN, any).number(), 1);
        // Who has reserved it gets it.
        assert_eq!(pool.take_this(0, Caller::UNKNOWN).number(), 0);
    });
}

#[test]
fn who_has_reserved_an_item_gets_it_before_requests_that_begin_later() {
    model(|| {
        let pool = Arc::new(pool(2));
        let taken = pool.take(0, Caller::UNKNOWN, any);
        let closer = {
            let pool = Arc::clone(&pool);
            thread::spawn(move || *pool.take_this(0, Caller::UNKNOWN) += 1)
        };
        while pool.slots[0].reserved.load(Ordering::Relaxed) == 0 {
            thread::yield_now();
        }
        drop(taken);
        let later = pool.take(0, Caller::UNKNOWN, any);
        assert!(later.number() == 1 || *later == 1, "the later one was first");
        drop(later);
        closer.join().unwrap();
    });
}

#[test]
fn a_use_has_a_number_of_its_own() {
    model(|| {
        let pool = pool(1);
        assert_eq!(pool.call_of(0), None);
        let taken = pool.take(0, Caller::UNKNOWN, any);
        let first = pool.call_of(0);
        drop(taken);
        assert!(first.is_some());
        assert_eq!(pool.call_of(0), None);
        let _taken = pool.take_this(0, Caller::UNKNOWN);
        assert!(pool.call_of(0).is_some_and(|second| Some(second) != first));
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
        let _item = pool.take(0, Caller::UNKNOWN, any);
        panic!("in a callback");
    }));
    assert!(panicked.is_err());
    let _item = pool.take(0, Caller::UNKNOWN, any);
}
