//! A thread of our own, beside nbdkit's.
//!
//! We do not use the standard library's: it allocates when a thread begins, and the C library
//! reserves 64 MiB of address space for each thread that allocates. With a limited address space,
//! the scripts would lose that much. Using one of the plugin's thread locals allocates too, and the
//! C library ends the process if there is no memory for that. A `HashMap` has one, and the standard
//! library's locks may allocate.

use std::ffi::c_void;
use std::io;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

/// What a thread runs. It should neither allocate nor free memory while it is only waiting.
type Body = Box<dyn FnMut() + Send>;

/// A running thread. Dropping this waits for its end.
pub(crate) struct Thread {
    thread: libc::pthread_t,
    /// Boxed twice for a thin pointer. It is freed here, not by the thread.
    _body: Box<Body>,
}

// SAFETY: any thread may join another.
unsafe impl Send for Thread {}

impl std::fmt::Debug for Thread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Thread").finish_non_exhaustive()
    }
}

impl Thread {
    /// Starts a thread with a stack of this many bytes. The thread blocks all signals, since nbdkit
    /// handles them.
    ///
    /// # Errors
    /// If the system cannot start the thread.
    pub(crate) fn start(
        name: &std::ffi::CStr,
        stack: usize,
        body: impl FnMut() + Send + 'static,
    ) -> io::Result<Thread> {
        let mut body: Box<Body> = Box::new(Box::new(body));
        let argument = ptr::from_mut(&mut *body).cast::<c_void>();
        let mut thread = MaybeUninit::uninit();
        // SAFETY: the attributes and signal sets are initialised before they are used. The argument
        // lives until the thread has been joined, and only the thread uses it until then.
        unsafe {
            let mut attributes = MaybeUninit::uninit();
            let status = libc::pthread_attr_init(attributes.as_mut_ptr());
            if status != 0 {
                return Err(io::Error::from_raw_os_error(status));
            }
            libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), stack);
            let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            let created =
                libc::pthread_create(thread.as_mut_ptr(), attributes.as_ptr(), run, argument);
            libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
            if created != 0 {
                return Err(io::Error::from_raw_os_error(created));
            }
            let thread = thread.assume_init();
            #[cfg(target_os = "linux")]
            libc::pthread_setname_np(thread, name.as_ptr());
            Ok(Thread { thread, _body: body })
        }
    }
}

/// Blocks all signals in the calling thread: nbdkit handles them.
#[cfg(feature = "tokio")]
pub(super) fn block_signals() {
    let mut all = MaybeUninit::uninit();
    // SAFETY: the set is initialised before it is used; the mask belongs to this thread.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut());
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: the thread was started once, and is joined once.
        unsafe { libc::pthread_join(self.thread, ptr::null_mut()) };
    }
}

extern "C" fn run(argument: *mut c_void) -> *mut c_void {
    // SAFETY: `start` passed this pointer, and leaves the body alone until this thread has been
    // joined.
    let body = unsafe { &mut *argument.cast::<Body>() };
    // Nobody is waiting for the result, and the server goes on without the thread.
    let _ = catch_unwind(AssertUnwindSafe(body));
    ptr::null_mut()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_thread_runs_once_and_is_waited_for() {
        let ran = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&ran);
        let thread = Thread::start(c"test", 128 << 10, move || {
            std::thread::sleep(std::time::Duration::from_millis(5));
            seen.fetch_add(1, Ordering::Relaxed);
        });
        drop(thread.unwrap());
        assert_eq!(ran.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_panic_ends_only_the_thread() {
        drop(Thread::start(c"test", 128 << 10, || panic!("gone")).unwrap());
    }
}
