//! `#[plugin]` finds the callbacks that an `impl` has, whatever else is written there.
#![allow(missing_docs, reason = "a test")]

use std::fmt::Debug;
use std::marker::PhantomData;

use nbdkit_script::__private::Defines;
use nbdkit_script::*;

const REQUIRED: Callbacks = Callbacks::REQUIRED;

/// A plugin with these things in its `impl`, besides what is required.
macro_rules! disk {
    ($name:ident { $($item:item)* }) => {
        struct $name;

        #[plugin]
        impl ScriptPlugin for $name {
            const NAME: &'static str = "disk";
            type Handle = ();

            fn load() -> Result<Self> { Ok($name) }
            fn open(&self, _readonly: bool) -> Result<()> { Ok(()) }
            fn get_size(&self, (): &()) -> Result<i64> { Ok(512) }
            fn pread<'r>(&self, (): &(), buffer: ReadBuffer<'r>, _: u64) -> Result<Filled<'r>> {
                buffer.zeroed(|_| Ok(()))
            }

            $($item)*
        }
    };
}

disk!(Bare {});

#[test]
fn nothing_but_what_is_required() {
    assert_eq!(Bare::CALLBACKS, REQUIRED);
}

disk!(Writes {
    fn pwrite(&self, (): &(), _: &[u8], _: u64, _: Flags) -> Result<()> {
        Ok(())
    }
});

disk!(Everything {
    fn config(&mut self, _: &str, _: &std::ffi::OsStr) -> Result<()> { Ok(()) }
    fn pwrite(&self, (): &(), _: &[u8], _: u64, _: Flags) -> Result<()> { Ok(()) }
    fn flush(&self, (): &()) -> Result<()> { Ok(()) }
    fn trim(&self, (): &(), _: u32, _: u64, _: Flags) -> Result<()> { Ok(()) }
    fn zero(&self, (): &(), _: u32, _: u64, _: Flags) -> Result<()> { Ok(()) }
    fn extents(&self, (): &(), _: u32, _: u64, _: Flags) -> Result<Vec<Extent>> { Ok(vec![]) }
    fn r#cache(&self, (): &(), _: u32, _: u64) -> Result<()> { Ok(()) }
});

#[test]
fn callbacks_that_are_written() {
    assert_eq!(Writes::CALLBACKS, REQUIRED | Callbacks::PWRITE);
    let named = ["config", "pwrite", "flush", "trim", "zero", "extents", "cache"];
    assert_eq!(Everything::CALLBACKS, REQUIRED | Callbacks::named(named));
}

disk!(Conditional {
    #[cfg(target_os = "none")]
    fn pwrite(&self, (): &(), _: &[u8], _: u64, _: Flags) -> Result<()> {
        Ok(())
    }

    /// Twice, of which one is compiled.
    #[cfg(target_os = "none")]
    fn flush(&self, (): &()) -> Result<()> {
        Ok(())
    }

    #[cfg(not(target_os = "none"))]
    #[cfg_attr(not(target_os = "none"), inline)]
    fn flush(&self, (): &()) -> Result<()> {
        Ok(())
    }

    #[cfg_attr(not(target_os = "none"), cfg(target_os = "none"))]
    fn cache(&self, (): &(), _: u32, _: u64) -> Result<()> {
        Ok(())
    }
});

#[test]
fn only_what_is_compiled() {
    assert_eq!(Conditional::CALLBACKS, REQUIRED | Callbacks::FLUSH);
}

/// Generic, with an arrow and a `for` among its parameters, and things that look like functions.
struct Odd<'a, T, F: Fn(&T) -> bool, const N: usize>(PhantomData<(&'a T, F)>);

#[plugin]
impl<T, F: for<'b> Fn(&'b T) -> bool, const N: usize> nbdkit_script::ScriptPlugin
    for Odd<'static, T, F, { N }>
where
    T: Debug + Send + Sync + 'static,
    F: Send + 'static,
{
    #![allow(clippy::type_complexity, reason = "a test")]

    const NAME: &'static str = concat!("o", "dd");
    const LONGNAME: Option<&'static str> = {
        const fn pwrite() -> &'static str {
            "no callback"
        }
        Some(pwrite())
    };
    const INSTANCES: usize = if N != 1 { 2 } else { 1 };
    type Handle = Box<dyn Fn(fn(u8) -> bool) -> bool + Send>;

    fn load() -> Result<Self> {
        fn trim() {}
        trim();
        Ok(Odd(PhantomData))
    }

    fn open(&self, _readonly: bool) -> Result<Self::Handle> {
        Ok(Box::new(|function| function(1)))
    }

    fn get_size(&self, _: &Self::Handle) -> Result<i64> {
        Ok(512)
    }

    fn pread<'r>(&self, _: &Self::Handle, buffer: ReadBuffer<'r>, _: u64) -> Result<Filled<'r>> {
        buffer.zeroed(|_| Ok(()))
    }

    fn zero(&self, _: &Self::Handle, _: u32, _: u64, _: Flags) -> Result<()> {
        Ok(())
    }
}

#[test]
fn whatever_else_is_in_the_impl() {
    type Some = Odd<'static, u8, fn(&u8) -> bool, 1>;
    assert_eq!(Some::CALLBACKS, REQUIRED | Callbacks::ZERO);
    assert_eq!(Some::INSTANCES, 1);
}
