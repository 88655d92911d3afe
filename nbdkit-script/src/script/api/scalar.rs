//! Numbers as bytes, for the methods of buffers that read and write them.

use super::Answer;
use crate::values::{Number, bits, float};

/// A type of numbers that a buffer can hold as bytes.
pub(super) trait Scalar: Sized {
    /// Its size in bytes, at most 8.
    const SIZE: usize;
    /// Reads it from exactly `SIZE` bytes.
    fn read(bytes: &[u8], big_endian: bool) -> Answer<'static>;
    /// Converts a number to bytes: the first `SIZE` of eight. `None` for a fraction where the type
    /// has only integers. An integer that is too large loses its upper bits, as in Luau.
    fn write(number: Number, big_endian: bool) -> Option<[u8; 8]>;
}

macro_rules! scalar {
    ($type:ty, $read:expr, $write:expr) => {
        impl Scalar for $type {
            const SIZE: usize = size_of::<$type>();

            #[inline]
            fn read(bytes: &[u8], big_endian: bool) -> Answer<'static> {
                let mut array = [0; size_of::<$type>()];
                array.copy_from_slice(bytes);
                let value = if big_endian {
                    <$type>::from_be_bytes(array)
                } else {
                    <$type>::from_le_bytes(array)
                };
                ($read)(value)
            }

            #[inline]
            fn write(number: Number, big_endian: bool) -> Option<[u8; 8]> {
                let write: fn(Number) -> Option<$type> = $write;
                let value = write(number)?;
                let array = if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
                let mut bytes = [0; 8];
                bytes[..array.len()].copy_from_slice(&array);
                Some(bytes)
            }
        }
    };
}

macro_rules! integers {
    ($($type:ty)*) => {
        $(scalar!($type, |value| Answer::Integer(i64::from(value)), |number| {
            bits(number).map(|integer| integer as $type)
        });)*
    };
}

integers! { i8 u8 i16 u16 i32 u32 i64 }
scalar!(f32, |value| Answer::Float(f64::from(value)), |number| Some(float(number) as f32));
scalar!(f64, Answer::Float, |number| Some(float(number)));
