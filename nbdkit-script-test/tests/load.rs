//! A plugin that is loaded from its `.so`, as nbdkit does it.

use std::path::{Path, PathBuf};

use nbdkit_script_test::{Failure, Nbdkit};

/// Cargo builds it with the tests, beside them.
fn plugin() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let built = program.parent().and_then(Path::parent).unwrap();
    built.join("examples/libloaded.so")
}

#[test]
fn a_plugin_that_is_loaded() -> Result<(), Failure> {
    for _ in 0..2 {
        let disk = Nbdkit::load(plugin()).argument("1M").ready()?;
        assert_eq!(disk.about().name, "loaded");
        let client = disk.connect("")?;
        assert_eq!(client.size(), 1 << 20);
        assert_eq!(client.pread(0, 8)?, [0; 8]);
        let failure = client.pread(13, 1).unwrap_err();
        assert_eq!(failure.errno(), libc::ENOMEM);
        assert_eq!(failure.logged(), ["pread: thirteen"]);
        assert_eq!(disk.debug_messages(), ["opened"]);
    }
    Ok(())
}

#[test]
fn what_it_logs_while_it_starts() {
    let failure = Nbdkit::load(plugin()).config("size", "much").ready().unwrap_err();
    assert_eq!(failure.logged()[0], "could not parse size string (much)");
}

#[test]
fn what_cannot_be_loaded() {
    let failure = Nbdkit::load("/no/such.so").ready().unwrap_err().to_string();
    assert!(failure.contains("loading /no/such.so: No such file"), "{failure}");
    let failure = Nbdkit::load("/dev/null").ready().unwrap_err().to_string();
    assert!(failure.starts_with("loading /dev/null: "), "{failure}");
}
