//! What a plugin's library does for `nbdkit-script-test`: lists the tests in a file, and runs one.

use std::ffi::c_int;

use super::connection::{Exported, PluginOf};
use crate::callbacks::Callbacks;
use crate::error::Result;
use crate::host::{Job, Testing, Told};
use crate::panic;
use crate::plugin::Plugin;
use crate::report;
use crate::runner::Runner;

/// Does a job. Returns 0 on success; otherwise it tells the runner what failed.
#[doc(hidden)]
pub fn test<E: Exported>(testing: &Testing<'_>) -> c_int {
    match panic::catch(|| done::<E>(testing)) {
        Ok(()) => 0,
        Err(error) => {
            report::note(&error);
            testing.tell(Told::Failure, error.message());
            -1
        }
    }
}

fn done<E: Exported>(testing: &Testing<'_>) -> Result<()> {
    match testing.job() {
        Job::Callbacks => {
            for callback in E::slot().serving()?.with_plugin(|plugin| plugin.callbacks()).iter() {
                let name = PluginOf::<E>::callback_name(callback);
                testing.tell(Told::Callback, &format!("{} {name}", Callbacks::name(callback)));
            }
        }
        Job::List => {
            for test in PluginOf::<E>::tests(testing.file(), testing.limit())? {
                testing.tell(Told::Test, &test);
            }
        }
        Job::Run => PluginOf::<E>::run_test(testing.file(), testing.test()?, testing.limit())?,
    }
    Ok(())
}
