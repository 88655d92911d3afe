//! The end of the server, and of a client's connection.

use std::ffi::c_int;
use std::io::PipeReader;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::descriptors;
use super::functions::nbdkit_nanosleep;

/// Whether nbdkit serves. Before, it has not made what ends a sleep or the server early, and aborts
/// when it is asked to.
static SERVES: AtomicBool = AtomicBool::new(false);

/// nbdkit has called `load`. A program that tests plugins may have served another one before.
pub(crate) fn at_load() {
    SERVES.store(false, Ordering::Relaxed);
    descriptors::at_load();
}

/// nbdkit has called `after_fork`.
pub(crate) fn serves_now() {
    descriptors::find();
    SERVES.store(true, Ordering::Relaxed);
}

/// Whether nbdkit has called `after_fork`.
pub(super) fn serves() -> bool {
    SERVES.load(Ordering::Relaxed)
}

/// Whether there is no point in going on: the server is ending, or the client whose callback this
/// is has gone. A callback that takes long asks this now and then, and fails.
///
/// It is a system call or two. May be called from any thread; one that runs no callback of a
/// connection is told of the server only. Where it is a client that has gone, nbdkit logs that.
///
/// ```no_run
/// use nbdkit_script::{Error, Result, host};
///
/// fn wait_for(ready: impl Fn() -> bool) -> Result<()> {
///     while !ready() {
///         if host::ending() {
///             return Err(Error::new(libc::ESHUTDOWN, "nobody waits for this any more"));
///         }
///         std::thread::sleep(std::time::Duration::from_millis(10));
///     }
///     Ok(())
/// }
/// ```
pub fn ending() -> bool {
    server_is_ending() || client_is_gone()
}

fn server_is_ending() -> bool {
    descriptors::quit().is_some_and(|quit| readable([quit], Some(Duration::ZERO))[0])
}

/// Whether the client whose callback runs on this thread has gone, or the server is ending.
///
/// nbdkit tells by ending a sleep early, and in no other way.
pub(crate) fn client_is_gone() -> bool {
    // SAFETY: takes any numbers; may be called from any thread once nbdkit serves.
    serves() && nbdkit_nanosleep.get().is_some_and(|sleep| unsafe { sleep(0, 0) } != 0)
}

/// What [`wait`] has waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The server is ending.
    Ending,
    /// The other end of `stop` is closed.
    Stop,
    /// The time is over.
    TimeOut,
}

/// How long one sleep is where nothing but the end of a sleep tells of the server's.
const SLEEP: Duration = Duration::from_millis(250);

/// Waits for the end of the server, until the other end of `stop` is closed.
pub(crate) fn wait_for_end(stop: &PipeReader, time: Option<Duration>) -> Event {
    let Some(quit) = descriptors::quit() else {
        return wait_without_pipe(stop, time);
    };
    match readable([stop.as_raw_fd(), quit], time) {
        [true, _] => Event::Stop,
        [false, true] => Event::Ending,
        [false, false] => Event::TimeOut,
    }
}

/// Waits until the other end of `stop` is closed.
pub(crate) fn wait_for_stop(stop: &PipeReader, time: Duration) -> Event {
    match readable([stop.as_raw_fd()], Some(time)) {
        [true] => Event::Stop,
        [false] => Event::TimeOut,
    }
}

/// The same where nbdkit's pipe was not found, as on a system without `/proc`. nbdkit logs it if a
/// sleep is cut short.
fn wait_without_pipe(stop: &PipeReader, time: Option<Duration>) -> Event {
    let mut left = time.unwrap_or(Duration::MAX);
    loop {
        if readable([stop.as_raw_fd()], Some(Duration::ZERO))[0] {
            return Event::Stop;
        }
        let now = left.min(SLEEP);
        let slept = nbdkit_nanosleep.get().map(|sleep| {
            // SAFETY: as in `client_is_gone`.
            unsafe { sleep(0, now.subsec_nanos()) }
        });
        match slept {
            Some(0) => {}
            Some(_) => return Event::Ending,
            None => std::thread::sleep(now),
        }
        left -= now;
        if left.is_zero() {
            return Event::TimeOut;
        }
    }
}

/// Which of these can be read, or are at their end, as soon as one of them is. No time is for good.
fn readable<const N: usize>(descriptors: [RawFd; N], time: Option<Duration>) -> [bool; N] {
    let mut polled = descriptors.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // Rounded up: a wait of no time at all would be done again and again.
    let milliseconds = time.map(|time| time.as_nanos().div_ceil(1_000_000));
    let milliseconds = milliseconds.map_or(-1, |time| c_int::try_from(time).unwrap_or(c_int::MAX));
    // SAFETY: takes this many descriptors, with any numbers. That it fails, as over a signal, is as
    // if the time were over.
    unsafe { libc::poll(polled.as_mut_ptr(), N as libc::nfds_t, milliseconds) };
    polled.map(|polled| polled.revents != 0)
}

#[cfg(test)]
mod tests {
    use std::io::pipe;

    use super::*;

    #[test]
    fn a_pipe_can_be_read_when_its_other_end_is_closed() {
        let (reader, writer) = pipe().unwrap();
        // Longer than a sleep where nbdkit is not here.
        let time = SLEEP + Duration::from_millis(1);
        assert_eq!(wait_for_end(&reader, Some(time)), Event::TimeOut);
        assert_eq!(wait_for_stop(&reader, Duration::ZERO), Event::TimeOut);
        drop(writer);
        assert_eq!(wait_for_stop(&reader, Duration::from_secs(60)), Event::Stop);
        // nbdkit is not here.
        assert_eq!(wait_for_end(&reader, None), Event::Stop);
        assert!(!ending());
    }
}
