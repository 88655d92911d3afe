//! Runs the tests again when a file changes. Looks at the files twice a second, which works on
//! every file system.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

use super::command_line::Command;
use super::output::{complain, print};
use super::suite;

const PAUSE: Duration = Duration::from_millis(500);

/// Each file with its time of change and its length. If both are the same, so is the file.
type Seen = Vec<(PathBuf, Option<(SystemTime, u64)>)>;

/// Runs the tests until the user interrupts the program.
pub(super) fn forever(command: &Command) -> ! {
    loop {
        // Look before the run: a file that changes during it has to start the next one.
        let seen = look(command);
        if let Err(message) = suite::run(command) {
            complain(&message);
        }
        print(&format!("watching {}\n", list(&seen)));
        let changed = loop {
            thread::sleep(PAUSE);
            if let Some(changed) = difference(&seen, &look(command)) {
                break changed;
            }
        };
        print(&format!("\n{} has changed\n", changed.display()));
    }
}

/// A file that has changed, appeared or disappeared.
fn difference(before: &Seen, now: &Seen) -> Option<PathBuf> {
    let changed = now.iter().find(|file| !before.contains(file));
    let gone = || before.iter().find(|file| !now.contains(file));
    changed.or_else(gone).map(|(file, _)| file.clone())
}

fn files(command: &Command) -> Vec<PathBuf> {
    let mut files = vec![command.script.clone(), command.tests(), command.plugin.clone()];
    files.dedup();
    files
}

fn look(command: &Command) -> Seen {
    let seen = |file: PathBuf| {
        let about = file.metadata().ok();
        let about = about.and_then(|about| Some((about.modified().ok()?, about.len())));
        (file, about)
    };
    files(command).into_iter().map(seen).collect()
}

/// The files to show to the user: all but the plugin, which the user does not write.
fn list(seen: &Seen) -> String {
    let names: Vec<_> = seen.iter().map(|(file, _)| file.display().to_string()).collect();
    names[..names.len() - 1].join(" and ")
}
