//! Debug flags: numbers that `nbdkit -D` sets in a plugin.

use std::sync::atomic::{AtomicI32, Ordering};

/// A number for debugging: 0, unless `nbdkit -D PLUGIN.FLAG=N` sets it. Make one with
/// [`debug_flag!`](crate::debug_flag).
///
/// You may read it from any thread at any time, for the cost of reading a number in memory.
#[derive(Debug, Default)]
// nbdkit takes this for an `int`, and writes to it before `load`.
#[repr(transparent)]
pub struct DebugFlag(AtomicI32);

impl DebugFlag {
    /// A flag at 0, for the expansion of [`debug_flag!`](crate::debug_flag).
    #[doc(hidden)]
    pub const fn new() -> Self {
        DebugFlag(AtomicI32::new(0))
    }

    /// The number. For a simple switch, compare it with 0.
    #[inline]
    pub fn get(&self) -> i32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the number, for example in a plugin's own tests.
    pub fn set(&self, number: i32) {
        self.0.store(number, Ordering::Relaxed);
    }
}

/// Makes a flag that `nbdkit -D PLUGIN.FLAG=N` sets, for output that only a plugin's developers
/// want. Give it the plugin's [`NAME`](crate::ScriptPlugin::NAME), in quotes if that has a dash,
/// and the flag's name. A plugin can make each flag only once.
///
/// ```
/// use nbdkit_script::host::{self, DebugFlag};
/// use nbdkit_script::debug_flag;
///
/// /// `nbdkit -v -D ramdisk.readahead=1`
/// static READAHEAD: &DebugFlag = debug_flag!(ramdisk, readahead);
///
/// fn read_ahead(offset: u64) {
///     // Without the flag, do not even format the message.
///     if READAHEAD.get() > 0 {
///         host::debug(&format!("reading ahead at {offset}"));
///     }
/// }
/// # read_ahead(0);
/// # READAHEAD.set(1);
/// # read_ahead(0);
/// ```
///
/// [`host::debug`](crate::host::debug) also needs `-v`. nbdkit warns the user if the plugin does
/// not have the flag.
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
    fn a_flag_is_an_int_under_the_name_that_nbdkit_looks_for() {
        static FLAG: &DebugFlag = debug_flag!("a-test", level);
        const { assert!(size_of::<DebugFlag>() == size_of::<c_int>()) }
        assert_eq!(FLAG.get(), 0);
        FLAG.set(-3);
        assert_eq!(FLAG.get(), -3);
    }
}
