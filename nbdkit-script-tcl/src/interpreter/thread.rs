//! What Tcl keeps for each thread, kept for each interpreter instead.
//!
//! Tcl's documentation binds an interpreter to the thread that made it. nbdkit has an instance
//! made in one thread and used in others. What the rule protects is this (Tcl 8.6, threaded):
//!
//! - Two threads in one interpreter at once. The framework's runner never does that.
//! - Memory that hangs off the thread: its cache of free memory, to which an interpreter has a
//!   pointer of its own, its list of open channels, its compiled regular expressions, the name of
//!   the current directory, its event loop. Two interpreters that one thread has made share all of
//!   it without a
//!   lock, so they must never run at once; and a thread that closes a channel which another thread
//!   has opened ends the process ("damaged channel list"), as it does nbdkit's own Tcl plugin.
//! - The identity of the thread itself, which Tcl compares when an interpreter is deleted or made,
//!   and in channels: of events, and of those whose driver is a script (`chan create`).
//!
//! A thread for each interpreter, as the rule would have it, cannot be: nbdkit forks after the
//! interpreters have been made, which leaves no thread but one, and each request would cost two
//! switches of threads. But all of the second kind hangs off two values of
//! `pthread_setspecific`(3), which are found here, and the third is what `Tcl_GetCurrentThread`
//! returns, for which libtcl calls the function of this file: the dynamic linker looks into the
//! plugin before it looks into the libraries that the plugin needs. An [`Identity`] is a set of
//! these; it goes with its interpreter from thread to thread. So each interpreter has a thread for
//! itself, as far as Tcl can see, whichever thread it runs on.
//!
//! Where the values are not found (a C library that has them elsewhere, a Tcl without threads),
//! interpreters share what the thread has, and [`separable`] says so: then no two may run at once.
//! Where libtcl does not call the function (something has loaded it before the plugin), an
//! interpreter is deleted by the thread that made it, or not at all.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use once_cell::sync::Lazy;

use crate::ffi::{
    Tcl_CreateInterp, Tcl_DeleteInterp, Tcl_FinalizeThread, Tcl_GetThreadData, Tcl_SetExitProc,
    Tcl_ThreadDataKey,
};

/// How many keys Tcl has: one for its allocator's cache and one for all else. Not every build has
/// the first.
const MOST: usize = 2;

type Values = [*mut c_void; MOST];

const NOTHING: Values = [ptr::null_mut(); MOST];

/// The keys under which the C library keeps Tcl's memory of a thread; empty if they are not known.
static KEYS: Lazy<Vec<libc::pthread_key_t>> = Lazy::new(|| {
    // A thread that Tcl has never seen, so that it is seen what Tcl adds.
    std::thread::spawn(find_keys).join().unwrap_or_default()
});

/// Whether two interpreters can run at once.
pub fn separable() -> bool {
    !KEYS.is_empty()
}

/// What Tcl takes for a thread, of an interpreter's own.
#[derive(Debug)]
pub struct Identity {
    values: Cell<Values>,
    /// Its address is what Tcl knows the thread by. It is no other thread's.
    name: Box<u8>,
    /// The thread that made it.
    thread: libc::pthread_t,
}

/// While it lives, the thread has an [`Identity`].
#[derive(Debug)]
pub struct Assumed<'a> {
    identity: &'a Identity,
    own: (Values, *mut c_void),
}

thread_local! {
    /// The name of the identity that this thread has.
    static NAME: Cell<*mut c_void> = const { Cell::new(ptr::null_mut()) };
}

/// Whether Tcl has asked for a thread's name here.
static ASKED: AtomicBool = AtomicBool::new(false);

/// What Tcl calls to learn which thread it is in.
///
/// # Safety
/// None: it takes nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Tcl_GetCurrentThread() -> *mut c_void {
    let name = NAME.get();
    if !name.is_null() {
        return name;
    }
    ASKED.store(true, Ordering::Relaxed);
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::pthread_self() as *mut c_void }
}

impl Identity {
    /// One that Tcl has not seen.
    pub fn new() -> Self {
        Lazy::force(&KEYS);
        // SAFETY: takes nothing and cannot fail.
        let thread = unsafe { libc::pthread_self() };
        Identity { values: Cell::new(NOTHING), name: Box::new(0), thread }
    }

    /// Has this thread be the one that Tcl knows by this identity.
    #[inline]
    pub fn assume(&self) -> Assumed<'_> {
        let name = ptr::from_ref(&*self.name).cast_mut().cast();
        let own = (get(), NAME.replace(name));
        set(self.values.get());
        Assumed { identity: self, own }
    }

    /// Whether the interpreter may be deleted in this thread: if Tcl does not see which it is, or
    /// if it is the one that made it.
    pub fn is_at_home(&self) -> bool {
        // SAFETY: compares two values.
        ASKED.load(Ordering::Relaxed)
            || unsafe { libc::pthread_equal(self.thread, libc::pthread_self()) != 0 }
    }

    /// Frees all that hangs off it, after its interpreter was deleted.
    pub fn finish(&self) {
        if separable() {
            let _assumed = self.assume();
            // SAFETY: to Tcl this is the end of the thread, in which it has no interpreter left.
            unsafe { Tcl_FinalizeThread() };
        }
    }
}

impl Drop for Assumed<'_> {
    #[inline]
    fn drop(&mut self) {
        // Tcl makes the values when it first needs them, and forgets them at the end.
        self.identity.values.set(get());
        let (values, name) = self.own;
        set(values);
        NAME.set(name);
    }
}

/// What Tcl's `exit` does here: ends the process. Tcl itself would take down all that it has first,
/// while other interpreters run; this writes out what is in the channels of the one that exits.
unsafe extern "C" fn exit(status: *mut c_void) {
    // SAFETY: the identity is assumed of the interpreter that runs `exit`, and it does not go on.
    unsafe {
        Tcl_FinalizeThread();
        libc::exit(status as c_int)
    }
}

#[inline]
fn get() -> Values {
    let mut values = NOTHING;
    for (value, key) in values.iter_mut().zip(KEYS.iter()) {
        // SAFETY: Tcl has made the key, and does not delete it before the process ends.
        *value = unsafe { libc::pthread_getspecific(*key) };
    }
    values
}

#[inline]
fn set(values: Values) {
    for (value, key) in values.iter().zip(KEYS.iter()) {
        // SAFETY: as in `get`. The value is one that Tcl has made under the same key, or none.
        // There is memory for it: the thread has had a value under the key, or glibc allocates,
        // whose failure leaves none, which Tcl makes anew.
        unsafe { libc::pthread_setspecific(*key, *value) };
    }
}

/// The keys under which Tcl keeps something in this thread, which it has never seen.
///
/// From the first call on: each may leave something behind, as a lock that is made takes memory,
/// and with it Tcl's cache of free memory is there.
fn find_keys() -> Vec<libc::pthread_key_t> {
    // SAFETY: asks for a number.
    let most = unsafe { libc::sysconf(libc::_SC_THREAD_KEYS_MAX) };
    let keys = 0..libc::pthread_key_t::try_from(most).unwrap_or(0);
    // SAFETY: glibc and musl answer NULL for a key that nobody has made.
    let value = |key: libc::pthread_key_t| unsafe { libc::pthread_getspecific(key) };
    let before: Vec<_> = keys.clone().map(value).collect();

    // SAFETY: takes nothing; making an interpreter has Tcl set itself up.
    let interpreter = unsafe { Tcl_CreateInterp() };
    let block = thread_data();
    let found: Vec<_> = keys
        .zip(before)
        .filter(|(key, before)| before.is_null() && !value(*key).is_null())
        .map(|(key, _)| key)
        .collect();
    let known = !found.is_empty() && found.len() <= MOST && are_all(&found, block);

    // SAFETY: the interpreter is this thread's, and Tcl has nothing else in it.
    unsafe {
        if !interpreter.is_null() {
            Tcl_DeleteInterp(interpreter);
        }
        Tcl_SetExitProc(Some(exit));
        Tcl_FinalizeThread();
    }
    if known { found } else { Vec::new() }
}

/// A block that Tcl has for each thread. Each call in the same thread returns the same one.
fn thread_data() -> *mut c_void {
    struct Key(Cell<Tcl_ThreadDataKey>);
    // SAFETY: Tcl locks it before it writes there.
    unsafe impl Sync for Key {}
    static KEY: Key = Key(Cell::new(Tcl_ThreadDataKey(ptr::null_mut())));
    // SAFETY: the key is static, and NULL before its first use, as Tcl wants it.
    unsafe { Tcl_GetThreadData(KEY.0.as_ptr(), 8) }
}

/// The proof: without what is kept under these keys Tcl takes the thread for another one, and with
/// it for the same as before.
fn are_all(keys: &[libc::pthread_key_t], block: *mut c_void) -> bool {
    // SAFETY: as in `get` and `set`.
    let exchange = |key: &libc::pthread_key_t, value| unsafe {
        let before = libc::pthread_getspecific(*key);
        (libc::pthread_setspecific(*key, value) == 0).then_some(before)
    };
    let exchange_all = |values: &[*mut c_void]| -> Option<Vec<_>> {
        keys.iter().zip(values).map(|(key, value)| exchange(key, *value)).collect()
    };
    let Some(first) = exchange_all(&NOTHING) else {
        return false;
    };
    let other = thread_data();
    // SAFETY: Tcl has nothing in what it takes for a thread but the block.
    unsafe { Tcl_FinalizeThread() };
    exchange_all(&first).is_some() && other != block && thread_data() == block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_goes_from_thread_to_thread() {
        // Of Tcl's allocator, and of all else.
        assert_eq!(KEYS.len(), MOST, "{:?}", *KEYS);
        let identity = Identity::new();
        let first = {
            let _assumed = identity.assume();
            thread_data() as usize
        };
        let other = Identity::new();
        {
            let _assumed = other.assume();
            assert_ne!(thread_data() as usize, first, "two identities share what a thread has");
        }
        other.finish();
        std::thread::scope(|scope| {
            // A reference to it is not `Sync`, as only one thread at a time may have it.
            struct Moved<'a>(&'a Identity);
            // SAFETY: this thread waits until the other one has ended.
            unsafe impl Send for Moved<'_> {}
            let moved = Moved(&identity);
            let elsewhere = scope.spawn(move || {
                let moved = moved;
                assert!(moved.0.is_at_home(), "libtcl asks for the thread's name elsewhere");
                let _assumed = moved.0.assume();
                thread_data() as usize
            });
            assert_eq!(elsewhere.join().unwrap(), first);
        });
        assert!(identity.is_at_home());
        identity.finish();
    }
}
