//! Runs a child: another process of this program, for one test.

use std::io::{PipeReader, Read, pipe};
use std::os::unix::process::ExitStatusExt;
use std::process::{self, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use super::command_line::{Command, Job};
use super::output;
use super::report::{self, About};

/// This program, even if its file has been replaced.
const PROGRAM: &str = "/proc/self/exe";

/// How much of a test's output we keep, in bytes.
const MOST_OUTPUT: usize = 64 << 10;

/// How long we wait for output after a child has ended: it may have left behind a process that
/// keeps the pipe open.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// The result of a child.
#[derive(Debug)]
pub(super) struct Ended {
    /// What the child has reported.
    pub(super) told: Vec<(About, String)>,
    /// What the child has printed and logged.
    pub(super) output: Vec<u8>,
    /// `None` if we had to kill the child.
    status: Option<ExitStatus>,
}

/// Runs a child, and waits for its end.
///
/// # Errors
/// If the process cannot be started.
pub(super) fn run(command: &Command, job: &Job) -> Result<Ended, String> {
    let failed = |error: std::io::Error| format!("cannot start a process for a test: {error}");
    let (report, to_report) = pipe().map_err(failed)?;
    let (printed, to_print) = pipe().map_err(failed)?;
    let mut child = process::Command::new(PROGRAM);
    // The child reports through its standard input, which no test uses.
    child.args(command.for_child(job)).stdin(Stdio::from(to_report));
    child.stdout(to_print.try_clone().map_err(failed)?).stderr(to_print);
    let mut started = child.spawn().map_err(failed)?;
    // Closes our copies of the pipes' writing ends; otherwise we would never see end of file.
    drop(child);

    let told = told_by(report);
    let printed = printed_by(printed, command.verbose);
    // Callbacks and tests are interrupted after the time limit. This deadline is for those that
    // cannot be interrupted.
    let end = Instant::now() + command.time_limit * 2 + Duration::from_secs(2);
    let mut lines = Vec::new();
    let status = loop {
        match told.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => lines.push(line),
            Err(RecvTimeoutError::Disconnected) => break wait(&mut started, end),
            Err(RecvTimeoutError::Timeout) => break None,
        }
    };
    if status.is_none() {
        let _ = started.kill();
        let _ = started.wait();
        lines.extend(told.try_iter());
    }
    let mut output = Vec::new();
    // A process that the test left behind may go on printing.
    let end = Instant::now() + LAST_OUTPUT;
    while let Ok(more) = printed.recv_timeout(end.saturating_duration_since(Instant::now())) {
        output.extend(more);
    }
    Ok(Ended { told: lines, output, status })
}

/// Waits for a process that has closed its files, but may still take long to end.
fn wait(child: &mut process::Child, end: Instant) -> Option<ExitStatus> {
    while Instant::now() < end {
        match child.try_wait() {
            Ok(None) => thread::sleep(Duration::from_millis(2)),
            Ok(status) => return status,
            Err(_) => return None,
        }
    }
    None
}

fn told_by(report: PipeReader) -> Receiver<(About, String)> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        report::hear(report, |about, text| {
            let _ = sender.send((about, text));
        });
    });
    receiver
}

/// Reads the child's output on a thread, shows it at once if `shown`, and sends the first
/// [`MOST_OUTPUT`] bytes on.
fn printed_by(mut printed: PipeReader, shown: bool) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut left = MOST_OUTPUT;
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = printed.read(&mut buffer) {
            let read = &buffer[..count];
            if shown {
                output::print(&String::from_utf8_lossy(read));
            }
            let kept = &read[..count.min(left)];
            left -= kept.len();
            if !kept.is_empty() {
                let _ = sender.send(kept.to_vec());
            }
        }
    });
    receiver
}

impl Ended {
    /// Everything that the child has reported of one kind.
    pub(super) fn all(&self, about: About) -> impl Iterator<Item = &str> {
        self.told.iter().filter(move |(known, _)| *known == about).map(|(_, text)| &**text)
    }

    /// The failure of the process itself, if it crashed or did not end.
    pub(super) fn crashed(&self, time_limit: Duration) -> Option<String> {
        let seconds = time_limit.as_secs_f64();
        let Some(status) = self.status else {
            return Some(format!("does not end: it could not be interrupted after {seconds} s"));
        };
        if let Some(signal) = status.signal() {
            return Some(format!("its process was ended by signal {signal} ({})", name_of(signal)));
        }
        let has_verdict = self
            .told
            .iter()
            .any(|(about, _)| [About::Passed, About::Failed, About::Refused].contains(about));
        match status.code() {
            Some(0) if has_verdict => None,
            code => Some(format!("its process ended with exit status {}", code.unwrap_or(-1))),
        }
    }
}

fn name_of(signal: i32) -> &'static str {
    match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL",
        libc::SIGINT => "SIGINT",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGTERM => "SIGTERM",
        _ => "see signal(7)",
    }
}
