//! The methods of `nbdkit.disk`: a disk in memory that all interpreters see.

use super::arguments::{at_most, bytes_at, count_at, offset_at};
use super::call::{Answer, Call, Method, Methods};
use super::range::Range;
use super::watch;
use crate::error::{Error, Result};
use crate::script::store::{self, Disk, Part};

/// Gives a language all methods of disks.
pub fn methods(list: &mut impl Methods) {
    list.add::<Pread>("pread");
    list.add::<Pwrite>("pwrite");
    list.add::<Zero>("zero");
    // What is trimmed reads as zeroes here, so the two are one.
    list.add::<Zero>("trim");
    list.add::<Extents>("extents");
    list.add::<Size>("size");
}

/// `nbdkit.disk(name, size)`, in bytes. The same name is the same disk, in all instances.
#[derive(Debug)]
pub struct New;

impl Method for New {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        let name = call.data(1).ok_or_else(|| call.wrong_type(1, "a string, the name"))?;
        let size = count_at(call, 2, "size")? as u64;
        if size > Disk::LARGEST {
            return Err(Error::invalid(format!(
                "argument {}, the size: {size} is more than 2^63 - 1",
                call.position(2)
            )));
        }
        store::disk(name, size).map(Answer::Disk)
    }
}

/// `disk:pread(count, offset)` returns a string; `disk:pread(buffer, offset)` fills the buffer.
struct Pread;

impl Method for Pread {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 3)?;
        let disk = call.disk(1)?;
        if call.number(2).is_some() || !call.has_buffers() {
            let (count, offset) = (count_at(call, 2, "count")?, offset_at(call, 3)?);
            // Before memory is taken for it.
            if disk.size().checked_sub(offset).is_none_or(|rest| count as u64 > rest) {
                return Err(Error::invalid(format!(
                    "offset {offset} and {count} bytes from there are past the end of the disk, \
                     which has {} bytes",
                    disk.size()
                )));
            }
            return Ok(Answer::Read(Range::of_disk(disk, count, offset)));
        }
        let mut buffer = call.buffer(2)?;
        let offset = offset_at(call, 3)?;
        let count = buffer.len() as u64;
        let mut done = 0;
        disk.read(offset, count, |part| {
            done += match part {
                Part::Data(data) => buffer.write(done, data).map(|()| data.len())?,
                Part::Hole(count) => buffer.fill(done, 0, count).map(|()| count)?,
            };
            Ok(())
        })?;
        Ok(Answer::Nothing)
    }
}

/// `disk:pwrite(string_or_buffer, offset)`.
struct Pwrite;

impl Method for Pwrite {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 3)?;
        let disk = call.disk(1)?;
        watch::shared();
        let (data, offset) = (bytes_at(call, 2)?, offset_at(call, 3)?);
        disk.write(data, offset).map(|()| Answer::Nothing)
    }
}

/// `disk:zero(count, offset)`, and `disk:trim(count, offset)`.
struct Zero;

impl Method for Zero {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 3)?;
        let disk = call.disk(1)?;
        watch::shared();
        let count = count_at(call, 2, "count")? as u64;
        disk.zero(offset_at(call, 3)?, count).map(|()| Answer::Nothing)
    }
}

/// `disk:extents(count, offset)`: as the callback of that name returns them.
struct Extents;

impl Method for Extents {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 3)?;
        let disk = call.disk(1)?;
        let count = count_at(call, 2, "count")? as u64;
        disk.extents(offset_at(call, 3)?, count).map(Answer::Extents)
    }
}

/// `disk:size()`.
struct Size;

impl Method for Size {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 1)?;
        Ok(Answer::Integer(call.disk(1)?.size() as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{self, Value, integer, own};
    use super::*;

    fn call<'a>(name: &'static str, values: Vec<Value<'a>>) -> Result<Answer<'a>, String> {
        fake::call(name, values, |find| methods(find))
    }

    fn new(name: &'static [u8], size: i64) -> Result<&'static Disk, String> {
        match New::run(&fake::Fake::function(vec![Value::Text(name), integer(size)]))
            .map_err(|error| error.to_string())?
        {
            Answer::Disk(disk) => Ok(disk),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_written_is_read_into_a_string_and_into_a_buffer() {
        let disk = new(b"library: read", 1 << 20).unwrap();
        call("pwrite", vec![Value::Disk(disk), Value::Text(b"abc"), integer(70_000)]).unwrap();
        let mut bytes = [0xaa; 8];
        call("pread", vec![Value::Disk(disk), own(&mut bytes), integer(69_998)]).unwrap();
        assert_eq!(&bytes, b"\0\0abc\0\0\0");
        match call("pread", vec![Value::Disk(disk), integer(3), integer(70_001)]) {
            Ok(Answer::Read(range)) => {
                let mut bytes = vec![0xaa; range.count()];
                range.fill(&mut bytes).unwrap();
                assert_eq!(&bytes, b"bc\0");
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn refusals() {
        let disk = new(b"library: refusals", 4).unwrap();
        assert!(new(b"library: refusals", 5).unwrap_err().contains("has 4 bytes"));
        let message = call("pread", vec![Value::Disk(disk), integer(4), integer(1)]).unwrap_err();
        assert!(message.contains("past the end of the disk"), "{message}");
        let message = call("size", vec![integer(1)]).unwrap_err();
        assert_eq!(message, "size: found a number, expected a disk");
        let message = call("zero", vec![Value::Disk(disk), integer(1)]).unwrap_err();
        assert_eq!(message, "zero: argument 2: found nothing, expected a number");
    }
}
