//! Converts a script's errors for nbdkit's log.

use nbdkit_script::Error;
use nbdkit_script::script::plain;
use rhai::{EvalAltResult, Position};

use crate::Rhai;

/// A failure as `FILE:LINE: message`, with the chain of calls as its traceback.
pub fn of(file: &str, mut error: EvalAltResult) -> Error {
    let (mut file, mut calls) = (file.to_owned(), Vec::new());
    while let EvalAltResult::ErrorInFunctionCall(function, source, inner, position) = error {
        calls.push(format!("{}: calls {function}", place(&file, position)));
        file = if source.is_empty() { file } else { source };
        error = *inner;
    }
    let line = error.take_position().line();
    let error = match error {
        EvalAltResult::ErrorRuntime(thrown, _) | EvalAltResult::ErrorTerminated(thrown, _) => {
            plain::error::<Rhai>(thrown)
        }
        error => Error::msg(error.to_string()),
    };
    error.at(file, line).with_traceback(calls.join("\n"))
}

/// Rhai gives no line for a script that has exceeded one of its limits.
fn place(file: &str, position: Position) -> String {
    position.line().map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"))
}
