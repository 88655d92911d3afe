//! How a file is opened.

use crate::error::{Error, Result, bounded};

/// What you open a file for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// To read an existing file.
    ReadOnly,
    /// To read and write an existing file.
    ReadWrite,
    /// Like [`ReadWrite`](Mode::ReadWrite), but a missing file is created with this many bytes.
    /// They read as zeroes and take no space. An existing file keeps its data: a shorter one grows
    /// to this size, a longer one keeps its size.
    Create(u64),
}

impl Mode {
    /// For a client, given what `open` was told about it.
    pub fn for_client(readonly: bool) -> Mode {
        if readonly { Mode::ReadOnly } else { Mode::ReadWrite }
    }

    /// The mode that scripts call `r`, `rw` or `create`. Only `create` has a size.
    ///
    /// # Errors
    /// `EINVAL` for any other name, and for a missing or unexpected size.
    pub fn from_name(name: &[u8], size: Option<u64>) -> Result<Mode> {
        match (name, size) {
            (b"r", None) => Ok(Mode::ReadOnly),
            (b"rw", None) => Ok(Mode::ReadWrite),
            (b"create", Some(size)) => Ok(Mode::Create(size)),
            (b"create", None) => Err(Error::invalid("the mode \"create\" needs a size")),
            (b"r" | b"rw", Some(_)) => Err(Error::invalid(format!(
                "a size is for the mode \"create\", found \"{}\"",
                bounded(name).escape_ascii()
            ))),
            _ => Err(Error::invalid(format!(
                "found the mode \"{}\", expected \"r\", \"rw\" or \"create\"",
                bounded(name).escape_ascii()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_by_name() {
        assert_eq!(Mode::from_name(b"r", None).unwrap(), Mode::for_client(true));
        assert_eq!(Mode::from_name(b"rw", None).unwrap(), Mode::for_client(false));
        assert_eq!(Mode::from_name(b"create", Some(7)).unwrap(), Mode::Create(7));
        let message = |name, size| Mode::from_name(name, size).unwrap_err().to_string();
        assert_eq!(message(b"create", None), "the mode \"create\" needs a size");
        assert_eq!(message(b"r", Some(1)), "a size is for the mode \"create\", found \"r\"");
        let expected = "found the mode \"w\\n\", expected \"r\", \"rw\" or \"create\"";
        assert_eq!(message(b"w\n", None), expected);
    }
}
