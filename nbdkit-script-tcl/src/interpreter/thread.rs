//! Keeps Tcl's state of a thread for each interpreter instead.
//!
//! Tcl's documentation ties an interpreter to the thread that created it. nbdkit creates an
//! instance in one thread and uses it in others. The rule protects three things (Tcl 8.6,
//! threaded):
//!
//! - The interpreter, from two threads at once. The framework's runner never does that.
//! - The thread's state: its cache of free memory, which each interpreter also points to, its list
//!   of open channels, its compiled regular expressions, the name of the current directory, its
//!   event loop. Two interpreters that one thread created share all of it without a lock, so they
//!   must never run at once. And when a thread closes a channel that another thread opened, Tcl
//!   ends the process ("damaged channel list"), as happens in nbdkit's own Tcl plugin.
//! - The identity of the thread, which Tcl compares when it creates or deletes an interpreter, for
//!   events of channels, and for channels whose driver is a script (`chan create`).
//!
//! A thread for each interpreter, as the rule suggests, is impossible: nbdkit forks after it has
//! created the interpreters, which leaves a single thread. Besides, each request would cost two
//! switches between threads. But all of the thread's state hangs off two values of
//! `pthread_setspecific`(3), which we find here. And its identity is what `Tcl_GetCurrentThread`
//! returns: libtcl calls the function in this file, because the dynamic linker searches the plugin
//! before the libraries that the plugin needs. An [`Identity`] is a set of these values. It moves
//! with its interpreter from thread to thread, so as far as Tcl can tell, each interpreter has its
//! own thread.
//!
//! If we cannot find the values (another C library may keep them elsewhere, Tcl may be built
//! without threads), interpreters share the thread's state, and [`separable`] returns false: then
//! no two may run at once. If libtcl does not call our function (something loaded libtcl before the
//! plugin), only the thread that created an interpreter deletes it; otherwise it leaks.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use once_cell::sync::Lazy;

use crate::ffi::{
    Tcl_CreateInterp, Tcl_DeleteInterp, Tcl_FinalizeThread, Tcl_GetThreadData, Tcl_SetExitProc,
    Tcl_ThreadDataKey,
};

/// Tcl has at most this many keys: one for its allocator's cache, which not every build has, and
/// one for everything else.
const MOST: usize = 2;

type Values = [*mut c_void; MOST];

const NOTHING: Values = [ptr::null_mut(); MOST];

/// The keys of Tcl's values in each thread; empty if we could not find them.
static KEYS: Lazy<Vec<libc::pthread_key_t>> = Lazy::new(|| {
    // In a thread that Tcl has never seen, so that we see what Tcl adds.
    std::thread::spawn(find_keys).join().unwrap_or_default()
});

/// Whether two interpreters can run at once.
pub fn separable() -> bool {
    !KEYS.is_empty()
}

/// An interpreter's own thread, as Tcl sees it.
#[derive(Debug)]
pub struct Identity {
    values: Cell<Values>,
    /// Tcl knows the thread by this address. No other thread has it.
    name: Box<u8>,
    /// The thread that created it.
    thread: libc::pthread_t,
}

/// While this lives, the thread has an [`Identity`].
#[derive(Debug)]
pub struct Assumed<'a> {
    identity: &'a Identity,
    own: (Values, *mut c_void),
}

thread_local! {
    /// The name of this thread's identity; null for none.
    static NAME: Cell<*mut c_void> = const { Cell::new(ptr::null_mut()) };
}

/// Whether libtcl calls the function in this file.
static ASKED: AtomicBool = AtomicBool::new(false);

/// Tells Tcl which thread it is in.
///
/// # Safety
/// Always safe: it takes no arguments.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn Tcl_GetCurrentThread() -> *mut c_void {
    let name = NAME.get();
    if !name.is_null() {
        return name;
    }
    ASKED.store(true, Ordering::Relaxed);
    // SAFETY: takes no arguments and cannot fail.
    unsafe { libc::pthread_self() as *mut c_void }
}

impl Identity {
    /// An identity that Tcl has not seen.
    pub fn new() -> Self {
        Lazy::force(&KEYS);
        // SAFETY: takes no arguments and cannot fail.
        let thread = unsafe { libc::pthread_self() };
        Identity { values: Cell::new(NOTHING), name: Box::new(0), thread }
    }

    /// Makes Tcl see this identity's thread in place of the current one.
    #[inline]
    pub fn assume(&self) -> Assumed<'_> {
        let name = ptr::from_ref(&*self.name).cast_mut().cast();
        let own = (get(), NAME.replace(name));
        set(self.values.get());
        Assumed { identity: self, own }
    }

    /// Whether the current thread may delete the interpreter: it created it, or Tcl cannot tell.
    pub fn is_at_home(&self) -> bool {
        // SAFETY: only compares two values.
        ASKED.load(Ordering::Relaxed)
            || unsafe { libc::pthread_equal(self.thread, libc::pthread_self()) != 0 }
    }

    /// Frees Tcl's state of this identity, once nothing uses its interpreter any more.
    pub fn finish(&self) {
        if separable() {
            let _assumed = self.assume();
            // SAFETY: to Tcl this is the end of the thread, and nothing runs in it any more.
            unsafe { Tcl_FinalizeThread() };
        }
    }
}

impl Drop for Assumed<'_> {
    #[inline]
    fn drop(&mut self) {
        // Tcl creates the values when it first needs them, and clears them in `finish`.
        self.identity.values.set(get());
        let (values, name) = self.own;
        set(values);
        NAME.set(name);
    }
}

/// Takes the place of Tcl's `exit`, which would first tear down everything while other interpreters
/// run. This flushes the channels of the interpreter that exits, and ends the process.
unsafe extern "C" fn exit(status: *mut c_void) {
    // SAFETY: the thread has the identity of the interpreter that runs `exit`, which ends here.
    unsafe {
        Tcl_FinalizeThread();
        libc::exit(status as c_int)
    }
}

#[inline]
fn get() -> Values {
    let mut values = NOTHING;
    for (value, key) in values.iter_mut().zip(KEYS.iter()) {
        // SAFETY: Tcl created the key, and keeps it until the process ends.
        *value = unsafe { libc::pthread_getspecific(*key) };
    }
    values
}

#[inline]
fn set(values: Values) {
    for (value, key) in values.iter().zip(KEYS.iter()) {
        // SAFETY: the key is valid, as in `get`. The value is null, or Tcl's own for this key. If
        // glibc has no memory to store it, the thread has had no value for this key, and Tcl
        // creates a new one.
        unsafe { libc::pthread_setspecific(*key, *value) };
    }
}

/// Finds the keys under which Tcl keeps values in this thread, which it has never seen.
///
/// No call of Tcl may come before: it could leave a value behind. To create a lock, for example,
/// takes memory, and that creates Tcl's cache of free memory.
fn find_keys() -> Vec<libc::pthread_key_t> {
    // SAFETY: only reads a limit.
    let most = unsafe { libc::sysconf(libc::_SC_THREAD_KEYS_MAX) };
    let keys = 0..libc::pthread_key_t::try_from(most).unwrap_or(0);
    // SAFETY: glibc and musl return NULL for a key that does not exist.
    let value = |key: libc::pthread_key_t| unsafe { libc::pthread_getspecific(key) };
    let before: Vec<_> = keys.clone().map(value).collect();

    // SAFETY: takes no arguments. To create an interpreter, Tcl initializes itself.
    let interpreter = unsafe { Tcl_CreateInterp() };
    let block = thread_data();
    let found: Vec<_> = keys
        .zip(before)
        .filter(|(key, before)| before.is_null() && !value(*key).is_null())
        .map(|(key, _)| key)
        .collect();
    let known = !found.is_empty() && found.len() <= MOST && are_all(&found, block);

    // SAFETY: this thread created the interpreter, and Tcl has nothing else in it.
    unsafe {
        if !interpreter.is_null() {
            Tcl_DeleteInterp(interpreter);
        }
        Tcl_SetExitProc(Some(exit));
        Tcl_FinalizeThread();
    }
    if known { found } else { Vec::new() }
}

/// A block of memory that Tcl keeps for each thread, always the same one in the same thread.
fn thread_data() -> *mut c_void {
    struct Key(Cell<Tcl_ThreadDataKey>);
    // SAFETY: Tcl takes a lock before it writes to the key.
    unsafe impl Sync for Key {}
    static KEY: Key = Key(Cell::new(Tcl_ThreadDataKey(ptr::null_mut())));
    // SAFETY: the key is static, and NULL before its first use, as Tcl requires.
    unsafe { Tcl_GetThreadData(KEY.0.as_ptr(), 8) }
}

/// Proves that these are all keys: without their values Tcl takes the thread for another one, and
/// with them for the same one as before.
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
    // SAFETY: to Tcl this is another thread, which has nothing but the block.
    unsafe { Tcl_FinalizeThread() };
    exchange_all(&first).is_some() && other != block && thread_data() == block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_goes_from_thread_to_thread() {
        // One for Tcl's allocator, and one for everything else.
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
            // An `Identity` is not `Sync`: only one thread at a time may use it.
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
