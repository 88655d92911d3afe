//! Test files: functions `test_*` in the language of the script under test. Each test runs in its
//! own interpreter.

use std::path::Path;
use std::time::Duration;

use super::language::{Language, Program};
use super::source::Script;
use crate::error::Result;

/// The prefix of every test's name.
pub const TEST_PREFIX: &str = "test_";

/// The names of a file's tests, in the order of the file.
pub(super) fn names<L: Language>(file: &Path, limit: Option<Duration>) -> Result<Vec<String>> {
    let (script, language) = load::<L>(file, limit)?;
    let names = language.function_names().into_iter().filter(|name| name.starts_with(TEST_PREFIX));
    Ok(as_written(names.collect(), &String::from_utf8_lossy(script.text())))
}

/// Runs a test.
pub(super) fn run<L: Language>(file: &Path, name: &str, limit: Option<Duration>) -> Result<()> {
    let (script, language) = load::<L>(file, limit)?;
    let interrupter = language.interrupter();
    script.run_limited(interrupter, || language.run_test(name))
}

fn load<L: Language>(file: &Path, limit: Option<Duration>) -> Result<(Script, L)> {
    let script = Script::of_tests(file, L::LANGUAGE, limit)?;
    let program = L::Program::compile(&script)?;
    let language = L::load(&script, &program)?;
    Ok((script, language))
}

/// Sorts names by where they first occur in the text. Names that do not occur, because the script
/// generates the functions, come last.
fn as_written(names: Vec<String>, text: &str) -> Vec<String> {
    let mut placed: Vec<_> =
        names.into_iter().map(|name| (place(&name, text).unwrap_or(usize::MAX), name)).collect();
    placed.sort();
    placed.into_iter().map(|(_, name)| name).collect()
}

/// The first place where a name occurs as a whole word.
fn place(name: &str, text: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).map(|(place, _)| place).find(|place| {
        let (before, after) = (&text[..*place], &text[place + name.len()..]);
        !before.ends_with(is_part) && !after.starts_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_run_in_the_order_of_the_file() {
        let text = "function test_b_long() end function test_b() end\nfunction test_a() end";
        let names = ["test_made", "test_a", "test_b", "test_b_long"].map(String::from);
        let expected = ["test_b_long", "test_b", "test_a", "test_made"];
        assert_eq!(as_written(names.to_vec(), text), expected);
    }
}
