//! The methods of buffers do what the same does to plain bytes, whatever they are called with.

use std::cell::RefCell;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::Config;

use super::fake::{self, Value, integer, own};
use super::{Answer, Buffer, buffer};
use crate::values::Number;

fn call<'a>(name: &'static str, values: Vec<Value<'a>>) -> Result<Answer<'a>, String> {
    fake::call(name, values, |find| buffer::methods(find))
}

/// A name, how many bytes a number of that kind has, and what else is known of it.
#[derive(Debug, Clone, Copy)]
struct Kind {
    read: &'static str,
    write: &'static str,
    size: usize,
    signed: bool,
    float: bool,
    big_endian: bool,
}

macro_rules! kinds {
    ($($kind:literal $size:literal $signed:literal $float:literal $big:literal;)*) => {
        [$(Kind {
            read: concat!("read", $kind),
            write: concat!("write", $kind),
            size: $size,
            signed: $signed,
            float: $float,
            big_endian: $big,
        }),*]
    };
}

const KINDS: [Kind; 16] = kinds! {
    "i8" 1 true false false;
    "u8" 1 false false false;
    "i16" 2 true false false;
    "u16" 2 false false false;
    "i32" 4 true false false;
    "u32" 4 false false false;
    "i64" 8 true false false;
    "f32" 4 true true false;
    "f64" 8 true true false;
    "i16be" 2 true false true;
    "u16be" 2 false false true;
    "i32be" 4 true false true;
    "u32be" 4 false false true;
    "i64be" 8 true false true;
    "f32be" 4 true true true;
    "f64be" 8 true true true;
};

impl Kind {
    /// The bits of a number at the beginning of these bytes.
    fn bits(self, bytes: &[u8]) -> u64 {
        let digits = &bytes[..self.size];
        let join = |bits: u64, byte: &u8| bits << 8 | u64::from(*byte);
        if self.big_endian {
            digits.iter().fold(0, join)
        } else {
            digits.iter().rev().fold(0, join)
        }
    }

    fn put(self, bits: u64, bytes: &mut [u8]) {
        for (place, byte) in bytes[..self.size].iter_mut().enumerate() {
            let digit = if self.big_endian { self.size - 1 - place } else { place };
            *byte = (bits >> (8 * digit)) as u8;
        }
    }

    fn integer(self, bits: u64) -> i64 {
        let most = 1 << (8 * self.size - 1);
        let negative = self.signed && self.size < 8 && bits & most != 0;
        if negative { bits as i64 - 2 * most as i64 } else { bits as i64 }
    }

    fn float(self, bits: u64) -> f64 {
        if self.size == 4 { f64::from(f32::from_bits(bits as u32)) } else { f64::from_bits(bits) }
    }

    fn bits_of_float(self, float: f64) -> u64 {
        if self.size == 4 { u64::from((float as f32).to_bits()) } else { float.to_bits() }
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    proptest::sample::select(&KINDS[..])
}

/// Any integer, and often one at a border.
fn any_integer() -> impl Strategy<Value = i64> {
    let border = (0..64_u32, -1..2_i64).prop_map(|(n, beside)| (1_i64 << n).wrapping_add(beside));
    prop_oneof![any::<i64>(), border, -3..300_i64]
}

fn any_float() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), any::<i32>().prop_map(f64::from), any::<f32>().prop_map(f64::from)]
}

/// Whether `count` bytes from there are inside.
fn inside(offset: i64, count: i64, length: usize) -> bool {
    offset >= 0 && count >= 0 && i128::from(offset) + i128::from(count) <= length as i128
}

fn offset() -> impl Strategy<Value = i64> {
    prop_oneof![20 => 0..24_i64, 1 => any::<i64>()]
}

fn some_bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..24)
}

fn number<'a>(number: Number) -> Value<'a> {
    Value::Number(number)
}

fn data(bytes: &[u8]) -> Value<'_> {
    Value::Buffer(RefCell::new(Some(Buffer::Data(bytes))))
}

fn optional<'a>(count: Option<i64>) -> Value<'a> {
    count.map_or(Value::Nothing, integer)
}

proptest! {
    #![proptest_config(Config { cases: 1000, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_number_is_read(mut bytes in some_bytes(), kind in kind(), offset in offset()) {
        let plain = bytes.clone();
        let answer = call(kind.read, vec![own(&mut bytes), integer(offset)]);
        if !inside(offset, kind.size as i64, plain.len()) {
            prop_assert!(answer.is_err());
            return Ok(());
        }
        let bits = kind.bits(&plain[offset as usize..]);
        match answer {
            Ok(Answer::Integer(found)) if !kind.float => {
                prop_assert_eq!(found, kind.integer(bits));
            }
            Ok(Answer::Float(found)) if kind.float => {
                let expected = kind.float(bits);
                let both_nan = found.is_nan() && expected.is_nan();
                prop_assert!(both_nan || found.to_bits() == expected.to_bits());
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn an_integer_is_written(
        mut bytes in some_bytes(), kind in kind(), offset in offset(), value in any_integer(),
    ) {
        let mut plain = bytes.clone();
        let values = vec![own(&mut bytes), integer(offset), integer(value)];
        let is_done = call(kind.write, values).is_ok();
        prop_assert_eq!(is_done, inside(offset, kind.size as i64, plain.len()));
        if is_done {
            let bits = if kind.float { kind.bits_of_float(value as f64) } else { value as u64 };
            kind.put(bits, &mut plain[offset as usize..]);
        }
        prop_assert_eq!(bytes, plain);
    }

    #[test]
    fn a_float_is_written(
        mut bytes in some_bytes(), kind in kind(), offset in offset(), value in any_float(),
    ) {
        let mut plain = bytes.clone();
        let values = vec![own(&mut bytes), integer(offset), number(Number::Float(value))];
        let is_done = call(kind.write, values).is_ok();
        let is_inside = inside(offset, kind.size as i64, plain.len());
        // Past 64 bits it is open which of the largest are taken for integers.
        if !kind.float && value.abs() >= 2f64.powi(63) {
            return Ok(());
        }
        prop_assert_eq!(is_done, is_inside && (kind.float || value.fract() == 0.0));
        if is_done {
            let bits = if kind.float { kind.bits_of_float(value) } else { value as i64 as u64 };
            kind.put(bits, &mut plain[offset as usize..]);
        }
        if !value.is_nan() {
            prop_assert_eq!(bytes, plain);
        }
    }

    #[test]
    fn what_is_written_is_read(
        mut bytes in vec(any::<u8>(), 8..24), kind in kind(), offset in 0..16_i64,
        value in any_integer(),
    ) {
        let offset = offset.min((bytes.len() - kind.size) as i64);
        let values = vec![own(&mut bytes), integer(offset), integer(value)];
        prop_assert!(call(kind.write, values).is_ok());
        match call(kind.read, vec![own(&mut bytes), integer(offset)]) {
            Ok(Answer::Integer(found)) => {
                let unused = 64 - 8 * kind.size as u32;
                prop_assert_eq!(found << unused, value << unused);
            }
            Ok(Answer::Float(found)) => {
                let expected = if kind.size == 4 { f64::from(value as f32) } else { value as f64 };
                prop_assert_eq!(found, expected);
            }
            other => prop_assert!(false, "{other:?}"),
        }
    }

    #[test]
    fn a_copy_between_two(
        mut bytes in some_bytes(), source in some_bytes(), to in offset(),
        from in proptest::option::of(offset()), count in proptest::option::of(offset()),
    ) {
        let mut plain = bytes.clone();
        let mut values = vec![own(&mut bytes), integer(to), data(&source)];
        // Nothing in the middle is nothing that was left out.
        let from = if count.is_some() { Some(from.unwrap_or(0)) } else { from };
        values.extend(from.into_iter().chain(count).map(integer));
        let is_done = call("copy", values).is_ok();
        let from = from.unwrap_or(0);
        let count = count.unwrap_or((source.len() as i64).saturating_sub(from).max(0));
        let fits = inside(from, count, source.len()) && inside(to, count, plain.len());
        prop_assert_eq!(is_done, fits);
        if fits {
            for n in 0..count as usize {
                plain[to as usize + n] = source[from as usize + n];
            }
        }
        prop_assert_eq!(bytes, plain);
    }

    #[test]
    fn a_copy_inside_of_one(
        mut bytes in some_bytes(), to in offset(), from in offset(), count in offset(),
    ) {
        let before = bytes.clone();
        let mut plain = before.clone();
        let values =
            vec![own(&mut bytes), integer(to), Value::Same(1), integer(from), integer(count)];
        let is_done = call("copy", values).is_ok();
        let fits = inside(from, count, before.len()) && inside(to, count, before.len());
        prop_assert_eq!(is_done, fits);
        if fits {
            for n in 0..count as usize {
                plain[to as usize + n] = before[from as usize + n];
            }
        }
        prop_assert_eq!(bytes, plain);
    }

    #[test]
    fn a_fill(
        mut bytes in some_bytes(), offset in offset(), byte in any_integer(),
        count in proptest::option::of(offset()),
    ) {
        let mut plain = bytes.clone();
        let values = vec![own(&mut bytes), integer(offset), integer(byte), optional(count)];
        let is_done = call("fill", values).is_ok();
        let count = count.unwrap_or((plain.len() as i64).saturating_sub(offset).max(0));
        prop_assert_eq!(is_done, inside(offset, count, plain.len()));
        if is_done {
            for n in 0..count as usize {
                plain[offset as usize + n] = byte as u8;
            }
        }
        prop_assert_eq!(bytes, plain);
    }

    #[test]
    fn strings(
        mut bytes in some_bytes(), text in some_bytes(), offset in offset(),
        count in proptest::option::of(offset()),
    ) {
        let mut plain = bytes.clone();
        let values = vec![own(&mut bytes), integer(offset), Value::Text(&text), optional(count)];
        let is_done = call("writestring", values).is_ok();
        let count = count.unwrap_or(text.len() as i64);
        let fits = inside(0, count, text.len()) && inside(offset, count, plain.len());
        prop_assert_eq!(is_done, fits);
        if fits {
            for n in 0..count as usize {
                plain[offset as usize + n] = text[n];
            }
        }
        prop_assert_eq!(&bytes, &plain);
        let fits = inside(offset, count, plain.len());
        match call("readstring", vec![own(&mut bytes), integer(offset), integer(count)]) {
            Ok(Answer::Bytes(found)) if fits => {
                prop_assert_eq!(found, &plain[offset as usize..(offset + count) as usize]);
            }
            Err(_) => prop_assert!(!fits),
            other => prop_assert!(false, "{other:?}"),
        }
        match call("tostring", vec![own(&mut bytes)]) {
            Ok(Answer::Bytes(found)) => prop_assert_eq!(found, &plain),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
