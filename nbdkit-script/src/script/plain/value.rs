//! A value between the framework and a language.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use super::Values;
use crate::error::{Error, Result};
use crate::file::Closable;
use crate::memory;
use crate::script::store::Disk;

/// The type name of a disk in messages. A language may only have the name of the Rust type.
pub(super) const DISK: &str = "disk";

/// That of a file.
pub(super) const FILE: &str = "file";

/// A value that passes between the framework and a language, whose own values are `V`. Elements of
/// lists and maps stay the language's values until they are needed.
#[derive(Debug, Clone)]
pub enum Value<V> {
    /// The language's nil.
    None,
    /// A boolean.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A floating point number.
    Float(f64),
    /// A text.
    String(String),
    /// Data, which is not text.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<V>),
    /// Values with names.
    Map(Vec<(String, V)>),
    /// A disk in memory that all instances share.
    Disk(&'static Disk),
    /// A file. It is closed when the last clone of this is dropped, or by its method `close`.
    File(Arc<Closable>),
    /// Any other value, such as a handle of a type that only the language knows.
    Other(V),
}

/// A text from the system, which may not be UTF-8.
pub(super) fn string<V>(text: Vec<u8>) -> Result<Value<V>> {
    String::from_utf8(text).map(Value::String).map_err(|error| {
        let text = OsString::from_vec(error.into_bytes());
        Error::invalid(format!("found {text:?}, expected UTF-8"))
    })
}

/// Looks up a name in a map.
pub(super) fn named<'a, V>(map: &'a [(String, V)], wanted: &str) -> Option<&'a V> {
    map.iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
}

/// A list of these values in the language `V`.
///
/// # Errors
/// Those of the values; `ENOMEM`.
pub(super) fn list<V: Values>(
    values: impl ExactSizeIterator<Item = Result<Value<V::Value>>>,
) -> Result<Value<V::Value>> {
    let mut list = Vec::new();
    memory::reserve(&mut list, values.len(), "a list")?;
    for value in values {
        memory::check()?;
        list.push(V::to_script(value?));
    }
    Ok(Value::List(list))
}
