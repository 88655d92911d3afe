//! The methods of buffers: those of Luau's `buffer` library, little-endian as there, with a
//! big-endian one beside each (`readu32be`).
//!
//! Offsets count from 0, in bytes. Each access is checked against the buffer's end.

use std::ffi::c_int;
use std::marker::PhantomData;

use crate::interpreter::{Answer, Buffer, Call, Message, Method, Number, Register, Type};
use crate::scalar::{Scalar, integer};

type Result<T> = std::result::Result<T, Message>;

/// The type, for an interpreter to be told.
pub const TYPE: Type<'static> =
    Type { name: "nbdkit.buffer", methods: &METHODS, metamethods: &METAMETHODS };

/// `nbdkit.buffer`.
pub const NEW: Register = Register::new::<New>("buffer");

const METHODS: [Register; 38] = [
    Register::new::<Read<i8, false>>("readi8"),
    Register::new::<Read<u8, false>>("readu8"),
    Register::new::<Read<i16, false>>("readi16"),
    Register::new::<Read<u16, false>>("readu16"),
    Register::new::<Read<i32, false>>("readi32"),
    Register::new::<Read<u32, false>>("readu32"),
    Register::new::<Read<i64, false>>("readi64"),
    Register::new::<Read<f32, false>>("readf32"),
    Register::new::<Read<f64, false>>("readf64"),
    Register::new::<Read<i16, true>>("readi16be"),
    Register::new::<Read<u16, true>>("readu16be"),
    Register::new::<Read<i32, true>>("readi32be"),
    Register::new::<Read<u32, true>>("readu32be"),
    Register::new::<Read<i64, true>>("readi64be"),
    Register::new::<Read<f32, true>>("readf32be"),
    Register::new::<Read<f64, true>>("readf64be"),
    Register::new::<Write<i8, false>>("writei8"),
    Register::new::<Write<u8, false>>("writeu8"),
    Register::new::<Write<i16, false>>("writei16"),
    Register::new::<Write<u16, false>>("writeu16"),
    Register::new::<Write<i32, false>>("writei32"),
    Register::new::<Write<u32, false>>("writeu32"),
    Register::new::<Write<i64, false>>("writei64"),
    Register::new::<Write<f32, false>>("writef32"),
    Register::new::<Write<f64, false>>("writef64"),
    Register::new::<Write<i16, true>>("writei16be"),
    Register::new::<Write<u16, true>>("writeu16be"),
    Register::new::<Write<i32, true>>("writei32be"),
    Register::new::<Write<u32, true>>("writeu32be"),
    Register::new::<Write<i64, true>>("writei64be"),
    Register::new::<Write<f32, true>>("writef32be"),
    Register::new::<Write<f64, true>>("writef64be"),
    Register::new::<ReadString>("readstring"),
    Register::new::<WriteString>("writestring"),
    Register::new::<Copy>("copy"),
    Register::new::<Fill>("fill"),
    Register::new::<ToString>("tostring"),
    Register::new::<Length>("len"),
];

const METAMETHODS: [Register; 2] =
    [Register::new::<Length>("__len"), Register::new::<Describe>("__tostring")];

impl<'a> Buffer<'a> {
    /// Bytes of it, for as long as it is there.
    pub fn bytes(self, offset: usize, count: usize) -> Result<&'a [u8]> {
        let length = self.len();
        let bytes = match self {
            Buffer::Own(bytes) => offset.checked_add(count).and_then(|end| bytes.get(offset..end)),
            Buffer::Fill(buffer) => buffer.read_at(offset, count),
            Buffer::Data(data) => offset.checked_add(count).and_then(|end| data.get(offset..end)),
        };
        bytes.ok_or_else(|| past_end(offset, count, length))
    }

    pub fn len(&self) -> usize {
        match self {
            Buffer::Own(bytes) => bytes.len(),
            Buffer::Fill(buffer) => buffer.len(),
            Buffer::Data(data) => data.len(),
        }
    }

    /// The same buffer, for a shorter time.
    fn again(&mut self) -> Buffer<'_> {
        match self {
            Buffer::Own(bytes) => Buffer::Own(bytes),
            Buffer::Fill(buffer) => Buffer::Fill(buffer),
            Buffer::Data(data) => Buffer::Data(data),
        }
    }

    fn read(&mut self, offset: usize, count: usize) -> Result<&[u8]> {
        self.again().bytes(offset, count)
    }

    pub fn write(&mut self, offset: usize, data: &[u8]) -> Result<()> {
        let length = self.len();
        let written = match self {
            Buffer::Own(bytes) => offset
                .checked_add(data.len())
                .and_then(|end| bytes.get_mut(offset..end))
                .map(|place| place.copy_from_slice(data))
                .is_some(),
            Buffer::Fill(buffer) => buffer.write_at(offset, data),
            Buffer::Data(_) => return Err(read_only()),
        };
        if written { Ok(()) } else { Err(past_end(offset, data.len(), length)) }
    }

    /// So many times the same byte.
    pub fn fill(&mut self, offset: usize, byte: u8, count: usize) -> Result<()> {
        let length = self.len();
        let filled = match self {
            Buffer::Own(bytes) => offset
                .checked_add(count)
                .and_then(|end| bytes.get_mut(offset..end))
                .map(|place| place.fill(byte))
                .is_some(),
            Buffer::Fill(buffer) => buffer.fill_at(offset, byte, count),
            Buffer::Data(_) => return Err(read_only()),
        };
        if filled { Ok(()) } else { Err(past_end(offset, count, length)) }
    }
}

#[cold]
fn past_end(offset: usize, count: usize, length: usize) -> Message {
    format!(
        "offset {offset} and {count} bytes from there are past the end of the buffer, \
         which has {length} bytes"
    )
}

#[cold]
fn read_only() -> Message {
    "this buffer is read-only: it is what a client writes".to_string()
}

/// An argument that counts bytes.
pub fn count_at(call: &Call<'_>, index: c_int, what: &str) -> Result<usize> {
    let invalid = |found: &dyn std::fmt::Display| {
        format!("argument {index}, the {what}: found {found}, expected a whole number from 0 on")
    };
    match call.number(index)? {
        Number::Integer(number) => usize::try_from(number).map_err(|_| invalid(&number)),
        // Past 2^53 there are gaps between the floats; no buffer is that long.
        Number::Float(number) if (0.0..9e15).contains(&number) && number.fract() == 0.0 => {
            Ok(number as usize)
        }
        Number::Float(number) => Err(invalid(&in_short(number))),
    }
}

/// A number with as many digits as it is worth: 1e300 would have 301.
pub fn in_short(number: f64) -> String {
    if (1e-5..1e21).contains(&number.abs()) || number == 0.0 {
        number.to_string()
    } else {
        format!("{number:e}")
    }
}

fn optional_count_at(call: &Call<'_>, index: c_int, what: &str) -> Result<Option<usize>> {
    if call.has(index) { count_at(call, index, what).map(Some) } else { Ok(None) }
}

/// Refuses arguments after the last one that a method knows. What is before the colon is the first,
/// and nobody counts it.
pub fn at_most(call: &Call<'_>, most: c_int) -> Result<()> {
    if call.count() > most {
        return Err(surplus(call.count() - 1, most - 1));
    }
    Ok(())
}

/// The message about too many arguments.
pub fn surplus(count: c_int, most: c_int) -> Message {
    format!("{count} arguments, expected at most {most}")
}

/// `buf:readu32(offset)` and its like.
struct Read<T, const BIG_ENDIAN: bool>(PhantomData<T>);

impl<T: Scalar, const BIG_ENDIAN: bool> Method for Read<T, BIG_ENDIAN> {
    fn run<'a>(call: &Call<'a>) -> Result<Answer<'a>> {
        at_most(call, 2)?;
        let mut buffer = call.buffer(1)?;
        let offset = count_at(call, 2, "offset")?;
        Ok(T::read(buffer.read(offset, T::SIZE)?, BIG_ENDIAN))
    }
}

/// `buf:writeu32(offset, value)` and its like.
struct Write<T, const BIG_ENDIAN: bool>(PhantomData<T>);

impl<T: Scalar, const BIG_ENDIAN: bool> Method for Write<T, BIG_ENDIAN> {
    fn run<'a>(call: &Call<'a>) -> Result<Answer<'a>> {
        at_most(call, 3)?;
        let mut buffer = call.buffer(1)?;
        let offset = count_at(call, 2, "offset")?;
        let bytes = T::write(call.number(3)?, BIG_ENDIAN)
            .ok_or_else(|| "argument 3, the value: expected a whole number".to_string())?;
        buffer.write(offset, &bytes[..T::SIZE])?;
        Ok(Answer::Nothing)
    }
}

/// `buf:readstring(offset, count)`.
struct ReadString;

impl Method for ReadString {
    fn run<'a>(call: &Call<'a>) -> Result<Answer<'a>> {
        at_most(call, 3)?;
        let buffer = call.buffer(1)?;
        let offset = count_at(call, 2, "offset")?;
        let count = count_at(call, 3, "count")?;
        buffer.bytes(offset, count).map(Answer::Bytes)
    }
}

/// `buf:writestring(offset, string, count?)`.
struct WriteString;

impl Method for WriteString {
    fn run<'a>(call: &Call<'a>) -> Result<Answer<'a>> {
        at_most(call, 4)?;
        let mut buffer = call.buffer(1)?;
        let offset = count_at(call, 2, "offset")?;
        let data = call.string(3).ok_or_else(|| call.wrong_type(3, "a string"))?;
        let count = optional_count_at(call, 4, "count")?.unwrap_or(data.len());
        let data = data.get(..count).ok_or_else(|| {
            format!("the count is {count}, but the string has {} bytes", data.len())
        })?;
        buffer.write(offset, data)?;
        Ok(Answer::Nothing)
    }
}

/// `buf:copy(target_offset, source, source_offset?, count?)`.
struct Copy;

impl Method for Copy {
    fn run<'a>(call: &Call<'a>) -> Result<Answer<'a>> {
        at_most(call, 5)?;
        let target_offset = count_at(call, 2, "target offset")?;
        let source_offset = optional_count_at(call, 4, "source offset")?.unwrap_or(0);
        let count = optional_count_at(call, 5, "count")?;
        if call.same(1, 3) {
            let mut buffer = call.buffer(1)?;
            let count = rest(count, source_offset, buffer.len());
            within(&mut buffer, target_offset, source_offset, count)?;
        } else {
            let mut target = call.buffer(1)?;
            let mut source = call.buffer(3)?;
            let count = rest(count, source_offset, source.len());
            target.write(target_offset, source.read(source_offset, count)?)?;
        }
        Ok(Answer::Nothing)
    }
}

/// Without a count, all that follows the offset.
fn rest(count: Option<usize>, offset: usize, length: usize) -> usize {
    count.unwrap_or(length.saturating_sub(offset))
}

/// Copies inside one buffer; the ranges may overlap.
fn within(buffer: &mut Buffer<'_>, to: usize, from: usize, count: usize) -> Result<()> {
    let length = buffer.len();
    buffer.read(from, count)?;
    if to.checked_add(count).is_none_or(|end| end > length) {
        return Err(past_end(to, count, length));
    }
    match buffer {
        Buffer::Own(bytes) => bytes.copy_within(from..from + count, to),
        Buffer::Fill(buffer) => {
            buffer.copy_within(from, to, count);
        }
        Buffer::Data(_) => return Err(read_only()),
    }
    Ok(())
}

/// `buf:fill(offset, byte, count?)`.
struct Fill;

impl Method for Fill {
    fn run<'a>(call: &Call<'a>) -> Result<Answer<'a>> {
        at_most(call, 4)?;
        let mut buffer = call.buffer(1)?;
        let offset = count_at(call, 2, "offset")?;
        let byte = integer(call.number(3)?)
            .ok_or_else(|| "argument 3, the byte: expected a whole number".to_string())?
            as u8;
        let count = rest(optional_count_at(call, 4, "count")?, offset, buffer.len());
        buffer.fill(offset, byte, count)?;
        Ok(Answer::Nothing)
    }
}

/// `buf:tostring()`: all of it.
struct ToString;

impl Method for ToString {
    fn run<'a>(call: &Call<'a>) -> Result<Answer<'a>> {
        at_most(call, 1)?;
        let buffer = call.buffer(1)?;
        let length = buffer.len();
        buffer.bytes(0, length).map(Answer::Bytes)
    }
}

/// `buf:len()` and `#buf`. Lua passes the operand of `#` twice.
struct Length;

impl Method for Length {
    fn run<'a>(call: &Call<'a>) -> Result<Answer<'a>> {
        at_most(call, 2)?;
        Ok(Answer::Integer(call.buffer(1)?.len() as i64))
    }
}

/// `tostring(buf)`: what it is, not what is in it.
struct Describe;

impl Method for Describe {
    fn run<'a>(_: &Call<'a>) -> Result<Answer<'a>> {
        Ok(Answer::Bytes(b"nbdkit.buffer"))
    }
}

/// `nbdkit.buffer(size)` and `nbdkit.buffer(string)`.
struct New;

impl Method for New {
    fn run<'a>(call: &Call<'a>) -> Result<Answer<'a>> {
        if call.count() != 1 {
            return Err(format!(
                "{} arguments, expected 1: a size in bytes, or a string",
                call.count()
            ));
        }
        match call.string(1) {
            Some(bytes) => Ok(Answer::BufferOf(bytes)),
            None => Ok(Answer::NewBuffer(count_at(call, 1, "size")?)),
        }
    }
}
