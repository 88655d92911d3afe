//! The macro that makes a plugin, with what nbdkit and `nbdkit-script-test` call in it.

/// Makes a `cdylib` an nbdkit plugin.
///
/// Its argument is a runner with its plugin: `export!(Shared<MyDisk>)`, `export!(Isolated<MyDisk>)`
/// or `export!(Isolated<Scripted<MyLanguage>>)`. Use it once in a crate, which needs
/// `crate-type = ["cdylib"]`: the compiler makes no `.so` of another, and says so here.
#[macro_export]
macro_rules! export {
    () => {
        compile_error!("expected a plugin and what runs it: export!(Shared<MyDisk>)");
    };
    ($runner:ty $(,)?) => {
        const _: () = {
            $crate::__private::makes_a_plugin!();

            #[cfg(panic = "abort")]
            compile_error!("an nbdkit plugin needs panic = \"unwind\": a panic would end nbdkit");

            #[derive(Debug)]
            struct Exported;

            impl $crate::__private::Exported for Exported {
                type Runner = $runner;

                fn slot() -> &'static $crate::__private::Slot<$runner> {
                    static SLOT: $crate::__private::Slot<$runner> = $crate::__private::Slot::new();
                    &SLOT
                }
            }

            /// What nbdkit calls when it has loaded the `.so`.
            #[unsafe(no_mangle)]
            pub extern "C" fn plugin_init() -> *const $crate::__private::PluginTable {
                $crate::__private::plugin_init::<Exported>()
            }

            /// What nbdkit-script-test calls.
            #[unsafe(no_mangle)]
            pub extern "C" fn nbdkit_script_test_1(
                testing: &$crate::__private::Testing<'_>,
            ) -> i32 {
                $crate::__private::test::<Exported>(testing)
            }
        };
    };
}
