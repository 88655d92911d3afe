//! The log, and panics.

#[macro_use]
mod common;

use nbdkit_script::*;
use nbdkit_script_test::{Failure, Level, Nbdkit};

disk!(Bare {});

disk!(Panicking {
    fn can_flush(&self, _: &()) -> Result<bool> {
        panic!("no {}", "flush")
    }
});

#[test]
fn a_panic_is_an_error_of_one_callback() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Panicking>>().ready()?;
    let failure = disk.connect("").unwrap_err().to_string();
    assert!(failure.starts_with("can_flush: panicked at "), "{failure}");
    assert!(failure.ends_with(": no flush") && failure.contains("log.rs:"), "{failure}");
    Ok(())
}

/// The harness prints a failed test's message by the hook that the framework would replace.
#[test]
fn a_panic_outside_of_callbacks_is_the_tests() {
    if std::env::var_os("PANICS_OUTSIDE").is_some() {
        let _disk = Nbdkit::of::<Shared<Talking>>().ready().unwrap();
        panic!("shown to people");
    }
    let program = std::env::current_exe().unwrap();
    let mut command = std::process::Command::new(program);
    command.args(["--exact", "a_panic_outside_of_callbacks_is_the_tests"]);
    let output = command.env("PANICS_OUTSIDE", "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success());
    // With what was logged.
    for part in ["shown to people", "log.rs:", "nbdkit: error: an error", "nbdkit: debug: a\\tb"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

disk!(Talking {
    fn after_fork(&self) -> Result<()> {
        host::debug("a\tb");
        host::error("an error");
        Ok(())
    }
});

#[test]
fn the_log_is_kept_in_order_and_begins_anew() -> Result<(), Failure> {
    for _ in 0..2 {
        let disk = Nbdkit::of::<Shared<Talking>>().ready()?;
        let lines: Vec<_> = disk.log().into_iter().map(|line| (line.level, line.text)).collect();
        let expected =
            [(Level::Debug, "a\\tb".to_string()), (Level::Error, "an error".to_string())];
        assert_eq!(lines, expected);
        assert_eq!(disk.debug_messages(), ["a\\tb"]);
        assert_eq!(disk.errors(), ["an error"]);
    }
    Ok(())
}

#[test]
fn debug_flags_that_nobody_has() -> Result<(), Failure> {
    let command = Nbdkit::of::<Shared<Bare>>();
    let disk = command.debug_flag("test", "x.y", 1).debug_flag("lua", "x", 1).ready()?;
    assert_eq!(
        disk.errors(),
        [
            "-D test.x.y: test does not contain a global variable called test_debug_x.y",
            "debug flag -D lua.x was not used"
        ]
    );
    Ok(())
}
