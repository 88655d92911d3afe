//! What goes into a script and what comes out of it: arguments, answers and errors.

use std::ffi::OsString;

use nbdkit_script::{
    Answer, BlockSize, Cache, Error, Export, Extent, ExtentKind, Flags, Fua, Result, ThreadModel,
    errno,
};
use rhai::{Array, Blob, Dynamic, EvalAltResult, INT, Map, NativeCallContext, Position};

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
    bool: answer => *answer;
    u32: number => INT::from(*number);
    u64: number => *number as INT;
    usize: number => *number as INT;
    Flags: flags => INT::from(flags.bits());
    [u8]: data => Dynamic::from_blob(data.to_vec());
}

/// What a callback may return.
pub trait Returned: Sized {
    /// From the value that the script returned.
    fn from_rhai(value: Dynamic) -> Result<Self>;
}

fn expected<T>(found: &str, what: &str) -> Result<T> {
    Err(Error::msg(format!("returned {found}, expected {what}")))
}

macro_rules! returned {
    ($($type:ty: $value:ident => $taken:expr;)*) => {
        $(impl Returned for $type {
            fn from_rhai($value: Dynamic) -> Result<Self> {
                $taken
            }
        })*
    };
}

returned! {
    (): _ignored => Ok(());
    Dynamic: value => Ok(value);
    bool: value => value.as_bool().or_else(|found| expected(found, "true or false"));
    INT: value => value.as_int().or_else(|found| expected(found, "a whole number"));
    Blob: value => value.into_blob().or_else(|found| expected(found, "a blob"));
    String: value => value.into_string().or_else(|found| expected(found, "a string"));
    Array: value => value.into_array().or_else(|found| expected(found, "an array"));
    Cache: value => answer(value);
    Fua: value => answer(value);
    ThreadModel: value => answer(value);
    ExtentKind: value => match value.as_int() {
        Ok(number) => ExtentKind::from_number(number),
        Err(_) => ExtentKind::from_words(&String::from_rhai(value)?),
    };
    Extent: value => {
        let [offset, length, kind] = parts(value, "[offset, length, type]")?;
        let (offset, length) = (at(INT::from_rhai(offset)?)?, at(INT::from_rhai(length)?)?);
        Ok(Extent { offset, length, kind: ExtentKind::from_rhai(kind)? })
    };
    Export: value => {
        if let Ok(name) = value.as_immutable_string_ref() {
            return Ok(Export { name: name.to_string(), description: None });
        }
        let [name, description] = parts(value, "a name or [name, description]")?;
        let description = Some(String::from_rhai(description)?);
        Ok(Export { name: String::from_rhai(name)?, description })
    };
    BlockSize: value => {
        let [minimum, preferred, maximum] = parts(value, "[minimum, preferred, maximum]")?;
        let size = |value: Dynamic| match u32::try_from(INT::from_rhai(value)?) {
            Ok(size) => Ok(size),
            Err(_) => expected("another number", "sizes from 0 to 4294967295"),
        };
        Ok(BlockSize {
            minimum: size(minimum)?,
            preferred: size(preferred)?,
            maximum: size(maximum)?,
        })
    };
    Vec<Extent>: value => list(value);
    Vec<Export>: value => list(value);
}

impl<T: Returned> Returned for Option<T> {
    fn from_rhai(value: Dynamic) -> Result<Self> {
        if value.is_unit() { Ok(None) } else { T::from_rhai(value).map(Some) }
    }
}

/// One of nbdkit's values, by its number or its word.
fn answer<T: Answer>(value: Dynamic) -> Result<T> {
    match value.as_int() {
        Ok(number) => T::from_number(number),
        Err(_) => T::from_word(&String::from_rhai(value)?),
    }
}

fn parts<const N: usize>(value: Dynamic, what: &str) -> Result<[Dynamic; N]> {
    let array = value.into_array().or_else(|found| expected(found, what))?;
    array.try_into().or_else(|array: Array| expected(&format!("{} values", array.len()), what))
}

fn list<T: Returned>(value: Dynamic) -> Result<Vec<T>> {
    let entry = |(index, entry): (usize, Dynamic)| {
        T::from_rhai(entry.flatten()).map_err(|error| error.context(format!("entry {index}")))
    };
    Array::from_rhai(value)?.into_iter().enumerate().map(entry).collect()
}

/// A number of bytes.
pub fn at(number: INT) -> Result<u64> {
    let what = || invalid(format!("found {number}, expected a number of bytes from 0 on"));
    u64::try_from(number).map_err(|_| what())
}

/// Text of the system's, which need not be what a string of Rhai has to be.
pub fn text(text: OsString) -> Result<String> {
    text.into_string().map_err(|text| invalid(format!("found {text:?}, expected UTF-8")))
}

/// A failure with `EINVAL`.
pub fn invalid(message: String) -> Error {
    Error::new(libc::EINVAL, message)
}

/// What the functions of the module throw, and what a script may throw: `#{errno, message}`.
pub fn thrown<T>(result: Result<T>) -> Result<T, Box<EvalAltResult>> {
    result.map_err(|error| {
        let mut map = Map::new();
        map.insert("errno".into(), INT::from(error.errno()).into());
        map.insert("message".into(), error.message().into());
        EvalAltResult::ErrorRuntime(map.into(), Position::NONE).into()
    })
}

/// The same in a function of a module, where Rhai does not see to it that the line is known.
pub fn thrown_in<T>(call: &NativeCallContext, result: Result<T>) -> Result<T, Box<EvalAltResult>> {
    thrown(result).map_err(|mut error| {
        error.set_position(call.call_position());
        error
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
