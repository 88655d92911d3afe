//! What a command in Rust returns, as a value of Tcl's.

use std::alloc::Layout;

use nbdkit_script::script::api::functions::Value;
use nbdkit_script::script::api::{self, Answer, MadeIn};
use nbdkit_script::{Error, Extent, Result, memory};

use super::memory::{Content, Memory};
use super::object::{MOST_BYTES, Object};

/// What a command in Rust returns.
pub enum Returned<'a> {
    Answer(Answer<'a>),
    Boolean(bool),
    Integer(i128),
    Float(f64),
    /// What comes from outside of Tcl, as a path.
    External(Vec<u8>),
    /// What was the string form of a value.
    Raw(Vec<u8>),
    List(Vec<Returned<'a>>),
}

impl Returned<'_> {
    pub fn nothing() -> Self {
        Returned::Answer(Answer::Nothing)
    }
}

impl From<Value> for Returned<'_> {
    fn from(value: Value) -> Self {
        match value {
            Value::Nothing | Value::None => Returned::nothing(),
            Value::Boolean(boolean) => Returned::Boolean(boolean),
            Value::Integer(integer) => Returned::Integer(integer),
            Value::Float(float) => Returned::Float(float),
            Value::Bytes(bytes) => Returned::External(bytes),
            Value::Time(time) => Returned::List(vec![
                Returned::Integer(time.as_secs().into()),
                Returned::Integer(time.subsec_nanos().into()),
            ]),
        }
    }
}

/// What becomes of it.
pub(super) enum Made {
    Value(Object),
    /// What is a command itself.
    Command(Content),
}

impl Made {
    /// # Errors
    /// If there is no memory, or if it is more than a value of Tcl's can hold.
    pub(super) fn of(returned: Returned<'_>) -> Result<Self> {
        match returned {
            Returned::Answer(answer) => Self::of_answer(answer),
            returned => value(returned).map(Made::Value),
        }
    }

    fn of_answer(answer: Answer<'_>) -> Result<Self> {
        Ok(Made::Value(match answer {
            Answer::Nothing => Object::string(""),
            Answer::Integer(integer) => Object::integer(integer),
            Answer::Float(float) => Object::double(float),
            Answer::Bytes(bytes) => Object::bytes(within(bytes.len()).map(|_| bytes)?),
            Answer::NewBuffer(size) => return zeroed(size).map(buffer),
            Answer::BufferOf(content) => {
                let mut bytes = reserved(content.len())?;
                bytes.extend_from_slice(content);
                return Ok(buffer(bytes));
            }
            Answer::Disk(disk) => return Ok(Made::Command(Content::Disk(disk))),
            Answer::ReadDisk { disk, offset, count } => {
                Object::bytes_with(within(count)?, |bytes| api::disk::read(disk, offset, bytes))?
            }
            Answer::Extents(extents) => {
                memory::room_for(extents.len() * SIZE_OF_EXTENT, LIST)?;
                list(extents.iter().map(|each| Ok(extent(each))))?
            }
        }))
    }
}

/// All but what is a command.
fn value(returned: Returned<'_>) -> Result<Object> {
    Ok(match returned {
        Returned::Boolean(boolean) => Object::integer(boolean.into()),
        Returned::Integer(integer) => match i64::try_from(integer) {
            Ok(integer) => Object::integer(integer),
            // Tcl calculates with numbers of any length.
            Err(_) => Object::string(&integer.to_string()),
        },
        Returned::Float(float) => Object::double(float),
        Returned::External(bytes) => Object::external(within(bytes.len()).map(|_| &bytes)?),
        Returned::Raw(bytes) => Object::raw(within(bytes.len()).map(|_| &bytes)?),
        Returned::List(values) => {
            memory::room_for(values.iter().map(size_of_element).sum(), LIST)?;
            list(values.into_iter().map(value))?
        }
        Returned::Answer(answer) => match Made::of_answer(answer)? {
            Made::Value(object) => object,
            Made::Command(_) => return Err(Error::msg("internal error: a command in a list")),
        },
    })
}

fn buffer(bytes: Vec<u8>) -> Made {
    Made::Command(Content::Buffer(Memory::Own(bytes, MadeIn::now()).into()))
}

fn reserved(size: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    memory::reserve(&mut bytes, size, "a buffer")?;
    Ok(bytes)
}

/// Zeroes, for which the system gives memory only when they are touched.
fn zeroed(size: usize) -> Result<Vec<u8>> {
    match Layout::array::<u8>(size) {
        Ok(layout) if size > 0 => {
            // SAFETY: the layout is not empty. What is allocated so is what a vector of this
            // capacity has allocated, and all of its bytes are there.
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

/// What there is no memory for, in a message.
const LIST: &str = "a list";

/// About as much as Tcl takes for an extent: a list and three numbers.
const SIZE_OF_EXTENT: usize = 320;

/// About as much as Tcl takes for an element of a list.
fn size_of_element(element: &Returned<'_>) -> usize {
    const VALUE: usize = 80;
    match element {
        Returned::Raw(bytes) | Returned::External(bytes) => VALUE + bytes.len(),
        _ => VALUE,
    }
}

fn list(values: impl ExactSizeIterator<Item = Result<Object>>) -> Result<Object> {
    let mut list = Vec::new();
    memory::reserve(&mut list, values.len(), LIST)?;
    for value in values {
        list.push(value?);
    }
    Ok(Object::list(&list))
}

fn extent(extent: &Extent) -> Object {
    let number = |number: u64| Object::integer(i64::try_from(number).unwrap_or(i64::MAX));
    let extent_type = Object::integer(extent.extent_type.bits().into());
    Object::list(&[number(extent.offset), number(extent.length), extent_type])
}
