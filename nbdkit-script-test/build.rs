//! Lets plugins that the tests load find nbdkit's functions in the test's program.

fn main() {
    println!("cargo::rustc-link-arg-tests=-Wl,--export-dynamic-symbol=nbdkit_*");
    println!("cargo::rerun-if-changed=build.rs");
}
