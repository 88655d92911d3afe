//! The methods of `nbdkit.file`: a file or a block device, which a disk's data are kept in.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::sync::Arc;

use super::arguments::{Arguments, at_most, bytes_at, count_at, flags_at, offset_at, string_at};
use super::call::{Answer, Call, Method, Methods};
use super::range::Range;
use super::watch;
use crate::error::{Error, Result};
use crate::file::{Closable, File, Mode};
use crate::host;
use crate::values::Flags;

/// Gives a language all methods of files.
pub fn methods(list: &mut impl Methods) {
    list.add::<Pread>("pread");
    list.add::<Pwrite>("pwrite");
    list.add::<Flush>("flush");
    list.add::<Sync>("sync");
    list.add::<Size>("size");
    list.add::<Truncate>("truncate");
    list.add::<Zero>("zero");
    list.add::<Trim>("trim");
    list.add::<Extents>("extents");
    list.add::<Cache>("cache");
    list.add::<Lock>("lock");
    list.add::<Close>("close");
}

/// The error about an object whose file has been closed, and that has forgotten which it was.
#[cold]
pub fn closed() -> Error {
    Error::new(libc::EBADF, "this file is closed")
}

/// A string this long is only made after the file has been asked whether there is so much of it.
const LONG: usize = 1 << 16;

/// `nbdkit.file(path, mode, size?)`.
pub(super) fn open<'a>(call: Arguments<'_, 'a>) -> Result<Answer<'a>> {
    let path = string_at(call, 1, "the path")?;
    let mode = string_at(call, 2, "the mode")?;
    let size = match call.has(3) {
        true => Some(count_at(call, 3, "size")? as u64),
        false => None,
    };
    let mode = Mode::from_name(&mode, size)?;
    let file = File::open(absolute(OsString::from_vec(path).into())?, mode)?;
    Ok(Answer::File(Arc::new(Closable::from(file))))
}

/// Messages name a file so that people find it, whatever directory nbdkit is in.
fn absolute(path: PathBuf) -> Result<PathBuf> {
    if path.is_absolute() { Ok(path) } else { host::absolute_path(&path) }
}

/// `file:pread(count, offset)` returns a string; `file:pread(buffer, offset)` fills the buffer.
struct Pread;

impl Method for Pread {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 3)?;
        let file = call.file(1)?;
        if call.number(2).is_some() || !call.has_buffers() {
            let (count, offset) = (count_at(call, 2, "count")?, offset_at(call, 3)?);
            if count > LONG {
                file.with(|file| file.check_inside(count as u64, offset))?;
            }
            return Ok(Answer::Read(Range::of_file(Arc::clone(file), count, offset)));
        }
        let mut buffer = call.buffer(2)?;
        let offset = offset_at(call, 3)?;
        buffer.write_with(|bytes| file.with(|file| file.pread(bytes, offset)))?;
        Ok(Answer::Nothing)
    }
}

/// `file:pwrite(string_or_buffer, offset, flags?)`.
struct Pwrite;

impl Method for Pwrite {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 4)?;
        let file = call.file(1)?;
        watch::shared();
        let (data, offset) = (bytes_at(call, 2)?, offset_at(call, 3)?);
        let flags = flags_at(call, 4)?;
        file.with(|file| file.pwrite(data, offset, flags)).map(|()| Answer::Nothing)
    }
}

/// `file:flush()`.
struct Flush;

impl Method for Flush {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 1)?;
        call.file(1)?.with(File::flush).map(|()| Answer::Nothing)
    }
}

/// `file:sync()`.
struct Sync;

impl Method for Sync {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 1)?;
        call.file(1)?.with(File::sync).map(|()| Answer::Nothing)
    }
}

/// `file:size()`.
struct Size;

impl Method for Size {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 1)?;
        let size = call.file(1)?.with(File::size)?;
        Ok(Answer::of_u64(size))
    }
}

/// `file:truncate(size)`.
struct Truncate;

impl Method for Truncate {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 2)?;
        let file = call.file(1)?;
        watch::shared();
        let size = count_at(call, 2, "size")? as u64;
        file.with(|file| file.truncate(size)).map(|()| Answer::Nothing)
    }
}

/// The file of a method, and its arguments `count, offset, flags?`.
fn range_of<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<(&'a Arc<Closable>, u64, u64, Flags)> {
    at_most(call, 4)?;
    let file = call.file(1)?;
    let count = count_at(call, 2, "count")? as u64;
    Ok((file, count, offset_at(call, 3)?, flags_at(call, 4)?))
}

/// `file:zero(count, offset, flags?)`.
struct Zero;

impl Method for Zero {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        let (file, count, offset, flags) = range_of(call)?;
        watch::shared();
        file.with(|file| file.zero(count, offset, flags)).map(|()| Answer::Nothing)
    }
}

/// `file:trim(count, offset, flags?)`.
struct Trim;

impl Method for Trim {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        let (file, count, offset, flags) = range_of(call)?;
        watch::shared();
        file.with(|file| file.trim(count, offset, flags)).map(|()| Answer::Nothing)
    }
}

/// `file:extents(count, offset, flags?)`: as the callback of that name returns them.
struct Extents;

impl Method for Extents {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        let (file, count, offset, flags) = range_of(call)?;
        file.with(|file| file.extents(count, offset, flags)).map(Answer::Extents)
    }
}

/// `file:cache(count, offset)`. It takes flags as well, for nbdkit's callback has them, and no flag
/// changes anything.
struct Cache;

impl Method for Cache {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        let (file, count, offset, _) = range_of(call)?;
        file.with(|file| file.cache(count, offset)).map(|()| Answer::Nothing)
    }
}

/// `file:lock()`.
struct Lock;

impl Method for Lock {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 1)?;
        call.file(1)?.with(File::lock).map(|()| Answer::Nothing)
    }
}

/// `file:close()`. One argument too many is not refused, for Lua calls this at the end of a
/// variable that is to be closed, and passes the error that ended it.
#[derive(Debug)]
pub struct Close;

impl Method for Close {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 2)?;
        call.file(1)?.close();
        Ok(Answer::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{self, Fake, Value, integer, own};
    use super::*;
    use crate::script::api::{Buffer, run};
    use std::cell::RefCell;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    fn call<'a>(name: &'static str, values: Vec<Value<'a>>) -> Result<Answer<'a>, String> {
        fake::call(name, values, |find| methods(find))
    }

    fn new(path: &Path, mode: &'static [u8], size: i64) -> Result<Arc<Closable>, String> {
        let path = path.as_os_str().as_bytes();
        let call = Fake::function(vec![Value::Text(path), Value::Text(mode), integer(size)]);
        match open(&call).map_err(|error| error.to_string())? {
            Answer::File(file) => Ok(file),
            other => panic!("{other:?}"),
        }
    }

    /// A path for the test of this name.
    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("nbdkit-script-api-{name}-{}", std::process::id()))
    }

    #[test]
    fn what_is_written_is_read_into_a_string_and_into_a_buffer() {
        let path = path("read");
        let file = &new(&path, b"create", 1000).unwrap();
        std::fs::remove_file(&path).unwrap();
        let abc = vec![Value::File(file), Value::Text(b"abc"), integer(100), integer(2)];
        call("pwrite", abc).unwrap();
        let mut bytes = [0xaa; 5];
        call("pread", vec![Value::File(file), own(&mut bytes), integer(99)]).unwrap();
        assert_eq!(&bytes, b"\0abc\0");
        let Ok(Answer::Read(range)) =
            call("pread", vec![Value::File(file), integer(3), integer(101)])
        else {
            panic!("a range")
        };
        let mut bytes = vec![0xaa; range.count()];
        range.fill(&mut bytes).unwrap();
        assert_eq!(&bytes, b"bc\0");
        // It is closed before the language has read.
        call("close", vec![Value::File(file)]).unwrap();
        assert_eq!(range.fill(&mut bytes).unwrap_err().errno(), libc::EBADF);
    }

    #[test]
    fn a_long_string_is_refused_before_there_is_memory_for_it() {
        let path = path("long");
        let file = &new(&path, b"create", 1000).unwrap();
        let read = call("pread", vec![Value::File(file), integer(1 << 40), integer(0)]);
        std::fs::remove_file(&path).unwrap();
        assert!(read.unwrap_err().ends_with(": it ends at 1000"));
    }

    #[test]
    fn a_wrong_call_is_a_mistake_and_what_the_system_refuses_is_not() {
        let path = path("mistake");
        let file = &new(&path, b"create", 1000).unwrap();
        std::fs::remove_file(&path).unwrap();
        let errno = |count, offset| {
            let call = Fake::method("zero", vec![Value::File(file), count, offset]);
            run::<Zero>(&call).unwrap_err().errno()
        };
        assert_eq!(errno(Value::Text(b"1"), integer(0)), libc::EIO);
        assert_eq!(errno(integer(-1), integer(0)), libc::EIO);
        // The offset is one that a file cannot have.
        assert_eq!(errno(integer(1), integer(i64::MAX)), libc::EINVAL);
        let closed = |call: &Fake<'_>| run::<Flush>(call).unwrap_err().errno();
        file.close();
        assert_eq!(closed(&Fake::method("flush", vec![Value::File(file)])), libc::EBADF);
    }

    #[test]
    fn refusals() {
        let path = path("refusals");
        let file = &new(&path, b"create", 1000).unwrap();
        std::fs::remove_file(&path).unwrap();
        let data = Value::Buffer(RefCell::new(Some(Buffer::Data(b"abc"))));
        let message = call("pread", vec![Value::File(file), data, integer(0)]).unwrap_err();
        assert!(message.starts_with("pread: this buffer is read-only"), "{message}");
        let message = call("size", vec![integer(1)]).unwrap_err();
        assert_eq!(message, "size: found a number, expected a file");
        let words = vec![Value::File(file), integer(1), integer(0), Value::Text(b"fua")];
        let message = call("zero", words).unwrap_err();
        assert_eq!(message, "zero: argument 3: found \"fua\", expected flags, a number");
        assert!(new(&path, b"create", -1).unwrap_err().contains("the size: found -1"));
        assert!(new(&path, b"x", 1).unwrap_err().starts_with("found the mode \"x\""));
        let number = Fake::function(vec![integer(1), Value::Text(b"r")]);
        let message = open(&number).unwrap_err().to_string();
        assert_eq!(message, "argument 1 (the path): found a number, expected a string");
    }
}
