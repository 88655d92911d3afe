//! The process's file descriptors. They reveal the pipe through which nbdkit tells itself to end,
//! and [the sockets of its clients](super::sockets). nbdkit has no function for either.
//!
//! nbdkit creates the pipe and its listening sockets between `get_ready` and `after_fork`, and
//! nothing else happens in between. So they are the descriptors that are new in `after_fork`.

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};

/// A descriptor and its file: the numbers of closed descriptors are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Descriptor {
    pub(super) number: RawFd,
    pub(super) file: (libc::dev_t, libc::ino_t),
    pub(super) kind: libc::mode_t,
}

/// What was open at the end of `get_ready`.
static BEFORE: Mutex<BTreeSet<Descriptor>> = Mutex::new(BTreeSet::new());

/// The end of nbdkit's pipe that becomes readable when the server has to end.
static QUIT: AtomicI32 = AtomicI32::new(NONE);

/// Stands for no descriptor.
const NONE: RawFd = -1;

fn before() -> std::sync::MutexGuard<'static, BTreeSet<Descriptor>> {
    BEFORE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets the pipe of an earlier server of this process.
pub(super) fn at_load() {
    QUIT.store(NONE, Ordering::Relaxed);
}

/// Records what is open at the end of `get_ready`.
pub(crate) fn before_serving() {
    *before() = open();
}

/// Returns what nbdkit has created since, and finds its pipe there. Called before anything else in
/// `after_fork`.
pub(super) fn find_pipe() -> BTreeSet<Descriptor> {
    let new: BTreeSet<_> = open().difference(&before()).copied().collect();
    QUIT.store(only_pipe(&new).unwrap_or(NONE), Ordering::Relaxed);
    new
}

/// The end of nbdkit's pipe that becomes readable when the server has to end, if we found it.
pub(super) fn quit() -> Option<RawFd> {
    Some(QUIT.load(Ordering::Relaxed)).filter(|quit| *quit != NONE)
}

/// All descriptors of the process.
pub(super) fn open() -> BTreeSet<Descriptor> {
    let directory = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    let names = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let numbers = names.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.filter_map(descriptor).collect()
}

pub(super) fn descriptor(number: RawFd) -> Option<Descriptor> {
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: takes any number and room for the result, for which zeroes are valid.
    let status = unsafe {
        if libc::fstat(number, status.as_mut_ptr()) != 0 {
            return None;
        }
        status.assume_init()
    };
    let file = (status.st_dev, status.st_ino);
    Some(Descriptor { number, file, kind: status.st_mode & libc::S_IFMT })
}

/// The reading end of the only pipe with both ends in this set.
fn only_pipe(descriptors: &BTreeSet<Descriptor>) -> Option<RawFd> {
    let pipes = descriptors.iter().filter(|descriptor| descriptor.kind == libc::S_IFIFO);
    let pipes: Vec<_> = pipes.map(|pipe| (pipe, access(pipe.number))).collect();
    let mut both = pipes.iter().filter(|(pipe, access)| {
        *access == libc::O_RDONLY
            && pipes
                .iter()
                .any(|(other, access)| other.file == pipe.file && *access == libc::O_WRONLY)
    });
    match (both.next(), both.next()) {
        (Some((pipe, _)), None) => Some(pipe.number),
        _ => None,
    }
}

/// The access mode: reading, writing, or both.
fn access(number: RawFd) -> libc::c_int {
    // SAFETY: takes any number.
    unsafe { libc::fcntl(number, libc::F_GETFL) & libc::O_ACCMODE }
}

#[cfg(test)]
mod tests {
    use std::io::pipe;
    use std::os::fd::AsRawFd;

    use super::*;

    fn of(number: RawFd) -> Descriptor {
        descriptor(number).unwrap()
    }

    #[test]
    fn a_pipe_is_found_if_both_ends_are_open_and_it_is_the_only_one() {
        let (reader, writer) = pipe().unwrap();
        let both = BTreeSet::from([of(reader.as_raw_fd()), of(writer.as_raw_fd())]);
        assert!(both.is_subset(&open()));
        assert_eq!(only_pipe(&both), Some(reader.as_raw_fd()));
        assert_eq!(only_pipe(&BTreeSet::from([of(reader.as_raw_fd())])), None);
        let (other_reader, other_writer) = pipe().unwrap();
        let others = [of(other_reader.as_raw_fd()), of(other_writer.as_raw_fd())];
        assert_eq!(only_pipe(&both.into_iter().chain(others).collect()), None);
    }
}
