//! What instances of a scripted plugin are loaded from: the script, its program, and the parameters
//! in front of it.

use std::ffi::OsStr;

use super::in_front::InFront;
use super::language::{Language, Program};
use super::source::{Script, first_parameter};
use crate::error::{Error, Result};
use crate::interrupt::Limits;
use crate::panic;
use crate::plugin::Source;

/// A script of the language `L`, with its program and parameters.
#[doc(hidden)]
pub struct OfLanguage<L: Language> {
    pub(super) script: Script,
    pub(super) program: L::Program,
    instances: Option<usize>,
}

impl<L: Language> std::fmt::Debug for OfLanguage<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OfLanguage").finish_non_exhaustive()
    }
}

impl<L: Language> Source for OfLanguage<L> {
    type InFront = InFront;

    fn of_the_so_alone() -> Option<Self> {
        None
    }

    fn take(in_front: &mut InFront, key: &str, value: &OsStr) -> Result<Option<Self>> {
        if in_front.take(key, value, L::PARAMETERS, L::NO_MEMORY_LIMIT)? {
            return Ok(None);
        }
        let mut script = first_parameter(L::LANGUAGE, L::EXTENSION, L::PARAMETERS, key, value)?;
        let InFront { instances, limits, parameters } = std::mem::take(in_front);
        script.limits = limits;
        script.parameters = parameters;
        let program = panic::catch(|| L::Program::compile(&script))?;
        Ok(Some(OfLanguage { script, program, instances }))
    }

    fn missing() -> Error {
        Error::invalid(format!(
            "no script was given: the first parameter must be script=/path/to/script.{}",
            L::EXTENSION
        ))
    }

    fn instances(&self) -> Option<usize> {
        self.instances
    }

    fn limits(&self) -> Limits {
        self.script.limits
    }
}

#[cfg(test)]
mod tests {
    use super::super::plain::fake::Plain;
    use super::*;

    type Source = OfLanguage<Plain>;

    #[test]
    fn the_script_is_named_once_and_keeps_what_came_before_it() {
        let path = std::env::temp_dir().join(format!("nbdkit-of-language-{}", std::process::id()));
        std::fs::write(&path, "a script").unwrap();
        let mut in_front = InFront::default();
        let mut take = |key: &str, value: &OsStr| {
            <Source as crate::plugin::Source>::take(&mut in_front, key, value)
        };
        assert!(take("interpreters", OsStr::new("3")).unwrap().is_none());
        assert!(take("time_limit", OsStr::new("5")).unwrap().is_none());
        let source = take("script", path.as_os_str()).unwrap().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(crate::plugin::Source::instances(&source), Some(3));
        assert_eq!(source.script.limits().time, Some(std::time::Duration::from_secs(5)));
        assert_eq!(source.script.text(), b"a script");
        assert_eq!(source.program.0, "a script".len(), "it was compiled");
    }

    #[test]
    fn a_script_that_does_not_compile_is_an_error() {
        let path =
            std::env::temp_dir().join(format!("nbdkit-of-language-{}-bad", std::process::id()));
        std::fs::write(&path, "").unwrap();
        let source = <Source as crate::plugin::Source>::take(
            &mut InFront::default(),
            "script",
            path.as_os_str(),
        );
        std::fs::remove_file(&path).unwrap();
        assert_eq!(source.err().unwrap().to_string(), "nothing to compile");
    }

    #[test]
    fn messages_name_the_extension() {
        let expected = "no script was given: the first parameter must be script=/path/to/script.pl";
        assert_eq!(<Source as crate::plugin::Source>::missing().to_string(), expected);
    }
}
