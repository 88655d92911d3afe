//! The lists that `extents` and `list_exports` return.

use mlua::{Table, Value};
use nbdkit_script::library;
use nbdkit_script::{Error, Export, Extent, ExtentKind, Result};

use crate::thrown;

fn invalid(message: String) -> Error {
    Error::new(libc::EINVAL, message)
}

/// Converts the entries of a list one by one, each with its number. mlua has room for only so many
/// values at a time, and a list may have a million.
fn entries<T>(
    value: Value,
    of: &str,
    convert: impl Fn(usize, Value) -> Result<T>,
) -> Result<Vec<T>> {
    let Value::Table(table) = value else {
        return Err(invalid(format!("returned {}, expected a list of {of}", value.type_name())));
    };
    let mut list = Vec::new();
    loop {
        let number = list.len() + 1;
        match table.raw_get(number) {
            Ok(Value::Nil) => return Ok(list),
            Ok(entry) => list.push(convert(number, entry)?),
            Err(error) => return Err(Error::msg(thrown::lua_message(&error))),
        }
    }
}

/// A field of an entry, by its place or by its name.
fn field(table: &Table, place: i64, name: &str) -> Result<Value> {
    let get = || match table.get(place)? {
        Value::Nil => table.get(name),
        value => Ok(value),
    };
    get().map_err(|error: mlua::Error| Error::msg(thrown::lua_message(&error)))
}

/// A list of `{offset, length, type}`. The type is nbdkit's number, or words: `"hole,zero"`.
pub fn extents(value: Value) -> Result<Vec<Extent>> {
    entries(value, "{offset, length, type}", |number, entry| {
        let Value::Table(entry) = entry else {
            return Err(invalid(format!(
                "extent {number} is a {}, expected {{offset, length, type}}",
                entry.type_name()
            )));
        };
        let of_extent = |error: Error| error.context(format!("extent {number}"));
        Ok(Extent {
            offset: bytes(field(&entry, 1, "offset")?, "offset").map_err(of_extent)?,
            length: bytes(field(&entry, 2, "length")?, "length").map_err(of_extent)?,
            kind: kind(field(&entry, 3, "type")?).map_err(of_extent)?,
        })
    })
}

fn bytes(value: Value, what: &str) -> Result<u64> {
    let number = match &value {
        Value::Integer(number) => u64::try_from(*number).ok(),
        Value::Number(number) => library::whole(*number).and_then(|n| u64::try_from(n).ok()),
        _ => None,
    };
    number.ok_or_else(|| {
        let found = match &value {
            Value::Integer(number) => number.to_string(),
            Value::Number(number) => number.to_string(),
            value => value.type_name().into(),
        };
        invalid(format!("the {what} is {found}, expected a whole number of bytes from 0 on"))
    })
}

fn kind(value: Value) -> Result<ExtentKind> {
    match value {
        Value::Integer(number) => ExtentKind::from_number(number),
        Value::Number(number) if library::whole(number).is_some() => {
            ExtentKind::from_number(number as i64)
        }
        Value::String(words) => ExtentKind::from_words(&words.to_string_lossy()),
        value => Err(invalid(format!(
            "the type is {}, expected nbdkit.EXTENT_* or \"hole,zero\"",
            value.type_name()
        ))),
    }
}

/// A list of names, or of `{name, description}`.
pub fn exports(value: Value) -> Result<Vec<Export>> {
    entries(value, "names or {name, description}", |number, entry| {
        let of_export = |error: Error| error.context(format!("export {number}"));
        let (name, description) = match entry {
            Value::Table(entry) => (field(&entry, 1, "name")?, field(&entry, 2, "description")?),
            name => (name, Value::Nil),
        };
        let description = match description {
            Value::Nil => None,
            description => Some(text(description, "description").map_err(of_export)?),
        };
        Ok(Export { name: text(name, "name").map_err(of_export)?, description })
    })
}

fn text(value: Value, what: &str) -> Result<String> {
    match value {
        Value::String(text) => text.to_str().map(|text| text.to_owned()).map_err(|_| {
            invalid(format!("the {what} \"{}\" is not UTF-8", text.as_bytes().escape_ascii()))
        }),
        value => Err(invalid(format!("the {what} is {}, expected a string", value.type_name()))),
    }
}
