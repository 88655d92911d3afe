//! Runs all tests of a file, one after the other, and prints the results.

use std::collections::BTreeSet;

use nbdkit_script::__private::one_line;

use super::command_line::{Command, Job};
use super::output::print;
use super::process::{self, Ended};
use super::report::About;

/// Callbacks that no test can lead to.
const NEVER_CALLED: [&str; 1] = ["dump_plugin"];

/// The callbacks that the script defines, and those that were called.
#[derive(Debug, Default)]
struct Coverage {
    /// nbdkit's names and the script's names, in the order of a plugin's life.
    defined: Vec<(String, String)>,
    called: BTreeSet<String>,
}

/// Runs the tests. Returns whether all have passed.
///
/// # Errors
/// If no test can be run.
pub(super) fn run(command: &Command) -> Result<bool, String> {
    command.check_files()?;
    let tests = list(command)?;
    let width = tests.iter().map(String::len).max().unwrap_or(0);
    let mut coverage = Coverage::default();
    let (mut passed, mut failed) = (0, 0);
    for test in &tests {
        let ended = process::run(command, &Job::Run(test.clone()))?;
        coverage.add(&ended);
        let crashed = ended.crashed(command.time_limit);
        // If the disk refuses to start for the first test, it will for all: they get the same
        // parameters.
        if let (None, Some(refused), 0) =
            (&crashed, ended.all(About::Refused).next(), passed + failed)
        {
            show(&ended, command, refused);
            return Err(refused.into());
        }
        let told = ended.all(About::Failed).chain(ended.all(About::Refused)).next();
        match crashed.or(told.map(String::from)) {
            None => {
                passed += 1;
                print(&format!("ok      {test}\n"));
            }
            Some(why) => {
                failed += 1;
                print(&format!("FAILED  {test:width$}  {}\n", one_line(&why)));
                show(&ended, command, "");
            }
        }
    }
    print(&format!("{passed} passed, {failed} failed\n{}\n", coverage.summary()));
    Ok(failed == 0)
}

/// The names of the tests to run.
fn list(command: &Command) -> Result<Vec<String>, String> {
    let file = command.tests();
    let ended = process::run(command, &Job::List)?;
    let refused = ended.all(About::Refused).next().map(String::from);
    let crashed = ended.crashed(command.time_limit);
    if let Some(why) = refused.or(crashed.map(|why| format!("{}: {why}", file.display()))) {
        show(&ended, command, &why);
        return Err(why);
    }
    let all: Vec<String> = ended.all(About::Test).map(String::from).collect();
    // A child could not be told such a name, or not find the test by it.
    let is_odd = |name: &&String| name.contains(|c: char| c.is_control() || c == LOST);
    if let Some(odd) = all.iter().find(is_odd) {
        let (file, odd) = (file.display(), one_line(odd));
        return Err(format!("{file}: found a test {odd}, expected a name of printable characters"));
    }
    if let Some(unknown) = command.only.iter().find(|name| !all.contains(*name)) {
        let all = if all.is_empty() { "some".into() } else { format!("one of {}", all.join(", ")) };
        return Err(format!("{}: found no test {unknown}, expected {all}", file.display()));
    }
    if all.is_empty() {
        let (script, beside) = (command.script.display(), command.beside());
        let beside_name = beside.display();
        return Err(match file == command.script {
            true => format!(
                "{script}: found no tests, expected functions test_* in {beside_name} or in the \
                 script itself"
            ),
            false => format!("{}: found no tests, expected functions test_*", file.display()),
        });
    }
    let is_wanted = |name: &String| command.only.is_empty() || command.only.contains(name);
    Ok(all.into_iter().filter(is_wanted).collect())
}

/// What stands for bytes that are not UTF-8.
const LOST: char = char::REPLACEMENT_CHARACTER;

/// Shows what a child has printed and logged, without what `said` already contains. With
/// `--verbose` the user has seen all of it.
fn show(ended: &Ended, command: &Command, said: &str) {
    if command.verbose {
        return;
    }
    let output = String::from_utf8_lossy(&ended.output);
    let is_new = |line: &&str| {
        let logged = line.strip_prefix("nbdkit: error: ");
        said.is_empty() || logged.is_none_or(|logged| !said.contains(logged))
    };
    print(&output.lines().filter(is_new).map(|line| format!("    {line}\n")).collect::<String>());
}

impl Coverage {
    fn add(&mut self, ended: &Ended) {
        if self.defined.is_empty() {
            let pairs = ended.all(About::Defines).filter_map(|text| text.split_once(' '));
            let counted = pairs.filter(|(name, _)| !NEVER_CALLED.contains(name));
            self.defined = counted.map(|(name, scripts)| (name.into(), scripts.into())).collect();
        }
        self.called.extend(ended.all(About::Called).map(String::from));
    }

    fn summary(&self) -> String {
        let missing: Vec<_> = self
            .defined
            .iter()
            .filter(|(name, _)| !self.called.contains(name))
            .map(|(_, scripts)| &**scripts)
            .collect();
        let count = self.defined.len();
        let covered = format!("callbacks covered: {} of {count}", count - missing.len());
        if missing.is_empty() {
            covered
        } else {
            format!("{covered}; not called: {}", missing.join(", "))
        }
    }
}
