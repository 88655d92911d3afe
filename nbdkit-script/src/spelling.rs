//! Callbacks that are probably misspelt: nbdkit would just never call them.

use crate::callbacks::Callbacks;

/// Names that helpers have, and that are one letter or two away from a callback's.
const NOT_MEANT: [&str; 7] = ["clone", "closed", "extend", "ltrim", "opened", "reopen", "rtrim"];

/// The callback that a script's author probably meant by defining a function of this name. Only
/// one that the script lacks is suggested.
pub(crate) fn suggestion(name: &str, defined: Callbacks) -> Option<&'static str> {
    if Callbacks::all().names().any(|known| known == name) {
        return None;
    }
    if NOT_MEANT.contains(&name) {
        return None;
    }
    let lower = name.to_lowercase();
    // As nbdkit's Tcl plugin and its C examples name them.
    let bare =
        lower.strip_prefix("plugin_").or_else(|| lower.strip_prefix("nbdkit_")).unwrap_or(&lower);
    let (distance, nearest) = (Callbacks::all() - defined)
        .names()
        .map(|known| (strsim::osa_distance(bare, known), known))
        .min()?;
    // In a short word one wrong letter is much: "read" may be "pread", "send" is not "open".
    let close = if nearest.len() <= 5 { 1 } else { 2 };
    (distance <= close).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suggest(name: &str) -> Option<&'static str> {
        suggestion(name, Callbacks::empty())
    }

    #[test]
    fn likely_misspellings() {
        assert_eq!(suggest("preed"), Some("pread"));
        assert_eq!(suggest("read"), Some("pread"));
        assert_eq!(suggest("pwirte"), Some("pwrite"));
        assert_eq!(suggest("can_wirte"), Some("can_write"));
        assert_eq!(suggest("plugin_flush"), Some("flush"));
        assert_eq!(suggest("getsize"), Some("get_size"));
        assert_eq!(suggest("Config"), Some("config"));
        assert_eq!(suggest("extent"), Some("extents"));
    }

    #[test]
    fn other_names() {
        for name in [
            "pread",
            "helper",
            "send",
            "read_block",
            "clone_all",
            "main",
            "config_file",
            "clone",
            "rtrim",
        ] {
            assert_eq!(suggest(name), None, "{name}");
        }
    }

    #[test]
    fn a_callback_that_is_there_is_not_missed() {
        assert_eq!(suggestion("read", Callbacks::PREAD), None);
    }
}
