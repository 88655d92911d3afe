//! The constants of the module, named as in nbdkit's Python plugin. The names of error numbers are
//! in [`errno`](crate::values::errno).

use crate::values::{Cache, ExtentType, Flags, Fua, Named, ThreadModel};

/// All constants, each with its name and number: `FLAG_FUA`, `EXTENT_HOLE`, `FUA_NATIVE`,
/// `THREAD_MODEL_PARALLEL`, ...
pub fn constants() -> impl Iterator<Item = (String, i64)> {
    let flags = Flags::all().iter_names().map(|(name, flag)| (format!("FLAG_{name}"), flag.bits()));
    let extent_types =
        ExtentType::all().iter_names().map(|(name, bit)| (format!("EXTENT_{name}"), bit.bits()));
    flags
        .chain(extent_types)
        .map(|(name, bits)| (name, bits.into()))
        .chain(named::<Fua>("FUA"))
        .chain(named::<Cache>("CACHE"))
        .chain(named::<ThreadModel>("THREAD_MODEL"))
}

fn named<N: Named>(prefix: &str) -> impl Iterator<Item = (String, i64)> + use<'_, N> {
    N::ALL
        .iter()
        .map(move |(_, number, word)| (format!("{prefix}_{}", word.to_uppercase()), *number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_those_of_nbdkit() {
        let all: Vec<_> = constants().collect();
        for expected in [
            ("FLAG_MAY_TRIM", 1),
            ("FLAG_FAST_ZERO", 8),
            ("EXTENT_ZERO", 2),
            ("FUA_NATIVE", 2),
            ("CACHE_EMULATE", 1),
            ("THREAD_MODEL_SERIALIZE_ALL_REQUESTS", 1),
        ] {
            assert!(
                all.iter().any(|(name, number)| (&**name, *number) == expected),
                "{expected:?}"
            );
        }
        assert_eq!(all.len(), 4 + 2 + 3 + 3 + 4);
    }
}
