//! The program `nbdkit-script-test`: runs the tests of a script, functions in the script's own
//! language.
//!
//! This process loads no plugin: each test has its own process, with a fresh disk. So if a test
//! crashes or does not end, just that test fails.

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

/// The exit status if no test could be run.
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
