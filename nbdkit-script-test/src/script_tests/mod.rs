//! The program `nbdkit-script-test`: tests of scripts, which are functions in the script's own
//! language.
//!
//! This process loads no plugin: each test has a process of its own, with a disk that starts anew.
//! So a test that crashes or does not end is a test that has failed, and no more.

mod answers;
mod child;
mod command_line;
mod output;
mod plugins;
mod process;
mod report;
mod suite;
mod watch;

use std::process::ExitCode;

use command_line::{Command, Role};

/// Could not begin.
const NOT_BEGUN: u8 = 2;

/// Runs the program.
pub fn main() -> ExitCode {
    let words = std::env::args_os().skip(1).collect();
    let mut command = match Command::parse(words) {
        Ok(Role::Print(text)) => {
            output::print(text);
            return ExitCode::SUCCESS;
        }
        Ok(Role::Child(command, job)) => return child::run(&command, &job),
        Ok(Role::Tests(command)) => command,
        Err(message) => return refuse(&message),
    };
    if let Err(message) = plugins::find(&mut command) {
        return refuse(&message);
    }
    if command.watch {
        watch::forever(&command);
    }
    match suite::run(&command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => refuse(&message),
    }
}

fn refuse(message: &str) -> ExitCode {
    output::complain(message);
    ExitCode::from(NOT_BEGUN)
}
