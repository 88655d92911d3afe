//! The script that the command line names.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::in_front::{self, KEY};
use super::spelling;
use crate::callbacks::{Callbacks, NameOf};
use crate::error::{Error, Result};
use crate::host;
use crate::interrupt::{Interrupter, Limits};

/// The name of a script that comes from standard input.
const STDIN: &str = "-";

/// A limit, so that `script=/dev/zero` fails.
const LONGEST_SCRIPT: u64 = 64 << 20;

/// The hint for a rejected `script=` that the user may have given without a key.
const WITHOUT_KEY: &str =
    "the key of a parameter without one is what magic_config_key returns, else script";

/// A script, read once: all interpreters see the same text, even if the file is a pipe or is edited
/// meanwhile.
#[derive(Debug, Clone)]
pub struct Script {
    path: PathBuf,
    text: Vec<u8>,
    pub(super) limits: Limits,
    pub(super) parameters: Vec<(&'static str, OsString)>,
}

impl Script {
    /// Reads a script. This happens before nbdkit changes directory, so the path may be relative.
    /// `-` is standard input.
    ///
    /// # Errors
    /// Those of reading the file, with its errno; `EFBIG` for more than 64 MiB, which only a
    /// device or a disk image named by mistake has; `EINVAL` for standard input where that is a
    /// client's.
    pub fn read(path: impl Into<PathBuf>) -> Result<Script> {
        let mut path = path.into();
        if path.as_os_str() == STDIN {
            if !host::stdio_safe() {
                return Err(Error::invalid("standard input is the client's, with nbdkit -s"));
            }
            path = "/dev/stdin".into();
        }
        let mut text = Vec::new();
        File::open(&path)?.take(LONGEST_SCRIPT + 1).read_to_end(&mut text)?;
        if text.len() as u64 > LONGEST_SCRIPT {
            return Err(Error::new(libc::EFBIG, format!("longer than {LONGEST_SCRIPT} bytes")));
        }
        Ok(Script { path, text, limits: Limits::default(), parameters: Vec::new() })
    }

    /// Reads a file of tests, none of which may take longer than this.
    pub(super) fn of_tests(path: &Path, language: &str, limit: Option<Duration>) -> Result<Script> {
        let limits = Limits { time: limit, ..Limits::default() };
        Ok(Script { limits, ..Script::read_in(language, path)? })
    }

    /// Reads a script, and names its language in an error.
    fn read_in(language: &str, path: &Path) -> Result<Script> {
        Script::read(path).map_err(|error| {
            error.context(format!("could not read {language} script {}", path.display()))
        })
    }

    /// The limits that the user has set. The language enforces the memory limit.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The last value that the user gave for one of the language's own
    /// [parameters](crate::Language::PARAMETERS), in front of the script.
    pub fn parameter(&self, name: &str) -> Option<&OsStr> {
        let given = self.parameters.iter().rev().find(|(key, _)| *key == name);
        given.map(|(_, value)| value.as_os_str())
    }

    /// Runs the script's top level within the user's time limit. A language calls this in `load`;
    /// for callbacks the framework does it.
    ///
    /// # Errors
    /// Those of `run`; also if the watching thread cannot be started.
    pub fn run_limited<T>(
        &self,
        interrupter: Option<Interrupter>,
        run: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        self.limits.during(interrupter, run)
    }

    /// The path as the user gave it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of the file.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The text as a language reads it: without a byte order mark, and without a first line that
    /// begins with `mark`. The end of that line stays, so that errors have the right line numbers.
    pub fn text_without_first_line(&self, mark: &str) -> &[u8] {
        let text = self.text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.text);
        if !text.starts_with(mark.as_bytes()) {
            return text;
        }
        let end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
        &text[end..]
    }

    /// The same text for a language that requires UTF-8.
    ///
    /// # Errors
    /// `EINVAL`, with the file's name, if it is not UTF-8.
    pub fn utf8_without_first_line(&self, mark: &str) -> Result<&str> {
        std::str::from_utf8(self.text_without_first_line(mark))
            .map_err(|error| Error::invalid(format!("{}: {error}", self.name())))
    }

    fn name(&self) -> std::path::Display<'_> {
        self.path.display()
    }
}

/// The script that the first parameter names.
pub(super) fn first_parameter(
    language: &str,
    extension: &str,
    own: &[in_front::Parameter],
    key: &str,
    value: &OsStr,
) -> Result<Script> {
    if key != KEY {
        let error = Error::invalid(format!(
            "the first parameter must be script=/path/to/script.{extension}, not {key}="
        ));
        return Err(error.remark(in_front::hint_at_unknown(key, own)));
    }
    if value.as_bytes().is_empty() {
        return Err(Error::invalid("script= names no file"));
    }
    Script::read_in(language, Path::new(value))
}

impl Script {
    /// Rejects a script that lacks required callbacks. `hint` says how to define them.
    pub(super) fn check(
        &self,
        callbacks: Callbacks,
        name_of: NameOf,
        hint: Option<&str>,
    ) -> Result<()> {
        let missing: Vec<_> = (Callbacks::REQUIRED - callbacks).iter().map(name_of).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let error = Error::invalid(format!(
            "{}: nbdkit requires these callbacks, which are not defined by the script: {}",
            self.name(),
            missing.join(", ")
        ));
        Err(error.remark(hint))
    }

    pub(super) fn unwanted_parameter(&self, key: &str, name_of: NameOf) -> Error {
        Error::invalid(format!(
            "{}: this plugin does not need command line configuration: \
                 the script defines no {} callback to take {}",
            self.name(),
            name_of(Callbacks::CONFIG),
            // nbdkit uses this key for a parameter without one.
            if key == KEY { "a further parameter".into() } else { format!("{key}=") }
        ))
    }

    pub(super) fn warn_of_misspellings(
        &self,
        names: &[String],
        defined: Callbacks,
        name_of: NameOf,
    ) {
        for name in names {
            if let Some(meant) = spelling::suggestion(name, defined, name_of) {
                host::warn(&format!(
                    "{}: {name} is not a callback of nbdkit: did you mean {meant}?",
                    self.name()
                ));
            }
        }
    }
}

/// A hint for a parameter that a script rejected.
pub(super) fn hint_at_refused(
    key: &str,
    defined: Callbacks,
    own: &[in_front::Parameter],
) -> Option<String> {
    let knows_keys = Callbacks::CONFIG | Callbacks::MAGIC_CONFIG_KEY;
    if key == KEY && defined & knows_keys == Callbacks::CONFIG {
        return Some(WITHOUT_KEY.into());
    }
    in_front::hint_at_refused(key, own)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &[u8]) -> Script {
        let path = "disk.lua".into();
        Script { path, text: text.to_vec(), limits: Limits::default(), parameters: Vec::new() }
    }

    #[test]
    fn a_first_line_is_cut_and_still_counts() {
        let cut = |text: &'static str| {
            let script = script(text.as_bytes());
            String::from_utf8(script.text_without_first_line("#!").to_vec()).unwrap()
        };
        assert_eq!(cut("#!/usr/sbin/nbdkit lua\nx = 1"), "\nx = 1");
        assert_eq!(cut("#! alone"), "");
        assert_eq!(cut("\u{feff}#!\nx = 1"), "\nx = 1");
        assert_eq!(cut("\u{feff}x = 1"), "x = 1");
        assert_eq!(cut("x = 1 #! y"), "x = 1 #! y");
        assert_eq!(cut("#{}"), "#{}");
        assert_eq!(cut(""), "");
    }

    #[test]
    fn a_text_that_is_not_utf_8_is_refused_with_its_name() {
        assert_eq!(script(b"#!\nx").utf8_without_first_line("#!").unwrap(), "\nx");
        let error = script(b"caf\xe9\n").utf8_without_first_line("#!").unwrap_err();
        assert!(error.message().starts_with("disk.lua: invalid utf-8 sequence"), "{error}");
        assert_eq!(error.errno(), libc::EINVAL);
    }

    #[test]
    fn all_missing_callbacks_are_named_at_once() {
        let error =
            script(b"").check(Callbacks::GET_SIZE | Callbacks::PWRITE, Callbacks::name, None);
        assert_eq!(
            error.unwrap_err().to_string(),
            "disk.lua: nbdkit requires these callbacks, which are not defined by the script: \
             open, pread"
        );
        assert!(script(b"").check(Callbacks::REQUIRED, Callbacks::name, None).is_ok());
    }

    #[test]
    fn a_language_may_hint_at_how_callbacks_are_defined() {
        let hint = Some("export them");
        let error = script(b"").check(Callbacks::empty(), Callbacks::name, hint).unwrap_err();
        assert!(error.to_string().ends_with("open, get_size, pread (export them)"), "{error}");
    }

    #[test]
    fn missing_callbacks_have_the_names_that_the_language_gives_them() {
        let name_of = |callback| match callback {
            Callbacks::OPEN => "plugin_open",
            callback => callback.name(),
        };
        let error = script(b"").check(Callbacks::GET_SIZE, name_of, None).unwrap_err().to_string();
        assert!(error.ends_with("by the script: plugin_open, pread"), "{error}");
        let error = script(b"").unwanted_parameter("size", |_| "settings").to_string();
        assert!(error.ends_with("defines no settings callback to take size="), "{error}");
    }

    #[test]
    fn only_script_may_come_first() {
        let refused = |key, value: &str| {
            first_parameter("Lua", "lua", &[], key, OsStr::new(value)).unwrap_err()
        };
        assert_eq!(
            refused("file", "x").to_string(),
            "the first parameter must be script=/path/to/script.lua, not file="
        );
        let missing = refused("script", "/no/such/file.lua");
        assert_eq!(missing.errno(), libc::ENOENT);
        assert!(missing.to_string().starts_with("could not read Lua script /no/such/file.lua: "));
        assert_eq!(refused("script", "/").errno(), libc::EISDIR);
        assert_eq!(refused("script", "/dev/zero").errno(), libc::EFBIG);
    }
}
