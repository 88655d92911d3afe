//! A plugin that is loaded from its `.so`, as nbdkit does it.

mod common;

use common::example;
use nbdkit_script_test::{Failure, Nbdkit};

#[test]
fn a_plugin_that_is_loaded() -> Result<(), Failure> {
    for _ in 0..2 {
        let disk = Nbdkit::load(example("loaded")).argument("1M").ready()?;
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
    let failure = Nbdkit::load(example("loaded")).config("size", "much").ready().unwrap_err();
    assert_eq!(failure.logged(), ["config: size: could not parse size string (much)"]);
}

#[test]
fn what_cannot_be_loaded() {
    let failure = Nbdkit::load("/no/such.so").ready().unwrap_err().to_string();
    assert!(failure.contains("loading /no/such.so: No such file"), "{failure}");
    let failure = Nbdkit::load("/dev/null").ready().unwrap_err().to_string();
    assert!(failure.starts_with("loading /dev/null: "), "{failure}");
}
