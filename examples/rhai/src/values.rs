//! What goes into a script and what comes out of it: arguments, answers and errors.

use std::borrow::Cow;
use std::ffi::OsString;

use nbdkit_script::library::Number;
use nbdkit_script::returned::{self, List, Notation, Seen};
use nbdkit_script::{Error, Flags, Result, errno};
use rhai::{Blob, Dynamic, EvalAltResult, INT, Map, NativeCallContext, Position};

/// What a callback gets.
pub trait Argument {
    /// As a value of Rhai.
    fn to_rhai(&self) -> Dynamic;
}

macro_rules! arguments {
    ($($type:ty: $value:ident => $rhai:expr;)*) => {
        $(impl Argument for $type {
            fn to_rhai(&self) -> Dynamic {
                let $value = self;
                $rhai.into()
            }
        })*
    };
}

// nbdkit's offsets are int64_t, as INT is: none of them is cut.
arguments! {
    Dynamic: handle => handle.clone();
    bool: boolean => *boolean;
    u32: number => INT::from(*number);
    u64: number => *number as INT;
    Flags: flags => INT::from(flags.bits());
    [u8]: data => Dynamic::from_blob(data.to_vec());
}

/// What a callback returned. The framework makes nbdkit's values of it.
pub struct Returned(Dynamic);

impl Returned {
    pub fn new(value: Dynamic) -> Self {
        Returned(value.flatten())
    }

    fn array(&self) -> Option<Vec<Self>> {
        let array = self.0.as_array_ref().ok()?;
        Some(array.iter().cloned().map(Self::new).collect())
    }
}

impl returned::Returned for Returned {
    const NOTATION: Notation = Notation {
        none: "()",
        extent: "[offset, length, type]",
        extent_type: "nbdkit::EXTENT_* or \"hole,zero\"",
        export: "names or [name, description]",
    };

    fn is_none(&self) -> bool {
        self.0.is_unit()
    }

    fn boolean(&self) -> Option<bool> {
        self.0.as_bool().ok()
    }

    fn number(&self) -> Option<Number> {
        self.0.as_int().ok().map(Number::Integer)
    }

    fn string(&self) -> Option<Cow<'_, [u8]>> {
        let text = self.0.as_immutable_string_ref().ok()?;
        Some(text.as_bytes().to_vec().into())
    }

    fn seen(&self) -> Seen {
        Seen::Type(self.0.type_name())
    }
}

impl List for Returned {
    fn elements(&self) -> Option<impl Iterator<Item = Result<Self>>> {
        self.array().map(|array| array.into_iter().map(Ok))
    }

    fn fields(&self, names: &[&str]) -> Result<Option<Vec<Self>>> {
        let absent = std::iter::repeat_with(|| Returned(Dynamic::UNIT));
        let fields = |array: Vec<Self>| array.into_iter().chain(absent).take(names.len()).collect();
        Ok(self.array().map(fields))
    }
}

/// The bytes of a read.
pub fn blob(value: Dynamic) -> Result<Blob> {
    let wrong = |found| Error::msg(format!("returned {found}, expected a blob"));
    value.flatten().into_blob().map_err(wrong)
}

/// Text of the system's, which need not be what a string of Rhai has to be.
pub fn text(text: OsString) -> Result<String> {
    text.into_string().map_err(|text| invalid(format!("found {text:?}, expected UTF-8")))
}

pub fn invalid(message: String) -> Error {
    Error::new(libc::EINVAL, message)
}

/// What the functions of the module throw, and what a script may throw: `#{errno, message}`.
pub fn thrown<T>(call: &NativeCallContext, result: Result<T>) -> Result<T, Box<EvalAltResult>> {
    result.map_err(|error| {
        let mut map = Map::new();
        map.insert("errno".into(), INT::from(error.errno()).into());
        map.insert("message".into(), error.message().into());
        EvalAltResult::ErrorRuntime(map.into(), call.call_position()).into()
    })
}

/// A failure as nbdkit's log has it, `FILE:LINE: message`, and the calls that led there.
pub fn error(file: &str, error: EvalAltResult) -> Error {
    let (mut file, mut error, mut calls) = (file.to_owned(), error, Vec::new());
    while let EvalAltResult::ErrorInFunctionCall(function, source, inner, position) = error {
        calls.push(format!("{}: calls {function}", place(&file, position)));
        file = if source.is_empty() { file } else { source };
        error = *inner;
    }
    let position = error.take_position();
    let (errno, message) = match error {
        EvalAltResult::ErrorRuntime(value, _) => what_was_thrown(value),
        error => (libc::EIO, error.to_string()),
    };
    Error::new(errno, message).context(place(&file, position)).with_traceback(calls.join("\n"))
}

/// Rhai names no line where a script has run into one of its limits.
fn place(file: &str, position: Position) -> String {
    position.line().map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"))
}

fn what_was_thrown(value: Dynamic) -> (i32, String) {
    let Some(map) = value.read_lock::<Map>() else {
        let message = if value.is_unit() { "error value is ()".into() } else { value.to_string() };
        return (libc::EIO, message);
    };
    let number = |value: &Dynamic| match value.as_int() {
        Ok(number) => i32::try_from(number).ok(),
        Err(_) => errno::from_name(&value.to_string()),
    };
    let message = map.get("message").unwrap_or(&value).to_string();
    (map.get("errno").and_then(number).unwrap_or(libc::EIO), message)
}
