//! Scripts without a server: nbdkit is in the test's own process.

use std::path::PathBuf;

use nbdkit_script::{Flags, ThreadModel};
use nbdkit_script_test::{Command, Failure, Nbdkit};

use super::*;

fn serve(script: PathBuf) -> Command {
    Nbdkit::of::<Isolated<Scripted<Rhai>>>().argument(script)
}

/// A script of this text.
fn written(name: &str, text: &str) -> PathBuf {
    let file = std::env::temp_dir().join(format!("{name}-{}.rhai", std::process::id()));
    std::fs::write(&file, text).expect("the script is written");
    file
}

#[test]
fn the_disk_of_the_example() -> Result<(), Failure> {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("disk.rhai");
    let disk = serve(script).config("size", "1M").ready()?;
    assert_eq!(disk.thread_model(), ThreadModel::Parallel);
    let (one, other) = (disk.connect("")?, disk.connect("")?);
    assert_eq!(one.size(), 1 << 20);
    one.pwrite_with(1000, b"abc", Flags::FUA)?;
    assert_eq!(other.pread(999, 5)?, b"\0abc\0");
    other.zero(1001, 1)?;
    assert_eq!(one.pread(1000, 3)?, b"a\0c");
    assert!(one.extents(0, 1 << 20)?.iter().any(|extent| !extent.extent_type.is_empty()));
    assert_eq!(disk.errors(), [""; 0]);
    Ok(())
}

#[test]
fn what_a_script_throws_is_logged_with_its_place() -> Result<(), Failure> {
    let text = "fn open(readonly) { 1 }\nfn get_size(h) { 512 }\nfn pread(h, count, offset) {\n    \
                throw #{ errno: \"ENOSPC\", message: \"no room\" };\n}\n";
    let script = written("throws", text);
    let disk = serve(script.clone()).ready()?;
    let failure = disk.connect("")?.pread(0, 1).expect_err("it is thrown");
    assert_eq!(failure.errno(), nbdkit_script::errno::from_name("ENOSPC").unwrap_or(0));
    assert_eq!(failure.logged(), [format!("pread: {}:4: no room", script.display())]);
    std::fs::remove_file(script).expect("the script was there");
    Ok(())
}

#[test]
fn a_script_without_callbacks_is_refused() {
    let script = written("empty", "let x = 1;");
    let failure = serve(script.clone()).ready().expect_err("it has no callbacks").to_string();
    assert!(failure.contains("open, get_size, pread"), "{failure}");
    std::fs::remove_file(script).expect("the script was there");
}
