//! Checks that a plugin's return values are valid. nbdkit checks some of them too, but its messages
//! do not name the script; and what it does not check would reach the client.

use crate::error::{Error, Result};
use crate::memory;
use crate::values::{BlockSize, Export, Extent};

/// The NBD protocol's limit for the name and the description of an export, in bytes.
const LONGEST_STRING: usize = 4096;

/// Extents: at least one, each with a length, in order, without gaps, from the request's offset on.
/// The first may begin before it, and the last end anywhere.
pub(crate) fn extents(extents: &[Extent], offset: u64) -> Result<()> {
    let Some(first) = extents.first() else {
        return Err(Error::invalid(format!(
            "returned no extents, expected one that holds {offset}"
        )));
    };
    let mut expected = first.offset;
    for (index, extent) in extents.iter().enumerate() {
        let number = index + 1;
        if extent.length == 0 {
            return Err(Error::invalid(format!("extent {number} has a length of 0")));
        }
        if extent.offset != expected {
            let how = if extent.offset < expected { "overlaps" } else { "leaves a gap after" };
            return Err(Error::invalid(format!(
                "extent {number} begins at {}, expected {expected}: it {how} the one before",
                extent.offset
            )));
        }
        expected = extent
            .offset
            .checked_add(extent.length)
            .ok_or_else(|| Error::invalid(format!("extent {number} ends past 2^64")))?;
    }
    if first.offset > offset || expected <= offset {
        return Err(Error::invalid(format!(
            "the extents span {}..{expected}, which does not hold the request's offset {offset}",
            first.offset
        )));
    }
    Ok(())
}

/// Exports: no name twice, and none longer than the protocol takes.
pub(crate) fn exports(exports: &[Export]) -> Result<()> {
    let mut names = std::collections::HashSet::new();
    names.try_reserve(exports.len()).map_err(|_| memory::none_for("the exports"))?;
    for export in exports {
        export_string("the name of an export", &export.name)?;
        if let Some(description) = &export.description {
            export_string("the description of an export", description)?;
        }
        if !names.insert(&export.name) {
            return Err(Error::invalid(format!("the export {:?} is there twice", export.name)));
        }
    }
    Ok(())
}

/// A string that goes to the client.
pub(crate) fn export_string(what: &str, text: &str) -> Result<()> {
    if text.len() > LONGEST_STRING {
        return Err(Error::invalid(format!(
            "{what} has {} bytes, which is more than {LONGEST_STRING}",
            text.len()
        )));
    }
    if text.contains('\0') {
        return Err(Error::invalid(format!("{what} has a NUL byte in it")));
    }
    Ok(())
}

/// Block sizes: nbdkit's rules, with a message for each. Three zeroes mean "no preference".
pub(crate) fn block_size(sizes: BlockSize) -> Result<()> {
    let BlockSize { minimum, preferred, maximum } = sizes;
    let broken = |rule: &str| {
        Err(Error::invalid(format!(
            "returned minimum {minimum}, preferred {preferred}, maximum {maximum}: {rule}"
        )))
    };
    if (minimum, preferred, maximum) == (0, 0, 0) {
        return Ok(());
    }
    if !minimum.is_power_of_two() || minimum > 64 << 10 {
        return broken("minimum must be a power of 2 from 1 to 64K");
    }
    if !preferred.is_power_of_two() || !(512..=32 << 20).contains(&preferred) {
        return broken("preferred must be a power of 2 from 512 to 32M");
    }
    if maximum != u32::MAX && maximum % minimum != 0 {
        return broken("maximum must be a multiple of minimum, or 4294967295 for no limit");
    }
    if minimum > preferred || preferred > maximum {
        return broken("minimum <= preferred <= maximum must hold");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::ExtentType;

    fn list(pairs: &[(u64, u64)]) -> Vec<Extent> {
        let extent_type = ExtentType::empty();
        pairs.iter().map(|&(offset, length)| Extent { offset, length, extent_type }).collect()
    }

    fn message(pairs: &[(u64, u64)], offset: u64) -> String {
        extents(&list(pairs), offset).unwrap_err().to_string()
    }

    #[test]
    fn extents_that_are_right() {
        assert!(extents(&list(&[(0, 10)]), 0).is_ok());
        assert!(extents(&list(&[(0, 10), (10, 1)]), 5).is_ok());
        assert!(extents(&list(&[(0, 10), (10, 1)]), 10).is_ok());
    }

    #[test]
    fn extents_that_are_wrong() {
        assert!(message(&[], 5).contains("no extents"));
        assert!(message(&[(0, 0)], 0).contains("length of 0"));
        assert!(message(&[(0, 10), (11, 1)], 0).contains("extent 2 begins at 11, expected 10"));
        assert!(message(&[(0, 10), (9, 1)], 0).contains("overlaps"));
        assert!(message(&[(10, 10), (0, 10)], 10).contains("overlaps"));
        assert!(message(&[(6, 10)], 5).contains("does not hold"));
        assert!(message(&[(0, 5)], 5).contains("does not hold"));
        assert!(message(&[(1, u64::MAX)], 5).contains("past 2^64"));
    }

    #[test]
    fn exports_that_are_wrong() {
        let export = |name: String| Export { name, description: None };
        assert!(exports(&[export("a".into()), export("b".into())]).is_ok());
        let twice = exports(&[export("a".into()), export("a".into())]);
        assert!(twice.unwrap_err().to_string().contains("\"a\" is there twice"));
        let long = exports(&[export("x".repeat(4097))]);
        assert!(long.unwrap_err().to_string().contains("4097 bytes"));
        assert!(exports(&[export("a\0b".into())]).is_err());
    }

    #[test]
    fn block_sizes() {
        let check = |minimum, preferred, maximum| {
            block_size(BlockSize { minimum, preferred, maximum }).map_err(|e| e.to_string())
        };
        assert!(check(0, 0, 0).is_ok());
        assert!(check(1, 512, u32::MAX).is_ok());
        assert!(check(512, 4096, 1 << 20).is_ok());
        assert!(check(3, 512, 512).unwrap_err().contains("minimum must be a power"));
        assert!(check(0, 512, 512).unwrap_err().contains("minimum must be a power"));
        assert!(check(128 << 10, 1 << 20, 1 << 20).unwrap_err().contains("minimum must"));
        assert!(check(1, 100, 512).unwrap_err().contains("preferred must be"));
        assert!(check(512, 512, 1000).unwrap_err().contains("multiple"));
        assert!(check(4096, 512, 8192).unwrap_err().contains("<="));
        assert!(check(1, 4096, 2048).unwrap_err().contains("<="));
    }
}
