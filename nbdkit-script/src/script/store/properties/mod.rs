//! Whatever the operations, disks and the dictionary behave like plain memory and a plain map.

mod dictionary;
mod disk;

use proptest::test_runner::Config;

/// A failing case is printed in the shortest form found; nothing is written next to the source.
fn config(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}
