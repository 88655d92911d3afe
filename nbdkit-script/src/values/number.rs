//! Numbers in scripts and in messages.

use std::fmt;

/// A number in a script.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An integer, which is exact.
    Integer(i64),
    /// A floating point number.
    Float(f64),
}

impl Number {
    /// The integer that it is, or the same as [`whole`] of a float.
    pub fn whole(self) -> Option<i64> {
        match self {
            Number::Integer(integer) => Some(integer),
            Number::Float(float) => whole(float),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Integer(integer) => integer.fmt(f),
            Number::Float(float) => f.write_str(&in_short(*float)),
        }
    }
}

/// Converts a float to an integer, if it is whole and fits into 64 bits.
///
/// ```
/// use nbdkit_script::script::whole;
/// assert_eq!(whole(512.0), Some(512));
/// assert_eq!(whole(0.5), None);
/// ```
pub fn whole(float: f64) -> Option<i64> {
    // `i64::MAX` is not a double and becomes 2^63; any smaller double fits.
    (float.fract() == 0.0 && float.abs() < i64::MAX as f64).then_some(float as i64)
}

/// Formats a number without needless digits: 1e300 would have 301.
pub fn in_short(number: f64) -> String {
    if (1e-5..1e21).contains(&number.abs()) || number == 0.0 {
        number.to_string()
    } else {
        format!("{number:e}")
    }
}

/// A number as the bits of a 64-bit integer. Accepts whole floats somewhat past 2^63 too, because
/// not all languages have unsigned integers.
#[inline]
pub(crate) fn bits(number: Number) -> Option<i64> {
    match number {
        Number::Integer(integer) => Some(integer),
        Number::Float(float) if float.fract() == 0.0 && float.abs() < 9.3e18 => {
            Some(float as i128 as i64)
        }
        Number::Float(_) => None,
    }
}

/// The nearest float.
#[inline]
pub(crate) fn float(number: Number) -> f64 {
    match number {
        Number::Integer(integer) => integer as f64,
        Number::Float(float) => float,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_is_whole_if_64_bits_hold_it() {
        assert_eq!(whole(-3.0), Some(-3));
        assert_eq!(whole(2f64.powi(62)), Some(1 << 62));
        for float in [0.5, 2f64.powi(63), f64::NAN, f64::INFINITY] {
            assert_eq!(whole(float), None, "{float}");
        }
    }

    #[test]
    fn short_texts_of_numbers() {
        assert_eq!(in_short(0.0), "0");
        assert_eq!(in_short(-0.5), "-0.5");
        assert_eq!(in_short(1e300), "1e300");
        assert_eq!(in_short(f64::NAN), "NaN");
    }
}
