//! The end of the server, and of a client's connection.

use std::ffi::c_int;
use std::io::PipeReader;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::callers;
use super::descriptors;
use super::functions::nbdkit_nanosleep;
use super::sockets;

/// Whether nbdkit serves. Earlier, nbdkit has not created the pipe that ends sleeps and the server,
/// and aborts if we call the functions that need it.
static SERVES: AtomicBool = AtomicBool::new(false);

/// Called in `load`. A program that tests plugins may have served another plugin before.
pub(crate) fn at_load() {
    SERVES.store(false, Ordering::Relaxed);
    descriptors::at_load();
    sockets::at_load();
    callers::at_load();
}

/// Call this in `after_fork`, before anything else.
pub(crate) fn serves_now() {
    sockets::add_listeners(&descriptors::find_pipe());
    SERVES.store(true, Ordering::Relaxed);
}

/// Whether nbdkit has called `after_fork`.
pub(super) fn serves() -> bool {
    SERVES.load(Ordering::Relaxed)
}

/// Whether there is no point in going on: the server is ending, or the client of this callback has
/// gone. A callback that takes long should check this now and then, and fail.
///
/// Costs a system call or two. May be called from any thread; outside a connection's callbacks, it
/// only notices the end of the server. When a client has gone, nbdkit logs that.
///
/// ```no_run
/// use nbdkit_script::{Error, Result, errno, host};
///
/// fn wait_for(ready: impl Fn() -> bool) -> Result<()> {
///     while !ready() {
///         if host::ending() {
///             return Err(Error::new(errno::ESHUTDOWN, "nobody waits for this any more"));
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

/// Whether the client of the callback on this thread has gone, or the server is ending.
///
/// nbdkit only reveals this by ending a sleep early.
pub(crate) fn client_is_gone() -> bool {
    // SAFETY: takes any numbers; may be called from any thread once nbdkit serves.
    serves() && nbdkit_nanosleep.get().is_some_and(|sleep| unsafe { sleep(0, 0) } != 0)
}

/// Why a wait has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The server is ending.
    Ending,
    /// The other end of `stop` is closed.
    Stop,
    /// The time is up.
    TimeOut,
}

/// How long each sleep lasts where only an ended sleep reveals the end of the server.
const SLEEP: Duration = Duration::from_millis(250);

/// Waits until the server is ending, the other end of `stop` is closed, or the time is up. Without
/// a time, waits for ever.
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

/// Waits until the other end of `stop` is closed, or the time is up.
pub(crate) fn wait_for_stop(stop: &PipeReader, time: Duration) -> Event {
    match readable([stop.as_raw_fd()], Some(time)) {
        [true] => Event::Stop,
        [false] => Event::TimeOut,
    }
}

/// Does the work of [`wait_for_end`] where we have not found nbdkit's pipe, for example without
/// `/proc`. nbdkit logs each sleep that it ends early.
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

/// Waits until a descriptor is readable or at its end, and returns which ones are. Without a time,
/// waits for ever.
fn readable<const N: usize>(descriptors: [RawFd; N], time: Option<Duration>) -> [bool; N] {
    let mut polled = descriptors.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    // Rounded up: waiting for zero milliseconds would make the caller spin.
    let milliseconds = time.map(|time| time.as_nanos().div_ceil(1_000_000));
    let milliseconds = milliseconds.map_or(-1, |time| c_int::try_from(time).unwrap_or(c_int::MAX));
    // SAFETY: takes this many descriptors, with any numbers. If it fails, for example because of a
    // signal, no `revents` is set, as if the time were up.
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
        // Longer than one sleep, which is how we wait without nbdkit.
        let time = SLEEP + Duration::from_millis(1);
        assert_eq!(wait_for_end(&reader, Some(time)), Event::TimeOut);
        assert_eq!(wait_for_stop(&reader, Duration::ZERO), Event::TimeOut);
        drop(writer);
        assert_eq!(wait_for_stop(&reader, Duration::from_secs(60)), Event::Stop);
        // Without nbdkit, `wait_for_end` falls back to sleeps.
        assert_eq!(wait_for_end(&reader, None), Event::Stop);
        assert!(!ending());
    }
}
