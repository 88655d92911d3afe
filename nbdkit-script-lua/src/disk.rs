//! `nbdkit.disk`: a disk in memory that all interpreters see.

use std::ffi::c_int;

use nbdkit_script::store::{self, Part};

use crate::buffer::{at_most, count_at, surplus};
use crate::interpreter::{Answer, Buffer, Call, Message, Method, Register, Type};

type Result<T> = std::result::Result<T, Message>;

/// The type, for an interpreter to be told.
pub const TYPE: Type<'static> =
    Type { name: "nbdkit.disk", methods: &METHODS, metamethods: &METAMETHODS };

/// `nbdkit.disk`.
pub const NEW: Register = Register::new::<New>("disk");

const METHODS: [Register; 6] = [
    Register::new::<Pread>("pread"),
    Register::new::<Pwrite>("pwrite"),
    Register::new::<Zero>("zero"),
    // What is trimmed reads as zeroes here, so the two are one.
    Register::new::<Zero>("trim"),
    Register::new::<Extents>("extents"),
    Register::new::<Size>("size"),
];

const METAMETHODS: [Register; 1] = [Register::new::<Describe>("__tostring")];

fn text(error: nbdkit_script::Error) -> Message {
    error.to_string()
}

fn offset_at(call: &Call<'_>, index: c_int) -> Result<u64> {
    count_at(call, index, "offset").map(|offset| offset as u64)
}

/// `nbdkit.disk(name, size)`.
struct New;

impl Method for New {
    fn run<'a>(call: &Call<'a>) -> Result<Answer<'a>> {
        if call.count() > 2 {
            return Err(surplus(call.count(), 2));
        }
        let name = call.string(1).ok_or_else(|| call.wrong_type(1, "a string, the name"))?;
        let size = count_at(call, 2, "size")? as u64;
        if i64::try_from(size).is_err() {
            return Err(format!("argument 2, the size: {size} is more than 2^63 - 1"));
        }
        store::disk(name, size).map(Answer::Disk).map_err(text)
    }
}

/// `disk:pread(count, offset)` returns a string; `disk:pread(buffer, offset)` fills the buffer.
struct Pread;

impl Method for Pread {
    fn run<'a>(call: &Call<'a>) -> Result<Answer<'a>> {
        at_most(call, 3)?;
        let disk = call.disk(1)?;
        let offset = offset_at(call, 3)?;
        if call.is_number(2) {
            let count = count_at(call, 2, "count")?;
            // Asks whether there is so much of the disk, before memory is taken for it.
            disk.read(offset, 0, |_| Ok(())).map_err(text)?;
            if count as u64 > disk.size() - offset {
                return Err(format!(
                    "offset {offset} and {count} bytes from there are past the end of the disk, \
                     which has {} bytes",
                    disk.size()
                ));
            }
            return Ok(Answer::ReadDisk { disk, offset, count });
        }
        let mut buffer = call.buffer(2)?;
        let count = buffer.len() as u64;
        let mut done = 0;
        let mut refused = None;
        let read = disk.read(offset, count, |part| {
            let put = match part {
                Part::Data(data) => buffer.write(done, data).map(|()| data.len()),
                Part::Hole(count) => buffer.fill(done, 0, count).map(|()| count),
            };
            match put {
                Ok(count) => {
                    done += count;
                    Ok(())
                }
                Err(message) => {
                    refused = Some(message);
                    Err(nbdkit_script::Error::not_defined())
                }
            }
        });
        match (refused, read) {
            (Some(message), _) => Err(message),
            (None, read) => read.map(|()| Answer::Nothing).map_err(text),
        }
    }
}

/// `disk:pwrite(string_or_buffer, offset)`.
struct Pwrite;

impl Method for Pwrite {
    fn run<'a>(call: &Call<'a>) -> Result<Answer<'a>> {
        at_most(call, 3)?;
        let disk = call.disk(1)?;
        let offset = offset_at(call, 3)?;
        let written = match call.string(2) {
            Some(data) => disk.write(data, offset),
            None => {
                let buffer = call.buffer(2)?;
                let count = buffer.len();
                disk.write(Buffer::bytes(buffer, 0, count)?, offset)
            }
        };
        written.map(|()| Answer::Nothing).map_err(text)
    }
}

/// `disk:zero(count, offset)`, and `disk:trim(count, offset)`.
struct Zero;

impl Method for Zero {
    fn run<'a>(call: &Call<'a>) -> Result<Answer<'a>> {
        at_most(call, 3)?;
        let disk = call.disk(1)?;
        let count = count_at(call, 2, "count")? as u64;
        disk.zero(offset_at(call, 3)?, count).map(|()| Answer::Nothing).map_err(text)
    }
}

/// `disk:extents(count, offset)`: as the callback of that name returns them.
struct Extents;

impl Method for Extents {
    fn run<'a>(call: &Call<'a>) -> Result<Answer<'a>> {
        at_most(call, 3)?;
        let disk = call.disk(1)?;
        let count = count_at(call, 2, "count")? as u64;
        disk.extents(offset_at(call, 3)?, count).map(Answer::Extents).map_err(text)
    }
}

/// `disk:size()`.
struct Size;

impl Method for Size {
    fn run<'a>(call: &Call<'a>) -> Result<Answer<'a>> {
        at_most(call, 1)?;
        Ok(Answer::Integer(call.disk(1)?.size() as i64))
    }
}

/// `tostring(disk)`.
struct Describe;

impl Method for Describe {
    fn run<'a>(_: &Call<'a>) -> Result<Answer<'a>> {
        Ok(Answer::Bytes(b"nbdkit.disk"))
    }
}
