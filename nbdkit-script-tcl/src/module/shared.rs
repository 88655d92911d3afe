//! `nbdkit::shared OPERATION ...`: the dictionary that all interpreters see.

use nbdkit_script::Number;
use nbdkit_script::script::api::Arguments;
use nbdkit_script::script::api::shared::{self, Outcome};
use nbdkit_script::script::store::Value;
use nbdkit_script::{Error, Result, memory};

use super::arguments::{Strings, WordArguments};
use crate::interpreter::{Returned, Words};

/// Those that find nothing where Tcl has no word for it. They take one more argument: what is to be
/// returned then. Without it, to find nothing is an error.
const WITH_DEFAULT: [&str; 3] = ["get", "lpop", "rpop"];

/// Does the operation that the second word names.
pub fn run<'a>(words: &Words<'a>) -> Result<Returned<'a>> {
    let invalid = |found: String| {
        let known: Vec<_> = shared::ALL.iter().map(|operation| operation.name).collect();
        let expected = known.join(", ");
        Error::new(libc::EINVAL, format!("nbdkit::shared: found {found}, expected {expected}"))
    };
    let name = words.get(1).ok_or_else(|| invalid("nothing".into()))?;
    let operation = shared::ALL.iter().find(|operation| operation.name.as_bytes() == name.raw());
    let operation = operation.ok_or_else(|| invalid(name.shown()))?;

    let mut words = words.after(2);
    let mut default = None;
    if WITH_DEFAULT.contains(&operation.name) && words.len() == 2 {
        default = words.get(1);
        words = words.before(1);
    }
    let mut arguments = WordArguments::new(words, Strings::Any);
    let outcome = if operation.name == "set" && arguments.left() < 2 {
        // Elsewhere nil deletes a key. Here it would be what reads a variable.
        Err(Error::new(libc::EINVAL, "found no value, expected KEY VALUE ?SECONDS?"))
    } else {
        operation.call(&mut arguments)
    };
    let returned = outcome.and_then(|outcome| match outcome {
        Outcome::Done => Ok(Returned::nothing()),
        Outcome::Tried(result) => Ok(Returned::Boolean(result.is_ok())),
        Outcome::Value(value) => Ok(value.into()),
        Outcome::Keys(keys) => {
            let mut list = Vec::new();
            memory::reserve(&mut list, keys.len(), "the keys")?;
            list.extend(keys.into_iter().map(Returned::Raw));
            Ok(Returned::List(list))
        }
        Outcome::Refused(refusal) => Err(Error::new(libc::EINVAL, refusal.to_string())),
        Outcome::NotFound => match default {
            Some(default) => Ok(Returned::Raw(default.raw().to_vec())),
            None => Err(Error::new(libc::ENOENT, "not found")),
        },
    });
    returned.map_err(|error| error.context(format!("nbdkit::shared {}", operation.name)))
}

impl From<Value> for Returned<'_> {
    fn from(value: Value) -> Self {
        match value {
            Value::String(bytes) => Returned::Raw(bytes),
            Value::Number(Number::Integer(integer)) => Returned::Integer(integer.into()),
            Value::Number(Number::Float(float)) => Returned::Float(float),
            Value::Boolean(boolean) => Returned::Boolean(boolean),
        }
    }
}
