//! Runs the tests of a disk that is written in a script: see `nbdkit-script-test --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    nbdkit_script_test::test_scripts()
}
