//! nbdkit's values as scripts write them: as a number, or as the word that nbdkit's sh plugin
//! takes.

use crate::error::{Error, Result};
use crate::values::{Cache, ExtentType, Fua, ThreadModel};

/// A value with a number in nbdkit's C API and a word in its sh plugin.
pub trait Named: Copy + Sized + 'static {
    /// Every value with its number and its word.
    const ALL: &'static [(Self, i64, &'static str)];
    /// What a value of this type is called in messages.
    const WHAT: &'static str;

    /// The value with this number.
    ///
    /// # Errors
    /// `EINVAL` for an unknown number; the message lists the known ones.
    fn from_number(number: i64) -> Result<Self> {
        let found = Self::ALL.iter().find(|(_, known, _)| *known == number);
        found.map(|(value, ..)| *value).ok_or_else(|| unknown::<Self>(&number.to_string()))
    }

    /// The value with this word.
    ///
    /// ```
    /// use nbdkit_script::{ThreadModel, script::Named};
    /// assert_eq!(ThreadModel::from_word("parallel").unwrap(), ThreadModel::Parallel);
    /// assert!(ThreadModel::from_word("paralell").is_err());
    /// ```
    ///
    /// # Errors
    /// `EINVAL` for an unknown word; the message lists the known ones.
    fn from_word(word: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|(_, _, known)| *known == word);
        found.map(|(value, ..)| *value).ok_or_else(|| unknown::<Self>(&format!("\"{word}\"")))
    }
}

/// The error for anything else, which lists all values.
pub(crate) fn unknown<N: Named>(found: &str) -> Error {
    let known: Vec<_> =
        N::ALL.iter().map(|(_, number, word)| format!("\"{word}\" ({number})")).collect();
    Error::invalid(format!("returned {found}, expected {}: {}", N::WHAT, known.join(", ")))
}

impl Named for ThreadModel {
    const ALL: &'static [(Self, i64, &'static str)] = &[
        (ThreadModel::SerializeConnections, 0, "serialize_connections"),
        (ThreadModel::SerializeAllRequests, 1, "serialize_all_requests"),
        (ThreadModel::SerializeRequests, 2, "serialize_requests"),
        (ThreadModel::Parallel, 3, "parallel"),
    ];
    const WHAT: &'static str = "a thread model";
}

impl Named for Fua {
    const ALL: &'static [(Self, i64, &'static str)] =
        &[(Fua::None, 0, "none"), (Fua::Emulate, 1, "emulate"), (Fua::Native, 2, "native")];
    const WHAT: &'static str = "a level of FUA support";
}

impl Named for Cache {
    const ALL: &'static [(Self, i64, &'static str)] =
        &[(Cache::None, 0, "none"), (Cache::Emulate, 1, "emulate"), (Cache::Native, 2, "native")];
    const WHAT: &'static str = "a level of cache support";
}

/// `NBDKIT_EXTENT_HOLE` and `NBDKIT_EXTENT_ZERO` are bits, so words can be combined.
impl Named for ExtentType {
    const ALL: &'static [(Self, i64, &'static str)] = &[
        (ExtentType::empty(), 0, ""),
        (ExtentType::HOLE, 1, "hole"),
        (ExtentType::ZERO, 2, "zero"),
        (ExtentType::HOLE.union(ExtentType::ZERO), 3, "hole,zero"),
    ];
    const WHAT: &'static str = "an extent type";

    fn from_number(number: i64) -> Result<ExtentType> {
        let extent_type = u32::try_from(number).ok().and_then(ExtentType::from_bits);
        extent_type.ok_or_else(|| {
            Error::invalid(format!(
                "{number} is not an extent type: 0 is data, 1 a hole, 2 zeroes, 3 both"
            ))
        })
    }

    /// Takes the words in any order. No word at all means data.
    fn from_word(words: &str) -> Result<ExtentType> {
        words.split(',').filter(|word| !word.is_empty()).try_fold(
            ExtentType::empty(),
            |extent_type, word| match word {
                "hole" => Ok(extent_type | ExtentType::HOLE),
                "zero" => Ok(extent_type | ExtentType::ZERO),
                word => Err(Error::invalid(format!(
                    "\"{word}\" is not an extent type: they are \"hole\" and \"zero\""
                ))),
            },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_value_names_the_known_ones() {
        assert_eq!(
            Fua::from_number(3).unwrap_err().to_string(),
            "returned 3, expected a level of FUA support: \
             \"none\" (0), \"emulate\" (1), \"native\" (2)"
        );
        assert!(Cache::from_word("Native").unwrap_err().to_string().contains("\"Native\""));
    }

    #[test]
    fn numbers_and_words_of_a_value_agree() {
        fn check<N: Named + PartialEq + std::fmt::Debug>() {
            for (value, number, word) in N::ALL {
                assert_eq!(N::from_number(*number).unwrap(), *value);
                assert_eq!(N::from_word(word).unwrap(), *value);
            }
        }
        check::<ThreadModel>();
        check::<Fua>();
        check::<Cache>();
        check::<ExtentType>();
    }

    #[test]
    fn extent_types() {
        let both = ExtentType::HOLE | ExtentType::ZERO;
        assert_eq!(ExtentType::from_word("zero,hole").unwrap(), both);
        assert!(ExtentType::from_number(4).is_err());
        assert!(ExtentType::from_number(-1).is_err());
        assert!(ExtentType::from_word("hole;zero").is_err());
    }
}
