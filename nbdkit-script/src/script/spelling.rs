//! Finds misspelt callbacks, which nbdkit would silently never call.

use crate::callbacks::{Callbacks, NameOf};
use crate::values::nearest;

/// Common names of helper functions that are close to a callback's name.
const NOT_MEANT: [&str; 7] = ["clone", "closed", "extend", "ltrim", "opened", "reopen", "rtrim"];

/// The callback that the author of a function with this name probably meant, as the language names
/// it. Only suggests callbacks that the script lacks.
pub(super) fn suggestion(name: &str, defined: Callbacks, name_of: NameOf) -> Option<&'static str> {
    if Callbacks::all().iter().any(|known| name_of(known) == name) {
        return None;
    }
    if NOT_MEANT.contains(&name) {
        return None;
    }
    nearest(name, (Callbacks::all() - defined).iter().map(name_of), bare)
}

/// Strips the prefixes that nbdkit's Tcl plugin and its C examples use.
fn bare(name: &str) -> &str {
    name.strip_prefix("plugin_").or_else(|| name.strip_prefix("nbdkit_")).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suggest(name: &str) -> Option<&'static str> {
        suggestion(name, Callbacks::empty(), Callbacks::name)
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
            "catch",
            "crush",
            "clone",
            "rtrim",
        ] {
            assert_eq!(suggest(name), None, "{name}");
        }
    }

    #[test]
    fn a_callback_that_is_there_is_not_missed() {
        assert_eq!(suggestion("read", Callbacks::PREAD, Callbacks::name), None);
    }

    #[test]
    fn the_suggestion_is_the_languages_own_name() {
        let name_of = |callback| match callback {
            Callbacks::FLUSH => "plugin_flush",
            callback => callback.name(),
        };
        let suggest = |name| suggestion(name, Callbacks::empty(), name_of);
        assert_eq!(suggest("flush"), Some("plugin_flush"));
        assert_eq!(suggest("plugin_fulsh"), Some("plugin_flush"));
        assert_eq!(suggest("plugin_pread"), Some("pread"));
        assert_eq!(suggest("plugin_flush"), None);
        assert_eq!(suggestion("flush", Callbacks::FLUSH, name_of), None);
    }
}
