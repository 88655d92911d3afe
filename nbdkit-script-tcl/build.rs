//! Finds the system's Tcl: 8.6, or 9 if there is no 8.6 or if the feature `tcl9` asks for it. Sets
//! `cfg(tcl9)` for Tcl 9, where lengths have another type.

use std::io::Read;

use pkg_config::get_variable;

/// An installed Tcl.
struct Tcl {
    directory: String,
    /// The name of its library without `lib` and `.so`, such as `tcl8.6`.
    library: String,
}

fn main() {
    println!("cargo::rustc-check-cfg=cfg(tcl9)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=DOCS_RS");
    // docs.rs has no Tcl, and links nothing.
    if std::env::var_os("DOCS_RS").is_some() {
        return;
    }
    let nine = std::env::var_os("CARGO_FEATURE_TCL9").is_some();
    // Tcl itself installs `tcl` for either version; distributions add the other names.
    let names: &[&str] =
        if nine { &["tcl9.0", "tcl9", "tcl"] } else { &["tcl8.6", "tcl86", "tcl", "tcl9.0"] };
    let mut tried = Vec::new();
    for name in names {
        match find(name) {
            Ok(tcl) if nine && !tcl.is_nine() => tried.push(format!("{name} is {}", tcl.library)),
            Ok(tcl) if !tcl.is_nine() && tcl.library != "tcl8.6" => {
                tried.push(format!("{name} is {}", tcl.library));
            }
            Ok(tcl) => match tcl.machine() {
                Some(machine) if machine != target() => {
                    println!(
                        "cargo::error=the Tcl that pkg-config found in {} is for {machine}, \
                         not for {}: expected PKG_CONFIG_LIBDIR to name the directory of the \
                         target's tcl.pc",
                        tcl.directory,
                        target()
                    );
                    return;
                }
                _ => return tcl.link(),
            },
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

/// Asks for variables instead of flags. We need no compiler flags, and those would require the
/// development files of the libraries that Tcl uses, which may not be installed.
fn find(name: &str) -> Result<Tcl, String> {
    let variable = |variable| get_variable(name, variable).map_err(|error| error.to_string());
    let (directory, file) = (variable("libdir")?, variable("libfile")?);
    let library = file.strip_prefix("lib").and_then(|file| file.strip_suffix(".so"));
    let library =
        library.ok_or_else(|| format!("{name} has no shared library, only \"{file}\""))?;
    Ok(Tcl { directory, library: library.into() })
}

/// The architecture that we compile for, as Rust names it.
fn target() -> String {
    std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default()
}

/// ELF's numbers of architectures, and Rust's names for them.
const MACHINES: [(u16, &str); 8] = [
    (3, "x86"),
    (21, "powerpc64"),
    (22, "s390x"),
    (40, "arm"),
    (62, "x86_64"),
    (183, "aarch64"),
    (243, "riscv64"),
    (258, "loongarch64"),
];

impl Tcl {
    /// The architecture of the library, if we know it. In a cross build without the target's Tcl,
    /// pkg-config finds this machine's, and the linker would only say that it finds none.
    fn machine(&self) -> Option<&'static str> {
        let file = format!("{}/lib{}.so", self.directory, self.library);
        let mut header = [0; 20];
        std::fs::File::open(file).ok()?.read_exact(&mut header).ok()?;
        let bytes = [header[18], header[19]];
        let number = match &header[..6] {
            [0x7f, b'E', b'L', b'F', _, 1] => u16::from_le_bytes(bytes),
            [0x7f, b'E', b'L', b'F', _, 2] => u16::from_be_bytes(bytes),
            _ => return None,
        };
        MACHINES.iter().find(|(machine, _)| *machine == number).map(|(_, name)| *name)
    }

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
