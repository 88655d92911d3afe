//! Debug flags: numbers that `nbdkit -D` sets in a plugin.

use std::sync::atomic::{AtomicI32, Ordering};

/// A number for debugging, which `nbdkit -D PLUGIN.FLAG=N` sets, else 0:
/// [`debug_flag!`](crate::debug_flag) makes one.
///
/// It may be read from any thread at any time, and costs no more than any number in memory.
#[derive(Debug, Default)]
// nbdkit finds an `int` here, and writes to it before `load`.
#[repr(transparent)]
pub struct DebugFlag(AtomicI32);

impl DebugFlag {
    /// A flag that is not set, for the expansion of [`debug_flag!`](crate::debug_flag).
    #[doc(hidden)]
    pub const fn new() -> Self {
        DebugFlag(AtomicI32::new(0))
    }

    /// The number. Many flags are only asked whether it is 0.
    #[inline]
    pub fn get(&self) -> i32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets it, as in a plugin's own tests.
    pub fn set(&self, number: i32) {
        self.0.store(number, Ordering::Relaxed);
    }
}

/// A flag that `nbdkit -D PLUGIN.FLAG=N` sets, for what only a plugin's developers want to see. The
/// words are the plugin's [`NAME`](crate::ScriptPlugin::NAME), in quotes if it has a dash, and the
/// flag's own. Each flag can be made once in a plugin.
///
/// ```
/// use nbdkit_script::host::{self, DebugFlag};
/// use nbdkit_script::debug_flag;
///
/// /// `nbdkit -v -D ramdisk.readahead=1`
/// static READAHEAD: &DebugFlag = debug_flag!(ramdisk, readahead);
///
/// fn read_ahead(offset: u64) {
///     // Without the flag the message is not even made.
///     if READAHEAD.get() > 0 {
///         host::debug(&format!("reading ahead at {offset}"));
///     }
/// }
/// # read_ahead(0);
/// # READAHEAD.set(1);
/// # read_ahead(0);
/// ```
///
/// [`host::debug`](crate::host::debug) needs `-v` as well. nbdkit warns the user of a flag that the
/// plugin does not have.
#[macro_export]
macro_rules! debug_flag {
    ($plugin:literal, $flag:ident $(,)?) => {{
        #[unsafe(export_name = concat!($plugin, "_debug_", stringify!($flag)))]
        static FLAG: $crate::host::DebugFlag = $crate::host::DebugFlag::new();
        &FLAG
    }};
    ($plugin:ident, $flag:ident $(,)?) => {{
        #[unsafe(export_name = concat!(stringify!($plugin), "_debug_", stringify!($flag)))]
        static FLAG: $crate::host::DebugFlag = $crate::host::DebugFlag::new();
        &FLAG
    }};
}

#[cfg(test)]
mod tests {
    use std::ffi::c_int;

    use super::*;

    #[test]
    fn it_is_an_int_under_the_name_that_nbdkit_looks_for() {
        static FLAG: &DebugFlag = debug_flag!("a-test", level);
        const { assert!(size_of::<DebugFlag>() == size_of::<c_int>()) }
        assert_eq!(FLAG.get(), 0);
        FLAG.set(-3);
        assert_eq!(FLAG.get(), -3);
    }
}
