//! Lets plugins find nbdkit's functions in the executable that loads them.

fn main() {
    // A linker puts into an executable's dynamic table only what a library it was linked with
    // needs; plugins come later, so it has to be told. `--export-dynamic` would do as well, but
    // would lay Rust's standard library open too, which is none of a plugin's business.
    println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol=nbdkit_*");
    println!("cargo:rerun-if-changed=build.rs");
}
