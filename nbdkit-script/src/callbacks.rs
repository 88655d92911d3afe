//! Which callbacks a plugin defines, and what nbdkit does about the absent ones.
//!
//! nbdkit copies a plugin's table of callbacks when it loads the `.so`, long before a script is
//! known. So we always register every callback, and an absent one has to behave here exactly as a
//! NULL pointer does in nbdkit. The methods of [`Callbacks`] are those rules, and nothing else.

use crate::error::{Error, Result};
use crate::values::{Cache, Fua};

/// The name of a callback as the plugin's author writes it.
pub(crate) type NameOf = fn(Callbacks) -> &'static str;

/// Declares the flags together with nbdkit's names for the callbacks, so that the two cannot drift
/// apart.
macro_rules! callbacks {
    ($($(#[doc = $doc:literal])* $flag:ident = $name:literal;)*) => {
        bitflags::bitflags! {
            /// A set of nbdkit's callbacks, named as in nbdkit-plugin(3).
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            pub struct Callbacks: u64 {
                $($(#[doc = $doc])* const $flag = 1 << Index::$flag as u64;)*
            }
        }

        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Index { $($flag),* }

        impl Callbacks {
            /// Every callback with nbdkit's name for it, in the order of a plugin's life.
            pub const NAMES: &'static [(Callbacks, &'static str)] =
                &[$((Callbacks::$flag, $name)),*];
        }
    };
}

callbacks! {
    /// Prints `key=value` lines for `nbdkit --dump-plugin`.
    DUMP_PLUGIN = "dump_plugin";
    /// The key for parameters without one. In C it is a string; scripts have a function, as in
    /// nbdkit's sh plugin.
    MAGIC_CONFIG_KEY = "magic_config_key";
    /// Takes one `key=value` parameter of the command line.
    CONFIG = "config";
    /// All parameters have been passed.
    CONFIG_COMPLETE = "config_complete";
    /// The most concurrency that the plugin allows.
    THREAD_MODEL = "thread_model";
    /// The last step before nbdkit forks and changes its directory.
    GET_READY = "get_ready";
    /// The first step after nbdkit has forked; a plugin may start threads.
    AFTER_FORK = "after_fork";
    /// The last step before the plugin is unloaded.
    CLEANUP = "cleanup";
    /// A client has connected; nothing has been negotiated.
    PRECONNECT = "preconnect";
    /// Lists the exports for a client that asks.
    LIST_EXPORTS = "list_exports";
    /// The export that the empty name stands for.
    DEFAULT_EXPORT = "default_export";
    /// A client's connection begins. Required.
    OPEN = "open";
    /// A client's connection has ended.
    CLOSE = "close";
    /// A description of the export for people.
    EXPORT_DESCRIPTION = "export_description";
    /// The size of the disk in bytes. Required.
    GET_SIZE = "get_size";
    /// Minimum, preferred and maximum request size.
    BLOCK_SIZE = "block_size";
    /// Whether the client may write.
    CAN_WRITE = "can_write";
    /// Whether the client may flush.
    CAN_FLUSH = "can_flush";
    /// Whether the disk has seek times.
    IS_ROTATIONAL = "is_rotational";
    /// Whether the client may trim.
    CAN_TRIM = "can_trim";
    /// Whether `zero` is worth calling.
    CAN_ZERO = "can_zero";
    /// Whether the client may send fast zero requests.
    CAN_FAST_ZERO = "can_fast_zero";
    /// Whether the client may ask for extents.
    CAN_EXTENTS = "can_extents";
    /// How forced unit access works.
    CAN_FUA = "can_fua";
    /// Whether several connections see one consistent disk.
    CAN_MULTI_CONN = "can_multi_conn";
    /// How cache requests work.
    CAN_CACHE = "can_cache";
    /// Reads. Required.
    PREAD = "pread";
    /// Writes.
    PWRITE = "pwrite";
    /// Makes earlier writes durable.
    FLUSH = "flush";
    /// Punches a hole.
    TRIM = "trim";
    /// Writes zeroes.
    ZERO = "zero";
    /// Tells data, holes and zeroes apart.
    EXTENTS = "extents";
    /// Prefetches.
    CACHE = "cache";
}

impl Callbacks {
    /// The callbacks without which nbdkit rejects a plugin.
    pub const REQUIRED: Callbacks =
        Callbacks::OPEN.union(Callbacks::GET_SIZE).union(Callbacks::PREAD);

    /// The callbacks among functions with these names.
    ///
    /// ```
    /// use nbdkit_script::Callbacks;
    /// let callbacks = Callbacks::named(["open", "helper", "pread"]);
    /// assert_eq!(callbacks, Callbacks::OPEN | Callbacks::PREAD);
    /// ```
    pub fn named(functions: impl IntoIterator<Item = impl AsRef<str>>) -> Callbacks {
        let named = |function: &str| Self::NAMES.iter().find(|(_, name)| *name == function);
        let callbacks = functions.into_iter().filter_map(|function| named(function.as_ref()));
        callbacks.map(|(callback, _)| *callback).collect()
    }

    /// nbdkit's names of the callbacks in this set, in the order of a plugin's life.
    ///
    /// ```
    /// use nbdkit_script::Callbacks;
    /// let names: Vec<_> = (Callbacks::PWRITE | Callbacks::OPEN).names().collect();
    /// assert_eq!(names, ["open", "pwrite"]);
    /// ```
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().filter(move |(flag, _)| self.contains(*flag)).map(|(_, name)| *name)
    }

    /// nbdkit's name of a single callback (of the first one, if there are several).
    pub fn name(self) -> &'static str {
        self.names().next().unwrap_or("?")
    }
}

/// What nbdkit does for an absent callback.
impl Callbacks {
    pub(crate) fn default_can_write(self) -> bool {
        self.contains(Callbacks::PWRITE)
    }

    pub(crate) fn default_can_flush(self) -> bool {
        self.contains(Callbacks::FLUSH)
    }

    pub(crate) fn default_can_trim(self) -> bool {
        self.contains(Callbacks::TRIM)
    }

    pub(crate) fn default_can_zero(self) -> bool {
        self.contains(Callbacks::ZERO)
    }

    /// A plugin without `zero` fails a fast zero at once, which is what the client wants to be
    /// told. One with `zero` must say itself whether it is fast.
    pub(crate) fn default_can_fast_zero(self, can_zero: bool) -> bool {
        !self.contains(Callbacks::ZERO) || !can_zero
    }

    pub(crate) fn default_can_extents(self) -> bool {
        self.contains(Callbacks::EXTENTS)
    }

    pub(crate) fn default_can_fua(self) -> Fua {
        if self.contains(Callbacks::FLUSH) { Fua::Emulate } else { Fua::None }
    }

    pub(crate) fn default_can_cache(self) -> Cache {
        if self.contains(Callbacks::CACHE) { Cache::Native } else { Cache::None }
    }
}

/// The result of a data request whose callback is absent.
///
/// nbdkit only calls an absent callback if a `can_*` callback promised it, or, for `zero`, to learn
/// that it has to write zeroes itself.
pub(crate) fn absent(callback: Callbacks) -> Result<()> {
    let errno = match callback {
        Callbacks::CACHE => return Ok(()),
        Callbacks::ZERO => libc::EOPNOTSUPP,
        Callbacks::PWRITE => libc::EROFS,
        _ => libc::EINVAL,
    };
    Err(Error::new(errno, "this callback is not defined"))
}

/// Replaces "not defined" by nbdkit's default.
#[inline]
pub(crate) fn or_default<T>(result: Result<T>, default: impl FnOnce() -> T) -> Result<T> {
    match result {
        Err(error) if error.is_not_defined() => Ok(default()),
        result => result,
    }
}

/// The same for data requests, with [`absent`].
#[inline]
pub(crate) fn or_absent(result: Result<()>, callback: Callbacks) -> Result<()> {
    match result {
        Err(error) if error.is_not_defined() => absent(callback),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_has_a_name_and_no_two_share_one() {
        let names: std::collections::HashSet<_> = Callbacks::all().names().collect();
        assert_eq!(names.len() as u32, Callbacks::all().bits().count_ones());
    }

    #[test]
    fn flag_and_name_agree() {
        for (flag, name) in Callbacks::NAMES {
            let (constant, _) = flag.iter_names().next().expect("a named flag");
            assert_eq!(constant.to_lowercase(), *name);
        }
    }

    #[test]
    fn defaults_follow_the_callbacks_that_are_there() {
        let none = Callbacks::REQUIRED;
        assert!(!none.default_can_write());
        assert!(!none.default_can_flush());
        assert!(!none.default_can_trim());
        assert!(!none.default_can_zero());
        assert!(!none.default_can_extents());
        assert!(none.default_can_fast_zero(false));
        assert_eq!(none.default_can_fua(), Fua::None);
        assert_eq!(none.default_can_cache(), Cache::None);

        let all = Callbacks::all();
        assert!(all.default_can_write() && all.default_can_flush() && all.default_can_trim());
        assert!(all.default_can_zero() && all.default_can_extents());
        assert!(!all.default_can_fast_zero(true));
        assert!(all.default_can_fast_zero(false));
        assert_eq!(all.default_can_fua(), Fua::Emulate);
        assert_eq!(all.default_can_cache(), Cache::Native);
    }

    #[test]
    fn absent_data_callbacks_fail_as_in_nbdkit() {
        let errno = |callback| absent(callback).err().map(|e| e.errno());
        assert_eq!(errno(Callbacks::PWRITE), Some(libc::EROFS));
        assert_eq!(errno(Callbacks::ZERO), Some(libc::EOPNOTSUPP));
        assert_eq!(errno(Callbacks::TRIM), Some(libc::EINVAL));
        assert_eq!(errno(Callbacks::FLUSH), Some(libc::EINVAL));
        assert_eq!(errno(Callbacks::CACHE), None);
    }
}
