//! Measures nbdkit plugins inside one process: it loads a plugin's `.so` as nbdkit does, is all
//! that nbdkit is to a plugin, and calls it, with no client and no socket in between. What is left
//! is what the plugin itself costs.
#![forbid(unsafe_code)]

mod arguments;
mod compare;
mod json;
mod machine;
mod operation;
mod soak;
mod time;

use std::process::ExitCode;

use arguments::{Command, Options};

fn main() -> ExitCode {
    let command = match arguments::parse(std::env::args().skip(1)) {
        Ok(command) => command,
        Err(message) => {
            eprintln!("bench-host: {message}");
            return ExitCode::from(2);
        }
    };
    let result = match &command {
        Command::Time(options, variant) => with(options, || time::run(options, variant)),
        Command::Compare(options, variants) => with(options, || compare::run(options, variants)),
        Command::Soak(options, variant) => with(options, || soak::run(options, variant)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-host: error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn with<T>(options: &Options, run: impl FnOnce() -> T) -> T {
    if options.verbose {
        nbdkit_script_test::bare::set_verbose(true);
    }
    run()
}
