//! Calls into the C library, as opposed to nbdkit.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr::{self, NonNull};
use std::sync::Once;

use libc::c_void;
use rustix::ioctl::{Opcode, Setter, ioctl, opcode};

/// A reserved range of addresses without memory behind it.
#[derive(Debug)]
pub(crate) struct AddressSpace {
    start: NonNull<c_void>,
    length: usize,
}

// SAFETY: nobody reads or writes these addresses, and any thread may unmap them.
unsafe impl Send for AddressSpace {}

impl AddressSpace {
    /// Reserves this many bytes, if the process's limit allows.
    pub(crate) fn take(length: usize) -> Option<Self> {
        // SAFETY: a new mapping, which affects no other.
        let start = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
            libc::mmap(ptr::null_mut(), length, libc::PROT_NONE, flags, -1, 0)
        };
        if start == libc::MAP_FAILED {
            return None;
        }
        NonNull::new(start).map(|start| AddressSpace { start, length })
    }
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        // SAFETY: `take` made this mapping, and nothing refers to it.
        unsafe { libc::munmap(self.start.as_ptr(), self.length) };
    }
}

/// If the process's address space is limited, makes all threads allocate from one arena. Otherwise
/// the C library reserves 64 MiB of addresses for each thread, and if it cannot get them, asks the
/// system for each block that the thread allocates.
pub(crate) fn spare_addresses() {
    #[cfg(target_env = "gnu")]
    // SAFETY: getrlimit fills the structure it is given; mallopt may be called from any thread.
    unsafe {
        let mut limit = std::mem::zeroed::<libc::rlimit>();
        if libc::getrlimit(libc::RLIMIT_AS, &mut limit) == 0
            && limit.rlim_cur != libc::RLIM_INFINITY
        {
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
    }
}

/// Returns freed memory to the system, where the C library would keep it.
pub(crate) fn give_memory_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: may be called from any thread at any time.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// The number of the processor that this runs on. It is a hint: the thread may have moved to
/// another one by the time the caller uses it. 0 if the system does not say.
#[inline]
pub(crate) fn processor() -> usize {
    #[cfg(target_os = "linux")]
    // SAFETY: takes nothing; may be called from any thread at any time.
    let number = unsafe { libc::sched_getcpu() };
    #[cfg(not(target_os = "linux"))]
    let number = 0;
    usize::try_from(number).unwrap_or(0)
}

/// How a file is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hold {
    None,
    Shared,
    Exclusive,
}

/// Locks a whole file for an open file description, in place of the lock that it has; does not
/// wait. rustix has only the locks of processes.
pub(crate) fn lock_file(file: impl AsFd, hold: Hold) -> io::Result<()> {
    let kind = match hold {
        Hold::None => libc::F_UNLCK,
        Hold::Shared => libc::F_RDLCK,
        Hold::Exclusive => libc::F_WRLCK,
    };
    // SAFETY: a structure of numbers, which the function reads; all zero, it is for a whole file.
    let locked = unsafe {
        let mut lock: libc::flock = std::mem::zeroed();
        lock.l_type = kind as _;
        libc::fcntl(file.as_fd().as_raw_fd(), libc::F_OFD_SETLK, &lock)
    };
    if locked == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes a range of a block device zero, in whole sectors.
pub(crate) fn zero_out(device: impl AsFd, offset: u64, count: u64) -> rustix::io::Result<()> {
    const BLKZEROOUT: Opcode = opcode::none(0x12, 127);
    // SAFETY: this request reads two numbers of 64 bits.
    unsafe { ioctl(device, Setter::<BLKZEROOUT, [u64; 2]>::new([offset, count])) }
}

/// Tells a block device that nobody needs a range any more, in whole sectors.
pub(crate) fn discard(device: impl AsFd, offset: u64, count: u64) -> rustix::io::Result<()> {
    const BLKDISCARD: Opcode = opcode::none(0x12, 119);
    // SAFETY: this request reads two numbers of 64 bits.
    unsafe { ioctl(device, Setter::<BLKDISCARD, [u64; 2]>::new([offset, count])) }
}

/// A write past the limit for the size of files (`ulimit -f`) is an error, and does not end the
/// process by a signal. A handler that somebody else has for it stays.
pub(crate) fn survive_large_files() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: fills the structure that it is given; to ignore a signal runs nothing.
        unsafe {
            let mut there: libc::sigaction = std::mem::zeroed();
            if libc::sigaction(libc::SIGXFSZ, ptr::null(), &mut there) == 0
                && there.sa_sigaction == libc::SIG_DFL
            {
                libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            }
        }
    });
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_kept_on_a_processor_sees_its_number() {
        // SAFETY: all zeroes is the empty set of processors, and the functions take a set and its
        // size.
        unsafe {
            let mut allowed: libc::cpu_set_t = std::mem::zeroed();
            assert_eq!(libc::sched_getaffinity(0, size_of_val(&allowed), &mut allowed), 0);
            for number in (0..libc::CPU_SETSIZE as usize).filter(|n| libc::CPU_ISSET(*n, &allowed))
            {
                let seen = std::thread::spawn(move || {
                    let mut one: libc::cpu_set_t = std::mem::zeroed();
                    libc::CPU_SET(number, &mut one);
                    assert_eq!(libc::sched_setaffinity(0, size_of_val(&one), &one), 0);
                    processor()
                });
                assert_eq!(seen.join().unwrap(), number);
            }
        }
    }
}
