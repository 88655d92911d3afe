//! The command line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use crate::plugin::key_and_value;

const HELP: &str = "\
usage: nbdkit-script-test [OPTION...] SCRIPT [KEY=VALUE...]

Runs the tests of a disk written in a script: the functions test_* in SCRIPT_test.EXTENSION beside
it or, without such a file, in the script itself. Each test gets a client of a new disk, started
with these parameters. Parameters of the plugin, such as interpreters=1, come before SCRIPT.

  --tests=FILE          the test file
  --only=NAME           only this test; may be given several times
  --plugin=FILE         the plugin; by default, the script's extension decides
  --time-limit=SECONDS  how long a callback or a test may take (default: 10)
  -r, --readonly        clients may only read
  -v, --verbose         shows what each test and its disk print and log, debug messages too
  --watch               runs the tests again when a file has changed
  --help, --version

The exit status is 0 if all tests pass, 1 if one fails, and 2 if none could be run.
";

/// The limit without `--time-limit`. That option takes plain seconds, without nbdkit's units.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// What to test, and how.
#[derive(Debug, Default)]
pub(super) struct Command {
    pub(super) script: PathBuf,
    /// The parameters before the script: `key=value`.
    pub(super) in_front: Vec<OsString>,
    /// The parameters after the script.
    pub(super) parameters: Vec<OsString>,
    /// The test file that the user has named, if any.
    tests: Option<PathBuf>,
    /// The tests to run; if this is empty, all of them.
    pub(super) only: Vec<String>,
    pub(super) plugin: PathBuf,
    pub(super) time_limit: Duration,
    pub(super) readonly: bool,
    pub(super) verbose: bool,
    pub(super) watch: bool,
}

/// The task of a process of this program.
#[derive(Debug)]
pub(super) enum Role {
    Print(&'static str),
    Tests(Command),
    Child(Command, Job),
}

/// The task of a child.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Job {
    List,
    Run(String),
}

impl Command {
    /// Parses the words after the program's name.
    pub(super) fn parse(words: Vec<OsString>) -> Result<Role, String> {
        let mut command = Command { time_limit: TIME_LIMIT, ..Command::default() };
        let (mut script, mut job) = (None, None);
        let mut words = words.into_iter();
        let mut are_options = true;
        while let Some(word) = words.next() {
            if are_options && word == "--" {
                are_options = false;
            } else if are_options && word.as_bytes().starts_with(b"-") && word != "-" {
                match word.to_str() {
                    Some("--help" | "-h") => return Ok(Role::Print(HELP)),
                    Some("--version") => return Ok(Role::Print(VERSION)),
                    _ => command.take(&word, &mut words, &mut job)?,
                }
            } else if script.is_some() {
                command.parameters.push(word);
            } else if let Some((key, value)) = key_and_value(&word) {
                if key == "script" {
                    script = Some(PathBuf::from(value));
                } else {
                    command.in_front.push(word);
                }
            } else {
                script = Some(PathBuf::from(word));
            }
        }
        command.script =
            script.ok_or("no script was given: expected SCRIPT [KEY=VALUE...], or --help")?;
        Ok(match job {
            Some(job) => Role::Child(command, job),
            None => Role::Tests(command),
        })
    }

    /// The test file: the one beside the script, or else the script itself. Asked each time, since
    /// with `--watch` the user may create the file later.
    pub(super) fn tests(&self) -> PathBuf {
        match &self.tests {
            Some(tests) => tests.clone(),
            None => Some(self.beside()).filter(|file| file.exists()).unwrap_or(self.script.clone()),
        }
    }

    /// `disk_test.lua` for `disk.lua`.
    pub(super) fn beside(&self) -> PathBuf {
        let mut name = self.script.file_stem().unwrap_or_default().to_owned();
        name.push("_test");
        if let Some(extension) = self.script.extension() {
            name.push(".");
            name.push(extension);
        }
        self.script.with_file_name(name)
    }

    /// Checks that the files we need exist.
    ///
    /// # Errors
    /// Names a file that is missing.
    pub(super) fn check_files(&self) -> Result<(), String> {
        for file in [&self.script, &self.tests(), &self.plugin] {
            let about = file.metadata().map_err(|error| {
                format!("{}: {}", file.display(), nbdkit_script::Error::from(error))
            })?;
            if about.is_dir() {
                return Err(format!("{}: found a directory, expected a file", file.display()));
            }
        }
        Ok(())
    }

    /// The arguments that give a child the same command.
    pub(super) fn for_child(&self, job: &Job) -> Vec<OsString> {
        let option = |name: &str, value: &OsStr| {
            OsString::from_vec([name.as_bytes(), b"=", value.as_bytes()].concat())
        };
        let job = match job {
            Job::List => option("--child", OsStr::new("")),
            Job::Run(name) => option("--child", OsStr::new(name)),
        };
        let time = self.time_limit.as_secs_f64().to_string();
        let mut words = vec![
            job,
            option("--tests", self.tests().as_os_str()),
            option("--plugin", self.plugin.as_os_str()),
            option("--time-limit", OsStr::new(&time)),
        ];
        words.extend(self.readonly.then(|| "--readonly".into()));
        words.extend(self.verbose.then(|| "--verbose".into()));
        words.push("--".into());
        words.extend_from_slice(&self.in_front);
        words.push(option("script", self.script.as_os_str()));
        words.extend_from_slice(&self.parameters);
        words
    }

    /// Takes an option, and its value from the same word or from the next one.
    fn take(
        &mut self,
        word: &OsStr,
        words: &mut impl Iterator<Item = OsString>,
        job: &mut Option<Job>,
    ) -> Result<(), String> {
        let mut parts = word.as_bytes().splitn(2, |byte| *byte == b'=');
        let name = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        let joined = parts.next().map(|value| OsStr::from_bytes(value).to_owned());
        let flag = match &*name {
            "-r" | "--readonly" => Some(&mut self.readonly),
            "-v" | "--verbose" => Some(&mut self.verbose),
            "--watch" => Some(&mut self.watch),
            _ => None,
        };
        if let Some(flag) = flag {
            *flag = true;
            return match joined {
                None => Ok(()),
                Some(_) => Err(format!("{}: expected no value", word.display())),
            };
        }
        if !["--tests", "--only", "--plugin", "--time-limit", "--child"].contains(&&*name) {
            return Err(format!("there is no option {name}: expected one of those in --help"));
        }
        let value = joined.or_else(|| words.next());
        let value = value.ok_or_else(|| format!("{name} has no value: expected {name}=VALUE"))?;
        if value.is_empty() && name != "--child" {
            return Err(format!("{name} has no value: expected {name}=VALUE"));
        }
        let text = value.to_string_lossy().into_owned();
        match &*name {
            "--tests" => self.tests = Some(value.into()),
            "--plugin" => self.plugin = value.into(),
            "--only" => self.only.push(text),
            "--time-limit" => self.time_limit = seconds(&text)?,
            _ => *job = Some(if text.is_empty() { Job::List } else { Job::Run(text) }),
        }
        Ok(())
    }
}

const VERSION: &str = concat!("nbdkit-script-test ", env!("CARGO_PKG_VERSION"), "\n");

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=1e6).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| {
        format!("--time-limit={text}: expected a number of seconds, such as 10 or 0.5")
    })
}
