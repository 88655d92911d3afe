//! Lets plugins that the program and the tests load find nbdkit's functions there.

fn main() {
    println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol=nbdkit_*");
    println!("cargo::rustc-link-arg-tests=-Wl,--export-dynamic-symbol=nbdkit_*");
    println!("cargo::rerun-if-changed=build.rs");
}
