//! What a command in Rust returns, as a value of Tcl's.

use nbdkit_script::library::{self, Answer};
use nbdkit_script::{Error, Extent, Result};

use super::command::{Kind, Memory};
use super::object::{MOST_BYTES, Object};

/// What becomes of an answer.
pub(super) enum Made {
    Value(Object),
    /// What is a command itself.
    Command(Kind),
}

impl Made {
    /// # Errors
    /// If there is no memory, or if it is more than a value of Tcl's can hold.
    pub(super) fn of(answer: Answer<'_>) -> Result<Self> {
        Ok(Made::Value(match answer {
            Answer::Nothing => Object::string(""),
            Answer::Integer(integer) => Object::integer(integer),
            Answer::Float(float) => Object::double(float),
            Answer::Bytes(bytes) => Object::bytes(within(bytes.len()).map(|_| bytes)?),
            Answer::NewBuffer(size) => {
                let mut bytes = reserved(size)?;
                bytes.resize(size, 0);
                return Ok(buffer(bytes));
            }
            Answer::BufferOf(content) => {
                let mut bytes = reserved(content.len())?;
                bytes.extend_from_slice(content);
                return Ok(buffer(bytes));
            }
            Answer::Disk(disk) => return Ok(Made::Command(Kind::Disk(disk))),
            Answer::ReadDisk { disk, offset, count } => {
                Object::bytes_with(within(count)?, |bytes| {
                    library::disk::read(disk, offset, bytes)
                })?
            }
            Answer::Extents(extents) => {
                Object::list(&extents.iter().map(extent).collect::<Vec<_>>())
            }
        }))
    }
}

fn buffer(bytes: Vec<u8>) -> Made {
    Made::Command(Kind::Buffer(Memory::Own(bytes).into()))
}

fn reserved(size: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(size)
        .map_err(|_| Error::new(libc::ENOMEM, format!("no memory for a buffer of {size} bytes")))?;
    Ok(bytes)
}

fn within(count: usize) -> Result<usize> {
    if count <= MOST_BYTES {
        return Ok(count);
    }
    Err(Error::new(
        libc::EOVERFLOW,
        format!("{count} bytes are more than a value of Tcl holds, which is {MOST_BYTES}"),
    ))
}

fn extent(extent: &Extent) -> Object {
    let number = |number: u64| Object::integer(i64::try_from(number).unwrap_or(i64::MAX));
    let kind = Object::integer(extent.kind.bits().into());
    Object::list(&[number(extent.offset), number(extent.length), kind])
}
