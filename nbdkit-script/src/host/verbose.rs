//! Whether nbdkit shows its debug log. It has no function for that, and does not export its
//! variable, but only its command line can set it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::LazyLock;

/// Whether nbdkit shows its debug log, which it does with `-v`. Ask before you compute something
/// only for [`debug`](crate::host::debug).
///
/// This looks at nbdkit's command line, once, and then costs as much as reading a variable. It is
/// true where nobody knows, such as in a test without nbdkit. May be called from any thread.
///
/// ```
/// use nbdkit_script::host;
///
/// fn read_ahead(blocks: &[u64]) {
///     if host::debug_enabled() {
///         host::debug(&format!("reading ahead: {blocks:?}"));
///     }
/// }
/// # read_ahead(&[7, 8]);
/// ```
pub fn debug_enabled() -> bool {
    static ENABLED: LazyLock<bool> = LazyLock::new(|| wants_debug(std::env::args_os()));
    *ENABLED
}

/// nbdkit's options of one letter that take a value, which may follow without a space.
const WITH_VALUE: &[u8] = b"DegiPptUu";

fn wants_debug(mut arguments: impl Iterator<Item = OsString>) -> bool {
    let is_nbdkit = |name: OsString| Path::new(&name).file_name().is_some_and(|n| n == "nbdkit");
    if !arguments.next().is_some_and(is_nbdkit) {
        return true;
    }
    // A value that looks like `-v` counts, too: a wrong yes only costs time.
    arguments.any(|argument| match argument.as_bytes() {
        // An option's name may be shortened, but `--ver` could also be `--version`.
        long @ [b'-', b'-', ..] => b"--verbose".starts_with(long) && long.len() > b"--ver".len(),
        [b'-', letters @ ..] => {
            letters.iter().take_while(|letter| !WITH_VALUE.contains(letter)).any(|&l| l == b'v')
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_says_whether_debug_messages_are_shown() {
        let wants_debug = |line: &str| wants_debug(line.split(' ').map(OsString::from));
        for line in [
            "nbdkit -v disk.so",
            "/usr/sbin/nbdkit disk.so size=1M --verbose",
            "nbdkit --verb disk.so",
            "nbdkit -fv disk.so",
            "nbdkit -p 10809 -nvU- disk.so",
            "nbdkit -e -- -v disk.so",
            // Not nbdkit, or somebody's own wrapper.
            "nbdkit-script-test disk.so",
        ] {
            assert!(wants_debug(line), "{line}");
        }
        for line in [
            "nbdkit disk.so",
            "nbdkit -f disk.so size=1M level=-v",
            "nbdkit --vsock disk.so --ver",
            "nbdkit -Uv -ev -D disk.v=1 disk.so",
            "nbdkit - disk.so",
        ] {
            assert!(!wants_debug(line), "{line}");
        }
    }
}
