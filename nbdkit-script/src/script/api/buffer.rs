//! The methods of buffers: those of Luau's `buffer` library, little-endian as there, with a
//! big-endian one beside each (`readu32be`).
//!
//! Offsets count from 0, in bytes. Each access is checked against the buffer's end. They are
//! written here as Lua has them, `buf:readu8(offset)`; the buffer is argument 1 of the call.

use std::marker::PhantomData;

use super::arguments::{at_most, count_at, number_at, optional_count_at, wrong_number};
use super::call::{Answer, Call, Method, Methods};
use super::scalar::Scalar;
use crate::error::{Error, Result};
use crate::values::bits;

/// Gives a language all methods of buffers.
pub fn methods(list: &mut impl Methods) {
    list.add::<Read<i8, false>>("readi8");
    list.add::<Read<u8, false>>("readu8");
    list.add::<Read<i16, false>>("readi16");
    list.add::<Read<u16, false>>("readu16");
    list.add::<Read<i32, false>>("readi32");
    list.add::<Read<u32, false>>("readu32");
    list.add::<Read<i64, false>>("readi64");
    list.add::<Read<f32, false>>("readf32");
    list.add::<Read<f64, false>>("readf64");
    list.add::<Read<i16, true>>("readi16be");
    list.add::<Read<u16, true>>("readu16be");
    list.add::<Read<i32, true>>("readi32be");
    list.add::<Read<u32, true>>("readu32be");
    list.add::<Read<i64, true>>("readi64be");
    list.add::<Read<f32, true>>("readf32be");
    list.add::<Read<f64, true>>("readf64be");
    list.add::<Write<i8, false>>("writei8");
    list.add::<Write<u8, false>>("writeu8");
    list.add::<Write<i16, false>>("writei16");
    list.add::<Write<u16, false>>("writeu16");
    list.add::<Write<i32, false>>("writei32");
    list.add::<Write<u32, false>>("writeu32");
    list.add::<Write<i64, false>>("writei64");
    list.add::<Write<f32, false>>("writef32");
    list.add::<Write<f64, false>>("writef64");
    list.add::<Write<i16, true>>("writei16be");
    list.add::<Write<u16, true>>("writeu16be");
    list.add::<Write<i32, true>>("writei32be");
    list.add::<Write<u32, true>>("writeu32be");
    list.add::<Write<i64, true>>("writei64be");
    list.add::<Write<f32, true>>("writef32be");
    list.add::<Write<f64, true>>("writef64be");
    list.add::<ReadString>("readstring");
    list.add::<WriteString>("writestring");
    list.add::<Copy>("copy");
    list.add::<Fill>("fill");
    list.add::<ToString>("tostring");
    list.add::<Length>("len");
}

/// `buf:readu32(offset)` and its like.
struct Read<T, const BIG_ENDIAN: bool>(PhantomData<T>);

impl<T: Scalar, const BIG_ENDIAN: bool> Method for Read<T, BIG_ENDIAN> {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 2)?;
        let mut buffer = call.buffer(1)?;
        let offset = count_at(call, 2, "offset")?;
        Ok(T::read(buffer.read(offset, T::SIZE)?, BIG_ENDIAN))
    }
}

/// `buf:writeu32(offset, value)` and its like.
struct Write<T, const BIG_ENDIAN: bool>(PhantomData<T>);

impl<T: Scalar, const BIG_ENDIAN: bool> Method for Write<T, BIG_ENDIAN> {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 3)?;
        let mut buffer = call.buffer(1)?;
        let offset = count_at(call, 2, "offset")?;
        let number = number_at(call, 3)?;
        let bytes = T::write(number, BIG_ENDIAN)
            .ok_or_else(|| wrong_number(call, 3, "value", &number, "a whole number"))?;
        buffer.write(offset, &bytes[..T::SIZE])?;
        Ok(Answer::Nothing)
    }
}

/// `buf:readstring(offset, count)`.
struct ReadString;

impl Method for ReadString {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
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
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 4)?;
        let mut buffer = call.buffer(1)?;
        let offset = count_at(call, 2, "offset")?;
        let data = call.data(3).ok_or_else(|| call.wrong_type(3, "a string"))?;
        let count = optional_count_at(call, 4, "count")?.unwrap_or(data.len());
        let data = data.get(..count).ok_or_else(|| {
            let length = data.len();
            Error::invalid(format!("the count is {count}, but the string has {length} bytes"))
        })?;
        buffer.write(offset, data)?;
        Ok(Answer::Nothing)
    }
}

/// `buf:copy(target_offset, source, source_offset?, count?)`.
struct Copy;

impl Method for Copy {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 5)?;
        let target_offset = count_at(call, 2, "target offset")?;
        let source_offset = optional_count_at(call, 4, "source offset")?;
        let count = optional_count_at(call, 5, "count")?;
        let source_offset = match source_offset {
            Some(offset) => offset,
            None if count.is_none() => 0,
            // A variable that was misspelt, as it seems.
            None => return Err(call.wrong_type(4, "a number")),
        };
        if call.same(1, 3) {
            let mut buffer = call.buffer(1)?;
            let count = rest(count, source_offset, buffer.len());
            buffer.copy_within(target_offset, source_offset, count)?;
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

/// `buf:fill(offset, byte, count?)`.
struct Fill;

impl Method for Fill {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 4)?;
        let mut buffer = call.buffer(1)?;
        let offset = count_at(call, 2, "offset")?;
        let number = number_at(call, 3)?;
        let byte = bits(number)
            .ok_or_else(|| wrong_number(call, 3, "byte", &number, "a whole number"))?
            as u8;
        let count = rest(optional_count_at(call, 4, "count")?, offset, buffer.len());
        buffer.fill(offset, byte, count)?;
        Ok(Answer::Nothing)
    }
}

/// `buf:tostring()`: all of it.
struct ToString;

impl Method for ToString {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 1)?;
        let buffer = call.buffer(1)?;
        let length = buffer.len();
        buffer.bytes(0, length).map(Answer::Bytes)
    }
}

/// `buf:len()`. One argument too many is not refused, for this is also what `#buf` is in Lua, which
/// passes the operand of `#` twice.
#[derive(Debug)]
pub struct Length;

impl Method for Length {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        at_most(call, 2)?;
        Ok(Answer::Integer(call.buffer(1)?.len() as i64))
    }
}

/// `nbdkit.buffer(size)` and `nbdkit.buffer(string)`.
#[derive(Debug)]
pub struct New;

impl Method for New {
    fn run<'a>(call: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
        if call.count() != 1 {
            let count = call.count();
            return Err(Error::invalid(format!(
                "{count} arguments, expected 1: a size in bytes, or a string"
            )));
        }
        // Without types, a size could be data as well.
        match call.data(1).filter(|_| call.has_types()) {
            Some(bytes) => Ok(Answer::BufferOf(bytes)),
            None => Ok(Answer::NewBuffer(count_at(call, 1, "size")?)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::{self, Value, integer, own};
    use super::*;
    use crate::buffer::ReadBuffer;
    use crate::script::api::Buffer;
    use std::cell::RefCell;

    fn call<'a>(name: &'static str, values: Vec<Value<'a>>) -> Result<Answer<'a>, String> {
        fake::call(name, values, |find| methods(find))
    }

    fn data(bytes: &[u8]) -> Value<'_> {
        Value::Buffer(RefCell::new(Some(Buffer::Data(bytes))))
    }

    #[test]
    fn numbers_are_written_and_read_in_both_orders() {
        let mut bytes = [0; 4];
        call("writeu16", vec![own(&mut bytes), integer(0), integer(0x1_0102)]).unwrap();
        call("writeu16be", vec![own(&mut bytes), integer(2), integer(0x0102)]).unwrap();
        assert_eq!(bytes, [2, 1, 1, 2]);
        let read = |name| match call(name, vec![data(&[2, 1, 1, 0xff]), integer(2)]) {
            Ok(Answer::Integer(integer)) => integer,
            other => panic!("{other:?}"),
        };
        assert_eq!(read("readu16"), 0xff01);
        assert_eq!(read("readu16be"), 0x01ff);
        assert_eq!(read("readi16"), -255);
    }

    #[test]
    fn messages_name_the_method_and_count_without_its_object() {
        let mut bytes = [0; 4];
        fn message(values: Vec<Value<'_>>) -> String {
            call("writeu8", values).unwrap_err()
        }
        assert_eq!(
            message(vec![own(&mut bytes), integer(-1)]),
            "writeu8: argument 1, the offset: found -1, expected a whole number from 0 on"
        );
        assert_eq!(
            message(vec![own(&mut bytes), integer(0), Value::Text(b"x")]),
            "writeu8: argument 2: found \"x\", expected a number"
        );
        let half = Value::Number(crate::values::Number::Float(0.5));
        assert_eq!(
            message(vec![own(&mut bytes), integer(0), half]),
            "writeu8: argument 2, the value: found 0.5, expected a whole number"
        );
        assert_eq!(
            message(vec![own(&mut bytes), integer(0), integer(0), integer(0)]),
            "writeu8: 3 arguments, expected at most 2"
        );
        assert_eq!(message(vec![integer(0)]), "writeu8: found a number, expected a buffer");
    }

    #[test]
    fn nothing_is_read_or_written_past_the_end() {
        let mut bytes = [7; 4];
        let message = call("writeu32", vec![own(&mut bytes), integer(1), integer(0)]).unwrap_err();
        assert_eq!(
            message,
            "writeu32: offset 1 and 4 bytes from there are past the end of the buffer, \
             which has 4 bytes"
        );
        assert_eq!(bytes, [7; 4]);
        let most = integer(i64::MAX);
        assert!(call("readstring", vec![own(&mut bytes), integer(1), most]).is_err());
    }

    #[test]
    fn what_a_client_writes_is_read_only() {
        let message = call("fill", vec![data(b"abc"), integer(0), integer(0)]).unwrap_err();
        assert!(message.starts_with("fill: this buffer is read-only"), "{message}");
    }

    #[test]
    fn copies_between_two_buffers_and_inside_one() {
        let mut bytes = *b"abcdef";
        call("copy", vec![own(&mut bytes), integer(1), data(b"xyz"), integer(1)]).unwrap();
        assert_eq!(&bytes, b"ayzdef");
        let inside = vec![own(&mut bytes), integer(2), Value::Same(1), integer(0), integer(3)];
        call("copy", inside).unwrap();
        assert_eq!(&bytes, b"ayayzf");
        let whole = vec![own(&mut bytes), integer(0), Value::Same(1), Value::Nothing];
        call("copy", whole).unwrap();
        assert_eq!(&bytes, b"ayayzf");
    }

    #[test]
    fn nothing_in_front_of_an_argument_is_not_taken_for_0() {
        let mut bytes = *b"abc";
        let copy = vec![own(&mut bytes), integer(0), data(b"xyz"), Value::Nothing, integer(1)];
        let message = call("copy", copy).unwrap_err();
        assert_eq!(message, "copy: argument 3: found nothing, expected a number");
        assert_eq!(&bytes, b"abc");
    }

    #[test]
    fn floats_count_up_to_where_they_are_exact() {
        let float = |number: f64| Value::Number(crate::values::Number::Float(number));
        let exact = (1_u64 << 53) - 1;
        let new =
            |value| New::run(&fake::Fake::function(vec![value])).map_err(|error| error.to_string());
        assert!(
            matches!(new(float(exact as f64)), Ok(Answer::NewBuffer(size)) if size as u64 == exact)
        );
        for past in [2_f64.powi(53), 1e300] {
            let message = new(float(past)).unwrap_err();
            assert!(message.contains("floating point numbers are not exact"), "{message}");
        }
        for wrong in [-1.0, 0.5, f64::NAN, f64::INFINITY] {
            let message = new(float(wrong)).unwrap_err();
            assert!(message.ends_with("expected a whole number from 0 on"), "{message}");
        }
    }

    #[test]
    fn a_read_request_is_filled_in_place() {
        // The call is for a request of any length of life, as an adapter lends it.
        let mut request = ReadBuffer::new(Box::leak(Box::new([0xaa; 4])));
        let lent = Value::Buffer(RefCell::new(Some(Buffer::Fill(&mut request))));
        call("writestring", vec![lent, integer(2), Value::Text(b"xyz"), integer(1)]).unwrap();
        assert_eq!(request.read_at(0, 4), Some(&b"\0\0x\0"[..]));
    }

    #[test]
    fn made_of_a_size_or_of_a_string() {
        let new = |value| New::run(&fake::Fake::function(vec![value]));
        assert!(matches!(new(integer(3)), Ok(Answer::NewBuffer(3))));
        assert!(matches!(new(Value::Text(b"ab")), Ok(Answer::BufferOf(b"ab"))));
        assert!(new(Value::Nothing).is_err());
    }

    #[test]
    fn a_panic_is_an_error() {
        struct Panics;
        impl Method for Panics {
            fn run<'a>(_: &(impl Call<'a> + ?Sized)) -> Result<Answer<'a>> {
                panic!("on purpose")
            }
        }
        let error = super::super::run::<Panics>(&fake::Fake::function(Vec::new())).unwrap_err();
        assert!(error.message().starts_with("internal error"), "{error}");
    }
}
