//! How a file is opened.

use crate::error::{Error, Result};

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is there and is only read.
    ReadOnly,
    /// It is there, and is read and written.
    ReadWrite,
    /// As [`ReadWrite`](Mode::ReadWrite), but it need not be there: then it is made, with so many
    /// bytes that read as zeroes and take no room. One that is there keeps its data: if it is
    /// shorter, it gets this size, and if it is longer, it stays so.
    Create(u64),
}

impl Mode {
    /// For a client, as `open` is told of it.
    pub fn for_client(readonly: bool) -> Mode {
        if readonly { Mode::ReadOnly } else { Mode::ReadWrite }
    }

    /// By the name that scripts have for it: `r`, `rw`, or `create`, which alone has a size.
    ///
    /// # Errors
    /// `EINVAL` for other names, and for a size that is missing or not wanted.
    pub fn from_name(name: &[u8], size: Option<u64>) -> Result<Mode> {
        match (name, size) {
            (b"r", None) => Ok(Mode::ReadOnly),
            (b"rw", None) => Ok(Mode::ReadWrite),
            (b"create", Some(size)) => Ok(Mode::Create(size)),
            (b"create", None) => Err(Error::invalid("the mode \"create\" needs a size")),
            (b"r" | b"rw", Some(_)) => Err(Error::invalid(format!(
                "a size is for the mode \"create\", found \"{}\"",
                name.escape_ascii()
            ))),
            _ => Err(Error::invalid(format!(
                "found the mode \"{}\", expected \"r\", \"rw\" or \"create\"",
                name.escape_ascii()
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
