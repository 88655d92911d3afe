//! Which callbacks a plugin in Rust defines, as found by the attribute `#[plugin]`.

use crate::callbacks::Callbacks;
use crate::values::is_same;

/// Implemented by the attribute `#[plugin]`. Without it a plugin does not compile:
///
/// ```compile_fail,E0277
/// # use nbdkit_script::*;
/// # struct Pattern;
/// // error: `Pattern` lacks the attribute `#[plugin]`
/// impl ScriptPlugin for Pattern {
///     const NAME: &'static str = "pattern8";
///     type Handle = ();
/// #   fn load() -> Result<Self> { Ok(Pattern) }
/// #   fn open(&self, _: bool) -> Result<()> { Ok(()) }
/// #   fn get_size(&self, _: &()) -> Result<i64> { Ok(512) }
/// #   fn pread<'r>(&self, _: &(), buffer: ReadBuffer<'r>, _: u64) -> Result<Filled<'r>> {
/// #       buffer.zeroed(|_| Ok(()))
/// #   }
///     fn pwrite(&self, _: &(), data: &[u8], offset: u64, _: Flags) -> Result<()> {
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` lacks the attribute `#[plugin]`",
    label = "write `#[nbdkit_script::plugin]` before this `impl`",
    note = "it finds the callbacks in the `impl`, for nbdkit to be told of all of them: without \
            that, a disk with `pwrite` would be read-only"
)]
pub trait Defines {
    /// The callbacks that the `impl` defines.
    const CALLBACKS: Callbacks;
}

/// The callbacks among functions with these names. For use in a constant.
pub const fn defined(functions: &[&str]) -> Callbacks {
    let mut callbacks = Callbacks::empty();
    let mut rest = functions;
    while let [function, others @ ..] = rest {
        let mut known = Callbacks::NAMES;
        while let [(callback, name), later @ ..] = known {
            if is_same(function, name) {
                callbacks = callbacks.union(*callback);
            }
            known = later;
        }
        rest = others;
    }
    callbacks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_are_known_by_their_names() {
        for (callback, name) in Callbacks::NAMES {
            assert_eq!(defined(&[name]), *callback);
        }
        assert_eq!(defined(&["load", "can_writ", "can_write_"]), Callbacks::empty());
        assert_eq!(defined(&["pwrite", "open"]), Callbacks::OPEN | Callbacks::PWRITE);
    }
}
