//! A plugin's life, and that a process can have many of them.

#[macro_use]
mod common;

use std::ffi::OsStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use common::{note, noted};
use nbdkit_script::*;
use nbdkit_script_test::{Failure, Level, Nbdkit};

/// Notes all that it is asked.
struct Noting;

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
    fn callbacks(&self) -> Callbacks {
        Callbacks::REQUIRED | Callbacks::CONFIG | Callbacks::PWRITE
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

plugin!(Bare [] {});

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

plugin!(Choosy [CONFIG] {
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
        $(plugin!($plugin [] {
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
                assert_eq!(failure, format!("{name}: {name}: not today"));
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

impl ScriptPlugin for Unloadable {
    const NAME: &'static str = "unloadable";
    type Handle = ();
    fn load() -> Result<Self> {
        Err("there is no engine".into())
    }
    fn callbacks(&self) -> Callbacks {
        Callbacks::REQUIRED
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

plugin!(Exclusive [] {
    fn thread_model(&self) -> Result<ThreadModel> {
        Ok(ThreadModel::SerializeConnections)
    }
});

#[test]
fn under_serialize_connections_clients_wait_for_each_other() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Exclusive>>().ready()?;
    let client = disk.connect("")?;
    let second = disk.connect("").unwrap_err().to_string();
    assert!(second.contains("serialize_connections"), "{second}");
    thread::scope(|scope| {
        let waits = scope.spawn(|| disk.connect("").map(drop));
        client.pread(0, 1).unwrap();
        drop(client);
        waits.join().unwrap()
    })?;
    disk.connect("")?;
    Ok(())
}

plugin!(Serial [] {
    fn thread_model(&self) -> Result<ThreadModel> {
        Ok(ThreadModel::SerializeAllRequests)
    }
    fn can_write(&self, _: &()) -> Result<bool> {
        static INSIDE: AtomicU32 = AtomicU32::new(0);
        assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0);
        thread::sleep(Duration::from_millis(1));
        INSIDE.fetch_sub(1, Ordering::SeqCst);
        Ok(false)
    }
});

#[test]
fn the_locks_of_the_thread_model_are_taken() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Serial>>().ready()?;
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| disk.connect("").map(drop))).collect();
        clients.into_iter().try_for_each(|client| client.join().unwrap())
    })
}

plugin!(Ending [] {
    fn after_fork(&self) -> Result<()> {
        note(format!("{:?} {}", host::nanosleep(Duration::ZERO).is_ok(), host::ending()));
        Ok(())
    }
    fn get_ready(&mut self) -> Result<()> {
        note(host::shutdown().unwrap_err().to_string());
        Ok(())
    }
    fn export_description(&self, _: &()) -> Result<Option<String>> {
        host::shutdown()?;
        note(format!("{}", host::ending()));
        Ok(host::nanosleep(Duration::from_secs(3600)).err().map(|error| error.to_string()))
    }
});

#[test]
fn a_plugin_can_end_the_server_and_is_told_of_its_end() -> Result<(), Failure> {
    for _ in 0..2 {
        let disk = Nbdkit::of::<Shared<Ending>>().ready()?;
        assert_eq!(noted(), ["nbdkit does not serve yet", "true false"]);
        let client = disk.connect("")?;
        assert!(!disk.is_shutting_down());
        let description = client.export_description().unwrap();
        assert_eq!(description, "the sleep was cut short: the connection is ending");
        assert_eq!(noted(), ["true"]);
        assert!(disk.is_shutting_down());
        assert_eq!(client.pread(0, 1).unwrap_err().errno(), libc::ESHUTDOWN);
        assert!(disk.connect("").unwrap_err().to_string().contains("shutting down"));
        assert_eq!(disk.errors(), ["aborting sleep because of server shut down"]);
    }
    Ok(())
}

static SLEEPS: AtomicU32 = AtomicU32::new(0);

plugin!(Patient [] {
    fn export_description(&self, _: &()) -> Result<Option<String>> {
        SLEEPS.store(1, Ordering::SeqCst);
        Ok(host::nanosleep(Duration::from_secs(3600)).err().map(|error| error.to_string()))
    }
});

#[test]
fn a_sleep_ends_with_the_server() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Patient>>().ready()?;
    let client = disk.connect("")?;
    thread::scope(|scope| {
        let sleeps = scope.spawn(|| client.export_description());
        while SLEEPS.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        disk.shutdown();
        assert!(sleeps.join().unwrap().is_some());
    });
    Ok(())
}

plugin!(Rude [] {
    fn export_description(&self, _: &()) -> Result<Option<String>> {
        host::disconnect(true)?;
        Ok(host::nanosleep(Duration::from_secs(3600)).err().map(|error| error.to_string()))
    }
});

#[test]
fn a_plugin_can_disconnect_a_client() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Rude>>().ready()?;
    let (client, other) = (disk.connect("")?, disk.connect("")?);
    assert!(client.export_description().is_some());
    assert!(client.is_disconnected() && !other.is_disconnected());
    assert_eq!(client.pread(0, 1).unwrap_err().errno(), libc::ESHUTDOWN);
    other.pread(0, 1)?;
    Ok(())
}

plugin!(Panicking [] {
    fn can_flush(&self, _: &()) -> Result<bool> {
        panic!("no {}", "flush")
    }
});

#[test]
fn a_panic_is_an_error_of_one_callback() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Panicking>>().ready()?;
    let failure = disk.connect("").unwrap_err().to_string();
    assert!(failure.starts_with("can_flush: can_flush: panicked at "), "{failure}");
    assert!(failure.ends_with(": no flush") && failure.contains("life.rs:"), "{failure}");
    Ok(())
}

/// The harness prints a failed test's message by the hook that the framework would replace.
#[test]
fn a_panic_outside_of_callbacks_is_the_tests() {
    if std::env::var_os("PANICS_OUTSIDE").is_some() {
        let _disk = Nbdkit::of::<Shared<Talking>>().ready().unwrap();
        panic!("shown to people");
    }
    let program = std::env::current_exe().unwrap();
    let mut command = std::process::Command::new(program);
    command.args(["--exact", "a_panic_outside_of_callbacks_is_the_tests"]);
    let output = command.env("PANICS_OUTSIDE", "1").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success());
    // With what was logged.
    for part in ["shown to people", "life.rs:", "nbdkit: error: an error", "nbdkit: debug: a\\tb"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

plugin!(Talking [] {
    fn after_fork(&self) -> Result<()> {
        host::debug("a\tb");
        host::error("an error");
        Ok(())
    }
});

#[test]
fn the_log_is_kept_in_order_and_begins_anew() -> Result<(), Failure> {
    for _ in 0..2 {
        let disk = Nbdkit::of::<Shared<Talking>>().ready()?;
        let lines: Vec<_> = disk.log().into_iter().map(|line| (line.level, line.text)).collect();
        let expected =
            [(Level::Debug, "a\\tb".to_string()), (Level::Error, "an error".to_string())];
        assert_eq!(lines, expected);
        assert_eq!(disk.debug_messages(), ["a\\tb"]);
        assert_eq!(disk.errors(), ["an error"]);
    }
    Ok(())
}

#[test]
fn debug_flags_that_nobody_has() -> Result<(), Failure> {
    let command = Nbdkit::of::<Shared<Bare>>();
    let disk = command.debug_flag("test", "x.y", 1).debug_flag("lua", "x", 1).ready()?;
    assert_eq!(
        disk.errors(),
        [
            "-D test.x.y: test does not contain a global variable called test_debug_x.y",
            "debug flag -D lua.x was not used"
        ]
    );
    Ok(())
}
