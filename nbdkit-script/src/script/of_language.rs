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
        let mut script = first_parameter(L::LANGUAGE, L::EXTENSION, key, value)?;
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
