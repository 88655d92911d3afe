//! Disks and the dictionary do what plain memory and a plain map do, whatever is asked of them.

mod dictionary;
mod disk;

use proptest::test_runner::Config;

/// What fails is shown in the shortest form that was found; nothing is written into the source.
fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}
