//! A plugin's life, and that a process can have many of them.

#[macro_use]
mod common;

use std::ffi::OsStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use common::{note, noted};
use nbdkit_script::*;
use nbdkit_script_test::{Failure, Nbdkit};

/// Notes all that it is asked.
struct Noting;

#[plugin]
impl ScriptPlugin for Noting {
    const NAME: &'static str = "noting";
    const LONGNAME: Option<&'static str> = Some("a plugin that notes");
    const VERSION: Option<&'static str> = Some("1.2.3");
    const DESCRIPTION: Option<&'static str> = Some("It notes.");
    const CONFIG_HELP: Option<&'static str> = Some("key=<VALUE> Anything.");
    const MAGIC_CONFIG_KEY: Option<&'static str> = Some("magic");
    type Handle = ();

    fn load() -> Result<Self> {
        note("load");
        Ok(Noting)
    }
    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        note(format!("config {key}={}", value.display()));
        Ok(())
    }
    fn config_complete(&mut self) -> Result<()> {
        note("config_complete");
        Ok(())
    }
    fn thread_model(&self) -> Result<ThreadModel> {
        note("thread_model");
        Ok(ThreadModel::SerializeRequests)
    }
    fn get_ready(&mut self) -> Result<()> {
        note(format!("get_ready, stdio_safe={}", host::stdio_safe()));
        Ok(())
    }
    fn after_fork(&self) -> Result<()> {
        note(format!("after_fork, stdio_safe={}", host::stdio_safe()));
        Ok(())
    }
    fn cleanup(&self) -> Result<()> {
        note("cleanup");
        Ok(())
    }
    fn preconnect(&self, readonly: bool) -> Result<()> {
        note(format!("preconnect readonly={readonly}"));
        Ok(())
    }
    fn default_export(&self, readonly: bool, is_tls: bool) -> Result<Option<String>> {
        note(format!("default_export readonly={readonly} tls={is_tls}"));
        Ok(Some("main".into()))
    }
    fn open(&self, readonly: bool) -> Result<()> {
        note(format!("open readonly={readonly} {}", host::export_name()?.display()));
        Ok(())
    }
    fn close(&self, _: ()) -> Result<()> {
        note("close");
        Ok(())
    }
    fn get_size(&self, _: &()) -> Result<i64> {
        note("get_size");
        Ok(512)
    }
    fn block_size(&self, _: &()) -> Result<Option<BlockSize>> {
        note("block_size");
        Ok(None)
    }
    fn can_write(&self, _: &()) -> Result<bool> {
        note("can_write");
        Ok(true)
    }
    fn can_flush(&self, _: &()) -> Result<bool> {
        note("can_flush");
        Ok(true)
    }
    fn is_rotational(&self, _: &()) -> Result<bool> {
        note("is_rotational");
        Ok(true)
    }
    fn can_trim(&self, _: &()) -> Result<bool> {
        note("can_trim");
        Ok(true)
    }
    fn can_zero(&self, _: &()) -> Result<bool> {
        note("can_zero");
        Ok(true)
    }
    fn can_fast_zero(&self, _: &()) -> Result<bool> {
        note("can_fast_zero");
        Ok(true)
    }
    fn can_extents(&self, _: &()) -> Result<bool> {
        note("can_extents");
        Ok(true)
    }
    fn can_fua(&self, _: &()) -> Result<Fua> {
        note("can_fua");
        Ok(Fua::Native)
    }
    fn can_multi_conn(&self, _: &()) -> Result<bool> {
        note("can_multi_conn");
        Ok(true)
    }
    fn can_cache(&self, _: &()) -> Result<Cache> {
        note("can_cache");
        Ok(Cache::Native)
    }
    fn pread<'r>(&self, _: &(), buffer: ReadBuffer<'r>, offset: u64) -> Result<Filled<'r>> {
        note(format!("pread {} {offset}", buffer.len()));
        buffer.zeroed(|_| Ok(()))
    }
    fn pwrite(&self, _: &(), data: &[u8], offset: u64, flags: Flags) -> Result<()> {
        note(format!("pwrite {data:?} {offset} {}", flags.bits()));
        Ok(())
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        note("drop");
    }
}

const START: [&str; 7] = [
    "load",
    "config a=b=c",
    "config magic=1M",
    "config_complete",
    "thread_model",
    "get_ready, stdio_safe=true",
    "after_fork, stdio_safe=false",
];

#[test]
fn callbacks_come_in_nbdkits_order() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Noting>>().argument("a=b=c").argument("1M").ready()?;
    assert_eq!(noted(), START);
    assert_eq!(disk.thread_model(), ThreadModel::SerializeRequests);

    let client = disk.connect("")?;
    let expected = "preconnect readonly=false, default_export readonly=false tls=false, \
         open readonly=false main, get_size, can_write, can_zero, can_fast_zero, can_trim, \
         can_fua, can_flush, is_rotational, can_multi_conn, can_cache, can_extents, block_size";
    assert_eq!(noted().join(", "), expected);
    assert_eq!((client.size(), client.export_name().as_str()), (512, "main"));

    client.pread(8, 4)?;
    client.pwrite_with(1, b"ab", Flags::FUA)?;
    assert_eq!(noted(), ["pread 4 8", "pwrite [97, 98] 1 2"]);

    drop(client);
    drop(disk);
    assert_eq!(noted(), ["close", "cleanup", "drop"]);
    Ok(())
}

#[test]
fn with_r_nothing_is_asked_that_is_about_writing() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Noting>>().readonly().ready()?;
    noted();
    let client = disk.client().export("other").tls().connect()?;
    let expected = "preconnect readonly=true, open readonly=true other, get_size, can_flush, \
         is_rotational, can_multi_conn, can_cache, can_extents, block_size";
    assert_eq!(noted().join(", "), expected);
    assert_eq!(client.pwrite(0, b"x").unwrap_err().errno(), libc::EPERM);
    assert_eq!(noted(), [""; 0]);
    Ok(())
}

#[test]
fn clients_that_stay_are_closed_at_the_end() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Noting>>().ready()?;
    disk.connect("a")?.stay();
    noted();
    drop(disk);
    assert_eq!(noted(), ["close", "cleanup", "drop"]);
    Ok(())
}

#[test]
fn what_a_plugin_says_of_itself() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Isolated<Noting>>().ready()?;
    let about = disk.about();
    assert_eq!(about.name, "noting");
    assert_eq!(about.longname.as_deref(), Some("a plugin that notes"));
    assert_eq!(about.version.as_deref(), Some("1.2.3"));
    assert_eq!(about.description.as_deref(), Some("It notes."));
    assert_eq!(about.config_help.as_deref(), Some("key=<VALUE> Anything."));
    assert_eq!(about.magic_config_key.as_deref(), Some("magic"));
    Ok(())
}

disk!(Bare {});

#[test]
fn another_plugin_of_the_same_process_is_another() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Bare>>().ready()?;
    assert_eq!((disk.about().name.as_str(), disk.about().longname), ("test", None));
    assert_eq!(disk.thread_model(), ThreadModel::Parallel);
    assert_eq!(disk.connect("")?.pread(0, 2)?, [0x11, 0x11]);
    Ok(())
}

#[test]
fn a_thread_has_one_at_a_time() {
    let _disk = Nbdkit::of::<Shared<Bare>>().ready().unwrap();
    let second = Nbdkit::of::<Shared<Bare>>().ready().unwrap_err().to_string();
    assert!(second.contains("this thread has a plugin already"), "{second}");
}

#[test]
fn threads_wait_for_each_other() {
    static RUNNING: AtomicU32 = AtomicU32::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let disk = Nbdkit::of::<Isolated<Bare>>().ready().unwrap();
                    assert_eq!(RUNNING.fetch_add(1, Ordering::SeqCst), 0);
                    disk.connect("").unwrap().pread(0, 1).unwrap();
                    RUNNING.fetch_sub(1, Ordering::SeqCst);
                }
            });
        }
    });
}

disk!(Choosy {
    fn config(&mut self, key: &str, _: &OsStr) -> Result<()> {
        host::error("a remark");
        Err(Error::new(libc::ENOENT, format!("no {key} here")))
    }
});

#[test]
fn a_refused_parameter_ends_nbdkit_with_what_was_logged() {
    let failure = Nbdkit::of::<Shared<Choosy>>().config("size", "1M").ready().unwrap_err();
    assert_eq!(failure.to_string(), "config size=1M: a remark: config: no size here");
    assert_eq!(failure.logged(), ["a remark", "config: no size here"]);
    assert_eq!(failure.errno(), 0);
}

#[test]
fn parameters_that_nobody_wants() {
    let failure = Nbdkit::of::<Shared<Bare>>().config("size", "1M").ready().unwrap_err();
    let expected = "config size=1M: size=: this plugin does not need command line configuration";
    assert_eq!(failure.to_string(), expected);
    // Without a magic key, the first word is the script, and there is no second.
    let failure = Nbdkit::of::<Shared<Bare>>().argument("x.lua").ready().unwrap_err();
    assert!(failure.to_string().starts_with("config script=x.lua: "), "{failure}");
    let failure = Nbdkit::of::<Shared<Noting>>().config("a", "b\0c").ready().unwrap_err();
    assert!(failure.to_string().contains("NUL"), "{failure}");
}

macro_rules! failing {
    ($($plugin:ident $callback:ident($($by:tt)*) -> $answer:ty;)*) => {
        $(disk!($plugin {
            fn $callback($($by)*) -> Result<$answer> {
                Err("not today".into())
            }
        });)*

        #[test]
        fn a_step_that_fails_ends_nbdkit() {
            $({
                let failure = Nbdkit::of::<Shared<$plugin>>().ready().unwrap_err().to_string();
                let name = stringify!($callback);
                let logged = ["after_fork", "get_ready", "config_complete", "thread_model"];
                assert!(logged.contains(&name));
                assert_eq!(failure, format!("{name}: not today"));
            })*
        }
    };
}

failing! {
    NeverComplete config_complete(&mut self) -> ();
    NoModel thread_model(&self) -> ThreadModel;
    NeverReady get_ready(&mut self) -> ();
    NeverForked after_fork(&self) -> ();
}

struct Unloadable;

#[plugin]
impl ScriptPlugin for Unloadable {
    const NAME: &'static str = "unloadable";
    type Handle = ();
    fn load() -> Result<Self> {
        Err("there is no engine".into())
    }
    fn open(&self, _: bool) -> Result<()> {
        Ok(())
    }
    fn get_size(&self, _: &()) -> Result<i64> {
        Ok(0)
    }
    fn pread<'r>(&self, _: &(), buffer: ReadBuffer<'r>, _: u64) -> Result<Filled<'r>> {
        buffer.zeroed(|_| Ok(()))
    }
}

#[test]
fn load_cannot_fail_so_the_next_step_does() {
    let failure = Nbdkit::of::<Shared<Unloadable>>().ready().unwrap_err();
    assert_eq!(failure.to_string(), "config_complete: there is no engine");
    let failure = Nbdkit::of::<Shared<Unloadable>>().config("a", "b").ready().unwrap_err();
    assert_eq!(failure.to_string(), "config a=b: there is no engine");
}
