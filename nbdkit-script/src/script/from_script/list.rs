//! Conversions of lists.

use super::scalar::{named, utf_8, whole_number};
use super::{FromReturned, Returned, Seen, beginning, in_full, number_or_type};
use crate::error::{Error, Result};
use crate::memory;
use crate::values::{BlockSize, Export, Extent, ExtentType};

fn block_size<R: Returned>(sizes: [R; 3]) -> Result<BlockSize> {
    let size = |value: &R, which| {
        // nbdkit writes "no limit" as -1 in 32 bits.
        let number = whole_number(value).map(|n| if n == -1 { u32::MAX.into() } else { n });
        number.and_then(|number| u32::try_from(number).ok()).ok_or_else(|| {
            const EXPECTED: &str = "a whole number from 0 to 4294967295";
            Error::invalid(match value.seen() {
                Seen::Type(_) => format!(
                    "the {which} is not {EXPECTED}: \
                     expected three, the minimum, the preferred and the maximum size"
                ),
                Seen::Value(found) => format!("the {which} is {found}, expected {EXPECTED}"),
            })
        })
    };
    let [minimum, preferred, maximum] = &sizes;
    Ok(BlockSize {
        minimum: size(minimum, "minimum")?,
        preferred: size(preferred, "preferred size")?,
        maximum: size(maximum, "maximum")?,
    })
}

impl<R: Returned> FromReturned<R> for Option<BlockSize> {
    fn from_returned(value: R) -> Result<Self> {
        if value.is_none() {
            return Ok(None);
        }
        // The list may have any length; four elements are enough to see that it is too long.
        let sizes = value.elements().map(|sizes| sizes.take(4).collect::<Result<Vec<R>>>());
        let sizes = sizes.transpose()?;
        let sizes = sizes.and_then(|sizes| <[R; 3]>::try_from(sizes).ok()).ok_or_else(|| {
            Error::invalid(format!(
                "returned {}, \
                 expected a list of three numbers: minimum, preferred and maximum size",
                in_full(&value)
            ))
        })?;
        block_size(sizes).map(Some)
    }
}

impl<R: Returned> FromReturned<R> for Vec<Extent> {
    fn from_returned(value: R) -> Result<Self> {
        converted(&value, R::NOTATION.extent, |number, element| {
            let parts = element.fields(&["offset", "length", "type"])?;
            let Some([offset, length, number_or_words]) = parts.as_deref() else {
                return Err(not_this("extent", number, &element, R::NOTATION.extent));
            };
            let of_extent = |error: Error| error.context(format!("extent {number}"));
            Ok(Extent {
                offset: count(offset, "offset").map_err(of_extent)?,
                length: count(length, "length").map_err(of_extent)?,
                extent_type: extent_type(number_or_words).map_err(of_extent)?,
            })
        })
    }
}

fn count(value: &impl Returned, what: &str) -> Result<u64> {
    whole_number(value).and_then(|number| u64::try_from(number).ok()).ok_or_else(|| {
        let found = number_or_type(value);
        Error::invalid(format!("the {what} is {found}, expected a whole number of bytes from 0 on"))
    })
}

fn extent_type<R: Returned>(value: &R) -> Result<ExtentType> {
    named(value)?.ok_or_else(|| {
        let found = value.seen().in_short();
        Error::invalid(format!("the type is {found}, expected {}", R::NOTATION.extent_type))
    })
}

impl<R: Returned> FromReturned<R> for Vec<Export> {
    fn from_returned(value: R) -> Result<Self> {
        converted(&value, R::NOTATION.export, |number, element| {
            let parts = element.fields(&["name", "description"])?;
            let (name, description) = match parts.as_deref() {
                None => (&element, None),
                Some([name]) => (name, None),
                Some([name, description]) => (name, Some(description)),
                _ => return Err(not_this("export", number, &element, R::NOTATION.export)),
            };
            let of_export = |error: Error| error.context(format!("export {number}"));
            let description = description.filter(|description| !description.is_none());
            let description = description.map(|value| text(value, "description")).transpose();
            Ok(Export {
                name: text(name, "name").map_err(of_export)?,
                description: description.map_err(of_export)?,
            })
        })
    }
}

fn text(value: &impl Returned, what: &str) -> Result<String> {
    let Some(bytes) = value.string() else {
        let found = value.seen().in_short();
        return Err(Error::invalid(format!("the {what} is {found}, expected a string")));
    };
    utf_8(&bytes, what)?.ok_or_else(|| {
        Error::invalid(format!("the {what} \"{}\" is not UTF-8", beginning(&bytes).escape_ascii()))
    })
}

/// Converts the elements of a list one by one. `convert` also gets their numbers, from 1.
fn converted<R: Returned, T>(
    value: &R,
    of: &str,
    convert: impl Fn(usize, R) -> Result<T>,
) -> Result<Vec<T>> {
    let Some(elements) = value.elements() else {
        let found = value.seen().in_short();
        return Err(Error::invalid(format!("returned {found}, expected a list of {of}")));
    };
    let mut list = Vec::new();
    for (index, element) in elements.enumerate() {
        // The converted elements may be many small texts, so check before each one.
        memory::check()?;
        memory::push(&mut list, convert(index + 1, element?)?, "the list")?;
    }
    Ok(list)
}

fn not_this(what: &str, number: usize, element: &impl Returned, expected: &str) -> Error {
    let found = element.seen().with_article();
    Error::invalid(format!("{what} {number} is {found}, expected {expected}"))
}
