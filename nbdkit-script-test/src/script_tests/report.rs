//! A child's report to its parent: lines of a word and a text.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The kind of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The name of a test.
    Test,
    /// A callback that the script defines: nbdkit's name, and the script's.
    Defines,
    /// A callback that has been called.
    Called,
    /// Why the tests cannot be listed, or the disk does not start.
    Refused,
    /// Why the test failed.
    Failed,
    /// The test has passed.
    Passed,
}

const WORDS: [(About, &str); 6] = [
    (About::Test, "test"),
    (About::Defines, "defines"),
    (About::Called, "called"),
    (About::Refused, "refused"),
    (About::Failed, "failed"),
    (About::Passed, "passed"),
];

/// The pipe to the parent.
static PARENT: OnceLock<Mutex<File>> = OnceLock::new();

/// Sends all further lines to this file.
pub(super) fn to(file: File) {
    let _ = PARENT.set(Mutex::new(file));
}

/// Sends a line to the parent. Ignores a failure: if the parent has gone, there is nobody to tell.
pub(super) fn tell(about: About, text: &str) {
    let word = WORDS.iter().find(|(known, _)| *known == about).map_or("", |(_, word)| word);
    if let Some(parent) = PARENT.get() {
        let line = format!("{word} {}\n", text.replace('\n', " "));
        let _ = parent.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
    }
}

/// Reads a child's lines until the child has ended.
pub(super) fn hear(child: impl Read, mut each: impl FnMut(About, String)) {
    for line in BufReader::new(child).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let (word, text) = line.split_once(' ').unwrap_or((&line, ""));
        if let Some((about, _)) = WORDS.iter().find(|(_, known)| *known == word) {
            each(*about, text.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_sent() {
        let mut heard = Vec::new();
        hear(&b"test test_a\npassed \nx y\nfailed a.lua:1: no\n"[..], |about, text| {
            heard.push((about, text));
        });
        let expected =
            [(About::Test, "test_a"), (About::Passed, ""), (About::Failed, "a.lua:1: no")];
        assert_eq!(heard, expected.map(|(about, text)| (about, text.to_string())));
    }
}
