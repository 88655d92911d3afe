//! Finds the system's Tcl: 8.6, or 9 where there is no other or where the feature `tcl9` asks for
//! it. `ffi.rs` is told which, because lengths have another type there.

use pkg_config::get_variable;

/// A Tcl that is installed.
struct Tcl {
    directory: String,
    /// The name of its library, as `libtcl8.6.so`, between `lib` and `.so`.
    library: String,
}

fn main() {
    println!("cargo::rustc-check-cfg=cfg(tcl9)");
    println!("cargo::rerun-if-changed=build.rs");
    let nine = std::env::var_os("CARGO_FEATURE_TCL9").is_some();
    // `tcl` is what Tcl itself installs, of either version; distributions have others beside it.
    let names: &[&str] =
        if nine { &["tcl9.0", "tcl9", "tcl"] } else { &["tcl8.6", "tcl86", "tcl", "tcl9.0"] };
    let mut tried = Vec::new();
    for name in names {
        match find(name) {
            Ok(tcl) if nine && !tcl.is_nine() => tried.push(format!("{name} is {}", tcl.library)),
            Ok(tcl) if !tcl.is_nine() && tcl.library != "tcl8.6" => {
                tried.push(format!("{name} is {}", tcl.library));
            }
            Ok(tcl) => return tcl.link(),
            Err(error) => tried.push(error),
        }
    }
    println!(
        "cargo::error=no Tcl {} was found by pkg-config; on Debian: apt-get install {} ({})",
        if nine { "9" } else { "8.6 or 9" },
        if nine { "tcl9.0-dev" } else { "tcl-dev" },
        tried.join("; ").replace('\n', " ")
    );
}

/// Asks for variables and not for flags: those of the compiler, which is not needed, also depend on
/// the headers of libraries that Tcl is made of, and these need not be there.
fn find(name: &str) -> Result<Tcl, String> {
    let variable = |variable| get_variable(name, variable).map_err(|error| error.to_string());
    let (directory, file) = (variable("libdir")?, variable("libfile")?);
    let library = file.strip_prefix("lib").and_then(|file| file.strip_suffix(".so"));
    let library =
        library.ok_or_else(|| format!("{name} has no shared library, only \"{file}\""))?;
    Ok(Tcl { directory, library: library.into() })
}

impl Tcl {
    fn is_nine(&self) -> bool {
        self.library.starts_with("tcl9")
    }

    fn link(&self) {
        if self.is_nine() {
            println!("cargo::rustc-cfg=tcl9");
        }
        println!("cargo::rustc-link-search=native={}", self.directory);
        println!("cargo::rustc-link-lib={}", self.library);
    }
}
