//! nbdkit's log.

use std::ffi::{CString, c_char};

use super::functions::{
    c_string, nbdkit_debug, nbdkit_debug_hexdiff, nbdkit_debug_hexdump, nbdkit_error,
    nbdkit_peer_security_context, nbdkit_set_error,
};
use crate::error::{Error, Result, bounded, one_line};

/// Writes one line to nbdkit's log as an error. The framework already does this for an
/// [`Error`](crate::Error) that a callback returns; use this for anything else.
///
/// May be called from any thread. Outside nbdkit it writes to standard error.
///
/// ```
/// use nbdkit_script::host;
///
/// std::thread::spawn(|| host::error("the cache could not be written")).join().unwrap();
/// ```
pub fn error(message: &str) {
    write(nbdkit_error.get(), one_line(message).into_bytes());
}

/// Writes one line to nbdkit's debug log, which `nbdkit -v` shows. A line break becomes a space,
/// and anything but printable ASCII is escaped, as in C.
///
/// You format the message even if nobody sees it. Where that costs too much, as in each request,
/// ask [`debug_enabled`](crate::host::debug_enabled) first, or make it depend on a flag: see
/// [`debug_flag!`](crate::debug_flag).
///
/// May be called from any thread. Outside nbdkit it writes to standard error.
///
/// ```
/// nbdkit_script::host::debug("block 7 is read ahead");
/// ```
pub fn debug(message: &str) {
    debug_bytes(message.as_bytes());
}

/// The same for text that need not be UTF-8.
pub(crate) fn debug_bytes(message: &[u8]) {
    let line = joined(&bounded(message));
    write(nbdkit_debug.get(), if nbdkit_escapes() { line } else { escaped(&line) });
}

/// Writes bytes to nbdkit's debug log, 16 per line: the offset, the bytes in hexadecimal, and as
/// text. Each line begins with `prefix`, and the offsets count from `start`. Needs nbdkit 1.46.
///
/// ```no_run
/// # use nbdkit_script::{Result, host};
/// # fn pwrite(data: &[u8], offset: u64) -> Result<()> {
/// host::debug_hexdump(data, b"written: ", offset)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// `EINVAL` if an offset does not fit into 64 bits, or the prefix contains a NUL byte.
pub fn debug_hexdump(data: &[u8], prefix: &[u8], start: u64) -> Result<()> {
    let function = nbdkit_debug_hexdump.require()?;
    let prefix = dump_prefix(data, prefix, start)?;
    // SAFETY: takes a pointer, its length, and a C string; may be called from any thread.
    unsafe { function(data.as_ptr().cast(), data.len(), prefix.as_ptr(), start) };
    Ok(())
}

/// Writes the differences between two pieces of data to the debug log, in the format of
/// [`debug_hexdump`]. Needs nbdkit 1.48.
///
/// ```no_run
/// # use nbdkit_script::{Result, host};
/// # fn pwrite(data: &[u8], before: &[u8], offset: u64) -> Result<()> {
/// host::debug_hexdiff(before, data, b"changed: ", offset)?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// As for [`debug_hexdump`], and `EINVAL` if the lengths differ.
pub fn debug_hexdiff(one: &[u8], other: &[u8], prefix: &[u8], start: u64) -> Result<()> {
    let function = nbdkit_debug_hexdiff.require()?;
    if one.len() != other.len() {
        return Err(Error::invalid(format!(
            "found {} and {} bytes, expected the same length",
            one.len(),
            other.len()
        )));
    }
    let prefix = dump_prefix(one, prefix, start)?;
    // SAFETY: takes two pointers to data of this length, and a C string; may be called from any
    // thread.
    unsafe {
        function(one.as_ptr().cast(), other.as_ptr().cast(), one.len(), prefix.as_ptr(), start);
    }
    Ok(())
}

/// The prefix as a C string, after checking that the offsets fit into 64 bits.
fn dump_prefix(data: &[u8], prefix: &[u8], start: u64) -> Result<CString> {
    if start.checked_add(data.len() as u64).is_none() {
        return Err(Error::invalid(format!(
            "{} bytes from {start} on go past the largest offset",
            data.len()
        )));
    }
    c_string("the prefix", &bounded(prefix))
}

/// Whether nbdkit itself escapes debug messages. According to its release notes it does so from
/// 1.36 on, the version in which this function appeared.
fn nbdkit_escapes() -> bool {
    nbdkit_peer_security_context.get().is_some()
}

/// Joins the lines of a text: a line break and the indentation after it become a space.
fn joined(text: &[u8]) -> Vec<u8> {
    let mut line = Vec::with_capacity(text.len());
    let mut broken = false;
    for &byte in text.trim_ascii_end() {
        if broken && byte.is_ascii_whitespace() {
            continue;
        }
        broken = byte == b'\n';
        match byte {
            b'\n' => line.push(b' '),
            // A NUL would end the C string.
            0 => line.extend_from_slice(b"\\0"),
            byte => line.push(byte),
        }
    }
    line
}

/// Escapes a line as nbdkit 1.36 and later do.
fn escaped(line: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(line.len());
    for &byte in line {
        match byte {
            b'\\' => text.extend_from_slice(b"\\\\"),
            0x07 => text.extend_from_slice(b"\\a"),
            0x08 => text.extend_from_slice(b"\\b"),
            0x0b => text.extend_from_slice(b"\\v"),
            0x0c => text.extend_from_slice(b"\\f"),
            b'\r' => text.extend_from_slice(b"\\r"),
            b'\t' => text.extend_from_slice(b"\\t"),
            b' '..=b'~' => text.push(byte),
            byte => text.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    text
}

/// Warns the user about a probable mistake. nbdkit has no warnings, so this goes to standard error,
/// and is meant for the time before nbdkit serves.
///
/// ```
/// nbdkit_script::host::warn("size= is not a multiple of 512: the end of the disk is lost");
/// ```
pub fn warn(message: &str) {
    eprintln!("nbdkit: warning: {}", one_line(message));
}

fn write(function: Option<unsafe extern "C" fn(*const c_char, ...)>, line: Vec<u8>) {
    let line = CString::new(line).unwrap_or_default();
    match function {
        // SAFETY: nbdkit's printf-like functions may be called from any thread, and the format
        // matches its one argument, a C string.
        Some(function) => unsafe { function(c"%s".as_ptr(), line.as_ptr()) },
        None => eprintln!("{}", line.to_string_lossy()),
    }
}

/// Sets the errno for the request that this thread is about to fail.
pub(crate) fn set_error(errno: i32) {
    if let Some(function) = nbdkit_set_error.get() {
        // SAFETY: takes any number, on any thread.
        unsafe { function(errno) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_one_line_escaped_as_nbdkit_does() {
        let cases: [(&[u8], &str); 5] = [
            (b"plain 100% %s", "plain 100% %s"),
            (b"one\n\ttwo\n\n", "one two"),
            ("caf\u{e9}".as_bytes(), "caf\\xc3\\xa9"),
            (b"a\0b \xff\x1b[1m\x7f", "a\\\\0b \\xff\\x1b[1m\\x7f"),
            (b"C:\\dir\ttab\r.", "C:\\\\dir\\ttab\\r."),
        ];
        for (text, expected) in cases {
            assert_eq!(String::from_utf8(escaped(&joined(text))).unwrap(), expected);
        }
    }
}
