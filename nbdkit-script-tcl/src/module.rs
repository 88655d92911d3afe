//! The namespace `nbdkit` that scripts see.

use nbdkit_script::script::api::{Answer, Call, Function, client, constants, functions, shared};
use nbdkit_script::script::store::Value;
use nbdkit_script::{Error, Result, errno};

use crate::interpreter::{Arguments, Interpreter, Strings};

/// Puts the namespace into an interpreter, before the script runs.
pub fn register(interpreter: &Interpreter) {
    for function in functions::ALL {
        let command = format!("::nbdkit::{}", function.name);
        interpreter.add(&command, |arguments| function.call("nbdkit::", &arguments));
    }
    interpreter.add("::nbdkit::shared", dictionary);
    interpreter.inside(|inside| {
        for (name, number) in constants() {
            inside.set_variable(&format!("::nbdkit::{name}"), None, number);
        }
        for (name, number) in errno::all() {
            inside.set_variable("::nbdkit::errno", Some(name), number.into());
        }
        inside.ask(&["package", "provide", "nbdkit", env!("CARGO_PKG_VERSION")]);
    });
}

/// The command for a test's client: `$client pread 512 0`.
pub const CLIENT: &str = "::nbdkit::client";

/// Adds that command, for an interpreter that runs tests.
pub fn register_client(interpreter: &Interpreter) {
    interpreter.add(CLIENT, |arguments| {
        let (method, arguments) = operation("client", client::ALL, arguments)?;
        method.call("client ", &arguments)
    });
}

/// The operation that the first argument of a command names, and the other arguments.
fn operation<'a>(
    command: &str,
    all: &'static [Function],
    arguments: Arguments<'a>,
) -> Result<(&'static Function, Arguments<'a>)> {
    let invalid = |found: String| {
        let known: Vec<_> = all.iter().map(|operation| operation.name).collect();
        let expected = known.join(", ");
        Error::new(libc::EINVAL, format!("{command}: found {found}, expected {expected}"))
    };
    let (name, arguments) = arguments.operation();
    let name = name.ok_or_else(|| invalid("nothing".into()))?;
    let operation = all.iter().find(|operation| operation.name.as_bytes() == name.raw());
    Ok((operation.ok_or_else(|| invalid(name.shown()))?, arguments))
}

/// Operations that may find nothing. Their extra argument is what to return then. Without it,
/// finding nothing is an error, because Tcl has no nil.
const WITH_DEFAULT: [&str; 3] = ["get", "lpop", "rpop"];

/// `nbdkit::shared OPERATION ...`: the dictionary that all interpreters see.
fn dictionary(arguments: Arguments<'_>) -> Result<Answer<'_>> {
    let arguments = arguments.strings(Strings::Any);
    let (operation, mut arguments) = operation("nbdkit::shared", shared::ALL, arguments)?;

    let failed =
        |errno, why| Err(Error::new(errno, format!("nbdkit::shared {}: {why}", operation.name)));
    if operation.name == "set" && arguments.count() < 2 {
        // In other languages, nil deletes a key. Here the same call would read a variable.
        return failed(libc::EINVAL, "found no value, expected KEY VALUE ?SECONDS?");
    }
    let mut default = None;
    if WITH_DEFAULT.contains(&operation.name) && arguments.count() == 2 {
        default = arguments.word(2);
        arguments = arguments.before(1);
    }
    match operation.call("nbdkit::shared ", &arguments)? {
        Answer::None => match default {
            Some(default) => Ok(Answer::Stored(Value::String(default.raw().to_vec()))),
            None => failed(libc::ENOENT, "not found"),
        },
        Answer::Refused(refusal) => failed(libc::EINVAL, refusal),
        answer => Ok(answer),
    }
}
