//! Converts the answer of a command in Rust to a Tcl value.

use std::alloc::Layout;

use nbdkit_script::memory::copied;
use nbdkit_script::script::api::Answer;
use nbdkit_script::script::store;
use nbdkit_script::{Error, Extent, Number, Result, memory};

use super::buffer::{Buffer, Content};
use super::object::{MOST_BYTES, Object};

/// An answer for Tcl.
pub(super) enum Made {
    Value(Object),
    /// An object, which becomes a command.
    Command(Content),
}

/// # Errors
/// If the dictionary refused the operation, if memory runs out, or if no Tcl value can hold it.
pub(super) fn made(answer: Answer<'_>) -> Result<Made> {
    Ok(Made::Value(match answer.single()? {
        Answer::Boolean(boolean) => Object::integer(boolean.into()),
        Answer::Integer(integer) => Object::integer(integer),
        // Tcl calculates with integers of any size.
        Answer::Unsigned(integer) => Object::string(&integer.to_string()),
        Answer::Float(float) => Object::double(float),
        Answer::Bytes(bytes) => Object::bytes(within(bytes.len()).map(|_| bytes)?),
        Answer::Data(bytes) => Object::bytes(within(bytes.len()).map(|_| &bytes[..])?),
        Answer::String(bytes) => Object::external(within(bytes.len()).map(|_| &bytes)?),
        Answer::Stored(value) => stored(value)?,
        Answer::Keys(keys) => {
            memory::room_for(keys.iter().map(|key| SIZE_OF_VALUE + key.len()).sum(), LIST)?;
            list(keys.iter().map(|key| Object::raw(key)))?
        }
        Answer::Time(time) => Object::list(&[
            Object::integer(time.as_secs() as i64),
            Object::integer(time.subsec_nanos().into()),
        ]),
        Answer::NewBuffer(size) => return zeroed(size).map(buffer),
        Answer::BufferOf(content) => return copied(content, "a buffer").map(buffer),
        Answer::Disk(disk) => return Ok(Made::Command(Content::Disk(disk))),
        Answer::File(file) => return Ok(Made::Command(Content::File(file))),
        Answer::Read(range) => {
            Object::bytes_with(within(range.count())?, |bytes| range.fill(bytes))?
        }
        Answer::Extents(extents) => {
            memory::room_for(extents.len() * SIZE_OF_EXTENT, LIST)?;
            list(extents.iter().map(extent))?
        }
        // `single` has already replaced the last three.
        Answer::Nothing | Answer::None | Answer::Done | Answer::Tried(_) | Answer::Refused(_) => {
            Object::string("")
        }
    }))
}

fn stored(value: store::Value) -> Result<Object> {
    Ok(match value {
        store::Value::String(bytes) => Object::raw(within(bytes.len()).map(|_| &bytes)?),
        store::Value::Number(Number::Integer(integer)) => Object::integer(integer),
        store::Value::Number(Number::Float(float)) => Object::double(float),
        store::Value::Boolean(boolean) => Object::integer(boolean.into()),
    })
}

fn buffer(bytes: Vec<u8>) -> Made {
    Made::Command(Content::Buffer(Buffer::new(bytes)))
}

/// Zeroes. The system provides their memory only once they are touched.
fn zeroed(size: usize) -> Result<Vec<u8>> {
    match Layout::array::<u8>(size) {
        Ok(layout) if size > 0 => {
            // SAFETY: the layout is not empty. A vector of this capacity has the same allocation,
            // and all of its bytes are initialized.
            unsafe {
                let bytes = std::alloc::alloc_zeroed(layout);
                if bytes.is_null() {
                    return Err(no_memory(size));
                }
                Ok(Vec::from_raw_parts(bytes, size, size))
            }
        }
        Ok(_) => Ok(Vec::new()),
        Err(_) => Err(no_memory(size)),
    }
}

fn no_memory(size: usize) -> Error {
    memory::none_for(format_args!("a buffer of {size} bytes"))
}

/// Checks that a Tcl value can hold this many bytes and that there is memory for them: otherwise
/// Tcl would end the process.
fn within(count: usize) -> Result<usize> {
    if count <= MOST_BYTES {
        return memory::room_for(count, "data").map(|()| count);
    }
    Err(Error::new(
        libc::EOVERFLOW,
        format!("{count} bytes are more than a value of Tcl holds, which is {MOST_BYTES}"),
    ))
}

/// What we need memory for, in a message.
const LIST: &str = "a list";

/// Roughly the memory that Tcl needs for an extent: a list and three numbers.
const SIZE_OF_EXTENT: usize = 320;

/// Roughly the memory that Tcl needs for an element of a list, without its bytes.
const SIZE_OF_VALUE: usize = 80;

fn list(values: impl ExactSizeIterator<Item = Object>) -> Result<Object> {
    let mut list = Vec::new();
    memory::reserve(&mut list, values.len(), LIST)?;
    list.extend(values);
    Ok(Object::list(&list))
}

fn extent(extent: &Extent) -> Object {
    let number = |number: u64| Object::integer(i64::try_from(number).unwrap_or(i64::MAX));
    let extent_type = Object::integer(extent.extent_type.bits().into());
    Object::list(&[number(extent.offset), number(extent.length), extent_type])
}
