//! What is asked of the C library, not of nbdkit.

/// Gives memory that was freed back to the system, where the C library would keep it.
pub(crate) fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: may be called from any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The number of the processor that this runs on: a hint, for it may run on another one by the time
/// that the caller has it. 0 where the system does not say.
#[inline]
pub(crate) fn processor() -> usize {
    #[cfg(target_os = "linux")]
    // SAFETY: takes nothing; may be called from any thread at any time.
    let number = unsafe { libc::sched_getcpu() };
    #[cfg(not(target_os = "linux"))]
    let number = 0;
    usize::try_from(number).unwrap_or(0)
}
