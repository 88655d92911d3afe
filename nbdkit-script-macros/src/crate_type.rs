//! Finds out which kind of crate the compiler makes. It runs these macros in its own process, so we
//! see its command line. In an editor we do not, and find nothing.

const MISTAKE: &str = "`export!` makes a plugin, but this crate is built as a library for Rust, \
                       without a .so: Cargo.toml needs `crate-type = [\"cdylib\"]` in `[lib]`, \
                       or [\"cdylib\", \"rlib\"] if Rust code uses the crate as well";

/// The mistake of making only a library for Rust: there would be no `.so`, and nothing to say why.
pub(super) fn mistake(arguments: impl Iterator<Item = String>) -> Option<&'static str> {
    let types = crate_types(arguments);
    let for_rust = |kind: &String| kind == "lib" || kind == "rlib";
    (!types.is_empty() && types.iter().all(for_rust)).then_some(MISTAKE)
}

fn crate_types(mut arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut types = Vec::new();
    while let Some(argument) = arguments.next() {
        let value = match argument.strip_prefix("--crate-type") {
            Some("") => arguments.next(),
            Some(value) => value.strip_prefix('=').map(String::from),
            None => None,
        };
        types.extend(value.iter().flat_map(|value| value.split(',')).map(String::from));
    }
    types
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_mistake(arguments: &str) -> bool {
        mistake(arguments.split(' ').map(String::from)).is_some()
    }

    #[test]
    fn only_a_library_for_rust_is_a_mistake() {
        assert!(is_mistake("rustc --crate-name disk --crate-type lib src/lib.rs"));
        assert!(is_mistake("rustc --crate-type=rlib src/lib.rs"));
        assert!(is_mistake("rustc --crate-type lib,rlib src/lib.rs"));
        assert!(!is_mistake("rustc --crate-type cdylib src/lib.rs"));
        assert!(!is_mistake("rustc --crate-type rlib --crate-type cdylib src/lib.rs"));
        assert!(!is_mistake("rustc --crate-type rlib,cdylib src/lib.rs"));
        assert!(!is_mistake("rustc --crate-name disk --test src/lib.rs"));
        assert!(!is_mistake("rustc --crate-type bin src/main.rs"));
        assert!(!is_mistake("an-editor"));
    }
}
