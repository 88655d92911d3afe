//! From Tcl's values to nbdkit's.

use nbdkit_script::{Answer, BlockSize, Error, Export, Extent, ExtentKind, Result};

use crate::interpreter::{NotAByte, Value};

fn invalid(message: String) -> Error {
    Error::new(libc::EINVAL, message)
}

fn not(value: Value<'_>, expected: &str) -> Error {
    invalid(format!("returned {}, expected {expected}", value.shown()))
}

/// The size of a disk, from what `get_size` returned.
pub fn size(value: Value<'_>) -> Result<i64> {
    value.integer().ok_or_else(|| not(value, "a whole number of bytes"))
}

/// The answer of a `can_*` callback.
pub fn boolean(value: Value<'_>) -> Result<bool> {
    value.boolean().ok_or_else(|| not(value, "true or false"))
}

/// The bytes of a read.
#[inline]
pub fn bytes<'a>(value: Value<'a>) -> Result<&'a [u8]> {
    value.bytes().map_err(no_byte)
}

#[cold]
fn no_byte(NotAByte(character): NotAByte) -> Error {
    Error::new(
        libc::EINVAL,
        format!(
            "returned the character U+{:04X}, expected bytes, which are characters up to U+00FF",
            u32::from(character)
        ),
    )
}

/// A text for clients.
pub fn text(value: Value<'_>) -> Result<String> {
    Ok(value.text().into_owned())
}

/// A text for clients; the empty one is none.
pub fn optional_text(value: Value<'_>) -> Result<Option<String>> {
    text(value).map(|text| (!text.is_empty()).then_some(text))
}

/// One of nbdkit's values, as its number or as its word.
pub fn answer<A: Answer>(value: Value<'_>) -> Result<A> {
    match value.integer() {
        Some(number) => A::from_number(number),
        None => A::from_word(&value.text()),
    }
}

/// The list of three numbers that `block_size` returns; an empty one for none.
pub fn block_size(value: Value<'_>) -> Result<Option<BlockSize>> {
    let expected = || not(value, "a list of three numbers: minimum, preferred and maximum size");
    let sizes = value.list().ok_or_else(expected)?;
    let number = |which: &str, value: Value<'_>| {
        let number = value.integer();
        // nbdkit writes "no limit" as -1 in 32 bits.
        let number = if number == Some(-1) { Some(i64::from(u32::MAX)) } else { number };
        number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| {
            invalid(format!(
                "the {which} is {}, expected a whole number from 0 to 4294967295",
                value.shown()
            ))
        })
    };
    match sizes.as_slice() {
        [] => Ok(None),
        [minimum, preferred, maximum] => Ok(Some(BlockSize {
            minimum: number("minimum", *minimum)?,
            preferred: number("preferred size", *preferred)?,
            maximum: number("maximum", *maximum)?,
        })),
        _ => Err(expected()),
    }
}

/// Converts the elements of a list one by one, each with its number.
fn elements<T>(
    value: Value<'_>,
    of: &str,
    convert: impl Fn(usize, Value<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let list = value.list().ok_or_else(|| not(value, &format!("a list of {of}")))?;
    list.into_iter().enumerate().map(|(index, value)| convert(index + 1, value)).collect()
}

/// A list of `{offset length type}`. The type is nbdkit's number, or words: `hole,zero`.
pub fn extents(value: Value<'_>) -> Result<Vec<Extent>> {
    elements(value, "{offset length type}", |number, element| {
        let words = element.list().unwrap_or_default();
        let &[offset, length, kind] = words.as_slice() else {
            return Err(invalid(format!(
                "extent {number} is {}, expected {{offset length type}}",
                element.shown()
            )));
        };
        let of_extent = |error: Error| error.context(format!("extent {number}"));
        Ok(Extent {
            offset: count(offset, "offset").map_err(of_extent)?,
            length: count(length, "length").map_err(of_extent)?,
            kind: extent_kind(kind).map_err(of_extent)?,
        })
    })
}

fn count(value: Value<'_>, what: &str) -> Result<u64> {
    value.integer().and_then(|number| u64::try_from(number).ok()).ok_or_else(|| {
        invalid(format!(
            "the {what} is {}, expected a whole number of bytes from 0 on",
            value.shown()
        ))
    })
}

fn extent_kind(value: Value<'_>) -> Result<ExtentKind> {
    match value.integer() {
        Some(number) => ExtentKind::from_number(number),
        None => ExtentKind::from_words(&value.text()),
    }
}

/// A list of exports, each a list of one or two words: `{name ?description?}`.
pub fn exports(value: Value<'_>) -> Result<Vec<Export>> {
    elements(value, "{name ?description?}", |number, element| {
        let words = element.list().unwrap_or_default();
        let (name, description) = match words.as_slice() {
            [name] => (name, None),
            [name, description] => (name, Some(description)),
            _ => {
                return Err(invalid(format!(
                    "export {number} is {}, expected {{name ?description?}}",
                    element.shown()
                )));
            }
        };
        Ok(Export {
            name: text(*name)?,
            description: description.map(|description| text(*description)).transpose()?,
        })
    })
}
