//! The child process: lists tests, or runs one.

use std::ffi::OsStr;
use std::fs::File;
use std::io::stdin;
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::mpsc;
use std::thread;

use nbdkit_script::__private::{Job as Wanted, Testing, Told};

use super::answers::{self, Asked};
use super::command_line::{Command, Job};
use super::report::{self, About, tell};
use crate::library::{Library, Tests};
use crate::nbdkit::Nbdkit;
use crate::plugin::key_and_value;
use crate::symbols::answer_by;
use crate::system;

/// Runs the child. It has reported everything to its parent when this returns.
pub(super) fn run(command: &Command, job: &Job) -> ExitCode {
    system::end_with_parent();
    let Ok(parent) = stdin().as_fd().try_clone_to_owned() else { return ExitCode::FAILURE };
    report::to(File::from(parent));
    system::close_stdin();
    let result = match job {
        Job::List => list(command),
        Job::Run(name) => test(command, name),
    };
    if let Err(message) = result {
        tell(About::Refused, &message);
    }
    ExitCode::SUCCESS
}

/// Has the plugin's library do a job. Passes on what it tells us, and returns its failure.
fn ask(tests: Tests, command: &Command, job: Wanted, test: &str) -> Result<(), String> {
    let file = command.tests();
    let mut failure = None;
    let mut hear = |told, text: &str| match told {
        Told::Callback => tell(About::Defines, text),
        Told::Test => tell(About::Test, text),
        Told::Failure => failure = Some(text.to_string()),
    };
    let mut listener: &mut dyn FnMut(Told, &str) = &mut hear;
    let done = tests(&Testing::new(job, &file, test, Some(command.time_limit), &mut listener));
    match failure {
        None if done == 0 => Ok(()),
        failure => Err(failure.unwrap_or_default()),
    }
}

fn no_tests(command: &Command) -> String {
    format!(
        "{}: found a plugin without tests, expected one of nbdkit-script",
        command.plugin.display()
    )
}

fn list(command: &Command) -> Result<(), String> {
    let (library, _) = Library::load(&command.plugin).map_err(|failure| failure.to_string())?;
    let tests = library.tests().ok_or_else(|| no_tests(command))?;
    ask(tests, command, Wanted::List, "")?;
    tell(About::Passed, "");
    Ok(())
}

/// The disk and its client belong to this thread. The test runs on its own thread and sends its
/// questions here, so the disk never shares a thread with the test.
fn test(command: &Command, name: &str) -> Result<(), String> {
    let disk = start(command)?;
    let tests = disk.tests().ok_or_else(|| no_tests(command))?;
    ask(tests, command, Wanted::Callbacks, "")?;
    let (sender, questions) = mpsc::channel::<Asked>();
    let result = thread::scope(|scope| {
        let test = scope.spawn(move || {
            answer_by(answers::by(sender));
            ask(tests, command, Wanted::Run, name)
        });
        let mut client = None;
        for asked in questions {
            asked.answer(&disk, &mut client);
        }
        drop(client);
        test.join().unwrap_or_else(|_| Err("internal error: the test's thread panicked".into()))
    });
    drop(disk);
    match result {
        Ok(()) => tell(About::Passed, ""),
        Err(message) => tell(About::Failed, &message),
    }
    Ok(())
}

/// Starts the disk with its parameters.
fn start(command: &Command) -> Result<Nbdkit, String> {
    let mut disk = Nbdkit::load(&command.plugin).errors_at_once().watched_by(called);
    if command.verbose {
        disk = disk.verbose();
    }
    if command.readonly {
        disk = disk.readonly();
    }
    // If the user gives a time limit for the plugin, it comes later and overrides this one.
    disk = disk.config("time_limit", command.time_limit.as_secs_f64().to_string());
    for parameter in &command.in_front {
        if let Some((key, value)) = key_and_value(parameter) {
            disk = disk.config(key, value);
        }
    }
    disk = disk.config(OsStr::new("script"), &command.script);
    for parameter in &command.parameters {
        disk = disk.argument(parameter);
    }
    let does_not = |why: &str| format!("{} does not start: {why}", command.script.display());
    disk.ready().map_err(|failure| does_not(&failure.to_string()))
}

/// Reports a callback the first time that it is called.
fn called(name: &'static str) {
    static TOLD: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    let mut told = TOLD.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !told.contains(&name) {
        told.push(name);
        tell(About::Called, name);
    }
}
