//! Parameters in front of the script, for any language.

use std::ffi::{OsStr, OsString};
use std::slice;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::host;
use crate::interrupt::Limits;
use crate::parameters::{self, Declared, did_you_mean};

/// More instances than this must be a typo.
const MOST_INSTANCES: usize = 1024;

/// The parameter that names a script.
pub(super) const KEY: &str = "script";
const INSTANCES: &str = "interpreters";
const TIME_LIMIT: &str = "time_limit";
const MEMORY_LIMIT: &str = "memory_limit";

/// What there is for any language.
const COMMON: [Declared<'_>; 3] = [
    declared(
        INSTANCES,
        "<N>",
        &["How many run at once, where the script's thread model lets them."],
    ),
    declared(TIME_LIMIT, "<SECONDS>", &["How long a callback may run: 5, 0.5, 500ms, ..."]),
    declared(MEMORY_LIMIT, "<SIZE>", &["How much memory an interpreter may have: 64M, ..."]),
];

const fn declared<'a>(name: &'a str, value: &'a str, help: &'a [&'a str]) -> Declared<'a> {
    Declared { name, value, help, required: false, magic: false, default: None }
}

/// A language's own parameter, in front of the script:
/// [`Language::PARAMETERS`](super::Language::PARAMETERS).
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its key.
    pub name: &'static str,
    /// Its purpose, in one line for `nbdkit --help`.
    pub help: &'static str,
    /// Rejects a bad value: the error says what was expected.
    pub check: fn(&OsStr) -> Result<(), &'static str>,
}

/// The parameters that the user has given.
#[derive(Debug, Default)]
pub struct InFront {
    /// The number of instances.
    pub(super) instances: Option<usize>,
    pub(super) limits: Limits,
    /// The language's own parameters.
    pub(super) parameters: Vec<(&'static str, OsString)>,
}

impl InFront {
    /// Takes a parameter. Returns false if it is not one of these.
    ///
    /// # Errors
    /// `EINVAL` for a bad value. `no_memory_limit` says why a language has no memory limit.
    pub(super) fn take(
        &mut self,
        key: &str,
        value: &OsStr,
        own: &[Parameter],
        no_memory_limit: Option<&str>,
    ) -> Result<bool> {
        match key {
            INSTANCES => self.instances = Some(instances(value)?),
            TIME_LIMIT => self.limits.time = Some(time_limit(value)?),
            MEMORY_LIMIT => {
                if let Some(reason) = no_memory_limit {
                    return Err(Error::invalid(format!("{key}=: {reason}")));
                }
                self.limits.memory = Some(memory_limit(value)?);
            }
            _ => {
                let Some(parameter) = own.iter().find(|parameter| parameter.name == key) else {
                    return Ok(false);
                };
                (parameter.check)(value).map_err(|wanted| expected(key, value, wanted))?;
                self.parameters.push((parameter.name, value.to_owned()));
            }
        }
        Ok(true)
    }
}

/// All parameters in front of a script in this language, and the one that names it, for
/// `nbdkit --help`.
pub(super) fn help(language: &str, own: &[Parameter]) -> String {
    let own = own.iter().map(|own| declared(own.name, "<VALUE>", slice::from_ref(&own.help)));
    let script = format!("The {language} script to run, or - for standard input.");
    let script = [script.as_str()];
    let script = Declared { required: true, ..declared(KEY, "<FILENAME>", &script) };
    let all: Vec<_> = COMMON.into_iter().chain(own).chain([script]).collect();
    let all = parameters::help(&all);
    format!("{all}\n[other arguments may be used by the script that you load]")
}

/// The names of what comes in front of a script.
fn names(own: &[Parameter]) -> impl Iterator<Item = &'static str> {
    COMMON.into_iter().map(|common| common.name).chain(own.iter().map(|own| own.name))
}

/// A hint for a parameter that a script rejected, if it probably belongs in front of the script.
pub(super) fn hint_at_refused(key: &str, own: &[Parameter]) -> Option<String> {
    names(own)
        .any(|name| name == key)
        .then(|| format!("{key}= comes before the script, unless it is one of the script's own"))
}

/// A hint for a parameter that nobody takes in front of a script, if it is probably misspelt.
pub(super) fn hint_at_unknown(key: &str, own: &[Parameter]) -> Option<String> {
    did_you_mean(key, names(own).chain([KEY]))
}

fn instances(value: &OsStr) -> Result<usize> {
    let digits = value.to_str().filter(|value| value.bytes().all(|byte| byte.is_ascii_digit()));
    let count = digits.and_then(|digits| digits.parse().ok());
    count.filter(|count| (1..=MOST_INSTANCES).contains(count)).ok_or_else(|| {
        expected(INSTANCES, value, &format!("a whole number from 1 to {MOST_INSTANCES}"))
    })
}

fn time_limit(value: &OsStr) -> Result<Duration> {
    let time = value.to_str().and_then(host::delay).filter(|time| !time.is_zero());
    time.ok_or_else(|| expected(TIME_LIMIT, value, "a time, such as 5, 0.5 or 500ms"))
}

/// The interpreter and the module alone need this much.
const LEAST_MEMORY: i64 = 1 << 20;

fn memory_limit(value: &OsStr) -> Result<usize> {
    let size = host::parse_size(MEMORY_LIMIT, value).ok().filter(|size| *size >= LEAST_MEMORY);
    size.and_then(|size| usize::try_from(size).ok())
        .ok_or_else(|| expected(MEMORY_LIMIT, value, "a size of at least 1M"))
}

fn expected(key: &str, value: &OsStr, expected: &str) -> Error {
    Error::invalid(format!("{key}={}: expected {expected}", value.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(key: &str, value: &str) -> Result<InFront> {
        let mut options = InFront::default();
        assert!(options.take(key, OsStr::new(value), &[], None)?);
        Ok(options)
    }

    #[test]
    fn values_that_do() {
        assert_eq!(take("interpreters", "16").unwrap().instances, Some(16));
        let time = take("time_limit", "0.5").unwrap().limits.time;
        assert_eq!(time, Some(Duration::from_millis(500)));
    }

    #[test]
    fn values_that_do_not() {
        for (key, value, expected) in [
            ("interpreters", "0", "interpreters=0: expected a whole number from 1 to 1024"),
            ("interpreters", "+1", "interpreters=+1: expected a whole number from 1 to 1024"),
            ("time_limit", "0", "time_limit=0: expected a time, such as 5, 0.5 or 500ms"),
            ("time_limit", "soon", "time_limit=soon: expected a time, such as 5, 0.5 or 500ms"),
            ("memory_limit", "1", "memory_limit=1: expected a size of at least 1M"),
        ] {
            assert_eq!(take(key, value).unwrap_err().to_string(), expected);
        }
    }

    /// The parameter of a language that can optimize.
    const OPTIMIZE: Parameter = Parameter {
        name: "optimize",
        help: "How much to optimize: 0 to 3.",
        check: |value| match value.as_encoded_bytes() {
            [b'0'..=b'3'] => Ok(()),
            _ => Err("a number from 0 to 3"),
        },
    };

    #[test]
    fn a_language_may_have_parameters_of_its_own() {
        let mut parameters = InFront::default();
        let mut take = |key, value| parameters.take(key, OsStr::new(value), &[OPTIMIZE], None);
        assert!(take("optimize", "2").unwrap());
        assert!(!take("other", "2").unwrap());
        assert_eq!(
            take("optimize", "9").unwrap_err().to_string(),
            "optimize=9: expected a number from 0 to 3"
        );
        assert_eq!(parameters.parameters, [("optimize", OsString::from("2"))]);
        let help = help("Plain", &[OPTIMIZE]);
        assert!(help.contains("\noptimize=<VALUE>      How much to optimize: 0 to 3.\n"), "{help}");
        assert!(help.contains("\nscript=<FILENAME>     (required) The Plain script"), "{help}");
    }

    #[test]
    fn other_parameters_are_the_scripts() {
        let mut options = InFront::default();
        assert!(!options.take("size", OsStr::new("1M"), &[], None).unwrap());
        assert_eq!(hint_at_refused("size", &[OPTIMIZE]), None);
        assert!(hint_at_refused("optimize", &[OPTIMIZE]).is_some());
    }

    #[test]
    fn misspelt_parameters_are_recognized() {
        let hint = |key| hint_at_unknown(key, &[OPTIMIZE]);
        assert_eq!(hint("interpreter").as_deref(), Some("did you mean interpreters=?"));
        assert_eq!(hint("optimise").as_deref(), Some("did you mean optimize=?"));
        assert_eq!(hint("scripts").as_deref(), Some("did you mean script=?"));
        assert_eq!(hint("file"), None);
    }

    #[test]
    fn a_language_may_have_no_memory_limit_and_says_why() {
        let refused =
            InFront::default().take("memory_limit", OsStr::new("1M"), &[], Some("it cannot"));
        assert_eq!(refused.unwrap_err().to_string(), "memory_limit=: it cannot");
    }
}
