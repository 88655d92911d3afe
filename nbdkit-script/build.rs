//! Links plugins with GCC's unwinder itself, in place of the library libgcc_s that has it.
//!
//! nbdkit has no use for libgcc_s, so each start of nbdkit would look for it, map it and bind it,
//! for a dozen functions that only a panic calls.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// What GCC calls its unwinder as an archive: `lib` and `.a` around it.
const UNWINDER: &str = "gcc_eh";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if !is_wanted() {
        return;
    }
    // Where there is none, as with a C compiler other than GCC, Rust links with libgcc_s.
    if let Some(directory) = directory() {
        println!("cargo::rustc-link-search=native={}", directory.display());
        // Not bundled: it goes into what is linked, and not into this crate's own archive.
        println!("cargo::rustc-link-lib=static:-bundle={UNWINDER}");
    }
}

/// Only with the GNU C library, and not for another machine: the C compiler would name its own
/// archive.
fn is_wanted() -> bool {
    let is = |variable, value| env::var(variable).is_ok_and(|found| found == value);
    env::var_os("CARGO_FEATURE_SHARED_UNWINDER").is_none()
        && is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && env::var_os("HOST") == env::var_os("TARGET")
}

/// The directory of the unwinder, as the C compiler knows it that links.
fn directory() -> Option<PathBuf> {
    let compiler = env::var_os("RUSTC_LINKER").unwrap_or_else(|| "cc".into());
    let file = format!("lib{UNWINDER}.a");
    let output = Command::new(compiler).arg(format!("-print-file-name={file}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
    // A compiler that has no such file prints the bare name.
    (path.is_absolute() && path.is_file()).then(|| path.parent().map(PathBuf::from))?
}
