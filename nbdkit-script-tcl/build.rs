//! Finds the system's Tcl: 8.6, or 9 where there is no other or where the feature `tcl9` asks for
//! it. `ffi.rs` is told which, because lengths have another type there.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(tcl9)");
    println!("cargo::rerun-if-changed=build.rs");
    let nine = std::env::var_os("CARGO_FEATURE_TCL9").is_some();
    // Distributions disagree on the name; `tcl` is what Tcl itself installs, of either version.
    let names: &[&str] =
        if nine { &["tcl9.0", "tcl9", "tcl"] } else { &["tcl8.6", "tcl86", "tcl", "tcl9.0"] };
    let mut tried = Vec::new();
    for name in names {
        match pkg_config::Config::new().atleast_version("8.6").cargo_metadata(false).probe(name) {
            Ok(library) if nine && !library.version.starts_with("9.") => {
                tried.push(format!("{name} is version {}", library.version));
            }
            Ok(library) => return link(&library),
            Err(error) => tried.push(error.to_string()),
        }
    }
    for error in tried {
        println!("cargo::warning={error}");
    }
    println!(
        "cargo::error=no Tcl 8.6 or 9 was found by pkg-config; on Debian: apt-get install tcl-dev"
    );
}

fn link(library: &pkg_config::Library) {
    if library.version.starts_with("9.") {
        println!("cargo::rustc-cfg=tcl9");
    }
    for path in &library.link_paths {
        println!("cargo::rustc-link-search=native={}", path.display());
    }
    // The stubs are for what is loaded into an interpreter, not for what makes one.
    for name in library.libs.iter().filter(|name| !name.contains("stub")) {
        println!("cargo::rustc-link-lib={name}");
    }
}
