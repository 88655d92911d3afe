//! [`Language`] for Tcl: loads and calls scripts.

use nbdkit_script::interrupt::Interrupter;
use nbdkit_script::script::api::Lease;
use nbdkit_script::script::{ApiVersion, ArgumentOf, Wanted};
use nbdkit_script::{Callbacks, Error, Language, Result, Script, ThreadModel};

use crate::interpreter::{Handle, Interpreter, Value, thread};
use crate::module;
use crate::script::{self, Loaded};

/// A script in its own interpreter.
pub struct TclPlugin {
    interpreter: Interpreter,
    loaded: Loaded,
}

impl Language for TclPlugin {
    const NAME: &'static str = "tcl";
    const LANGUAGE: &'static str = "Tcl";
    const VERSION: Option<&'static str> = Some(env!("CARGO_PKG_VERSION"));
    const NO_MEMORY_LIMIT: Option<&'static str> =
        Some("Tcl ends the process when it runs out of memory, so it cannot have a limit");

    const SHARED_DISK: &'static str = "nbdkit::disk";

    type Handle = Handle;
    type Program = ();
    type Returned<'a> = Value<'a>;
    type Lent<'a> = Lease<'a>;

    fn load(script: &Script, _: &()) -> Result<Self> {
        let interpreter = Interpreter::new(Self::callback_name).map_err(|message| {
            Error::msg(format!("cannot initialize Tcl interpreter: {message}"))
        })?;
        module::register(&interpreter);
        let interrupter = interpreter.interrupter();
        let run = || script::run(&interpreter, script);
        let loaded = script.run_limited(Some(interrupter), run)?;
        Ok(TclPlugin { interpreter, loaded })
    }

    fn interrupter(&self) -> Option<Interrupter> {
        Some(self.interpreter.interrupter())
    }

    #[inline]
    fn api_version(&self) -> ApiVersion {
        self.loaded.api_version
    }

    fn callbacks(&self) -> Callbacks {
        self.interpreter.defined()
    }

    /// Tcl has its own commands named `open`, `close` and `flush`.
    fn callback_name(callback: Callbacks) -> &'static str {
        match callback {
            Callbacks::OPEN => "plugin_open",
            Callbacks::CLOSE => "plugin_close",
            Callbacks::FLUSH => "plugin_flush",
            callback => callback.name(),
        }
    }

    fn function_names(&self) -> Vec<String> {
        self.loaded.procedures.clone()
    }

    fn dump_fields() -> Vec<(&'static str, String)> {
        let Ok(interpreter) = Interpreter::new(Self::callback_name) else {
            return Vec::new();
        };
        interpreter.inside(|inside| {
            let field = |key, variable| {
                inside.variable(variable).map(|value| (key, value.text().into_owned()))
            };
            [field("tcl_version", "tcl_version"), field("tcl_patch_level", "tcl_patchLevel")]
                .into_iter()
                .flatten()
                .collect()
        })
    }

    #[inline(always)]
    fn call<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [ArgumentOf<'_, '_, Self>; N],
        _: Wanted,
        take: impl FnOnce(Value<'_>) -> Result<T>,
    ) -> Result<T> {
        self.interpreter.call(callback, &arguments, take)
    }

    fn open(&self, arguments: [ArgumentOf<'_, '_, Self>; 1]) -> Result<Handle> {
        self.interpreter.call_open(&arguments)
    }

    fn run_test(&self, name: &str) -> Result<()> {
        module::register_client(&self.interpreter);
        self.interpreter.run(&[name, module::CLIENT])
    }

    fn release(&self, handle: Handle) {
        self.interpreter.release(handle);
    }

    fn check_thread_model(model: ThreadModel) -> Result<()> {
        match model {
            ThreadModel::SerializeRequests | ThreadModel::Parallel if !thread::separable() => {
                Err(Error::new(
                    libc::ENOTSUP,
                    "this Tcl cannot run several interpreters at once: \
                     expected serialize_all_requests or serialize_connections",
                ))
            }
            _ => Ok(()),
        }
    }

    /// Tcl buffers output in its channel.
    fn flush_output(&self) {
        self.interpreter.inside(|inside| inside.ask(&["flush", "stdout"]));
    }
}

#[cfg(test)]
mod tests {
    use nbdkit_script::__private::Plugin;
    use nbdkit_script::{Flags, Language, ReadBuffer, Script, Scripted};

    use super::TclPlugin;

    /// Loads a script with this text.
    fn plugin(name: &str, text: &str) -> Scripted<TclPlugin> {
        let file = format!("nbdkit-script-tcl-{}-{name}.tcl", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, text).unwrap();
        let script = Script::read(&path).unwrap();
        let plugin = Scripted(TclPlugin::load(&script, &()).unwrap());
        std::fs::remove_file(&path).unwrap();
        plugin
    }

    #[test]
    fn a_read_is_filled_in_nbdkits_own_memory() {
        let plugin = plugin(
            "fill",
            "set API_VERSION 2
             proc plugin_open {readonly} {}
             proc get_size {h} { return 512 }
             proc pread {h buf offset flags} { $buf writestring 2 {in place}; error {after that} }",
        );
        let handle = plugin.open(false).unwrap();
        let mut memory = [0xaa; 16];
        let error = plugin.pread(&handle, ReadBuffer::new(&mut memory), 0).unwrap_err();
        assert!(error.to_string().ends_with(":4: after that"), "{error}");
        // The callback failed, so nothing was copied afterwards: the script wrote directly into
        // this memory. The bytes before its own are zeroed, and the rest is untouched.
        assert_eq!(&memory, b"\0\0in place\xaa\xaa\xaa\xaa\xaa\xaa");
    }

    #[test]
    fn a_write_is_read_in_nbdkits_own_memory() {
        let plugin = plugin(
            "data",
            "set API_VERSION 2
             proc plugin_open {readonly} {}
             proc get_size {h} { return 512 }
             proc pread {h buf offset flags} { $buf writeu8 0 $::first }
             proc pwrite {h buf offset flags} { set ::first [$buf readu8 0] }",
        );
        let handle = plugin.open(false).unwrap();
        let data = vec![7; 64 << 20];
        let before = resident();
        plugin.pwrite(&handle, &data, 0, Flags::empty()).unwrap();
        let grown = resident() - before;
        assert!(grown < 16 << 20, "{grown} bytes more, for {} that were written", data.len());
        let mut memory = [0xaa; 2];
        plugin.pread(&handle, ReadBuffer::new(&mut memory), 0).unwrap();
        assert_eq!(memory, [7, 0]);
    }

    /// The resident memory of this process, in bytes.
    fn resident() -> i64 {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        text.split(' ').nth(1).unwrap().parse::<i64>().unwrap() * 4096
    }

    #[test]
    fn interpreters_of_one_thread_run_in_many_at_once() {
        let text = "set channel [open /dev/null w]
             proc plugin_open {readonly} { open /dev/zero rb }
             proc plugin_close {h} { close $h; puts $::channel closed; flush $::channel }
             proc get_size {h} { return 512 }
             proc pread {h count offset} {
                 regexp \"(a|b)+$offset\" ab$offset
                 file normalize a/../$offset
                 catch {open /no/such/$offset}
                 after 0 {set ::done 1}
                 vwait ::done
                 read $h $count
             }";
        let plugins: Vec<_> = (0..4).map(|index| plugin(&format!("many{index}"), text)).collect();
        let serve = |plugin: Scripted<TclPlugin>| {
            for round in 0..20 {
                let handle = plugin.open(false).unwrap();
                for request in 0..20 {
                    let mut memory = [0xaa; 64];
                    let buffer = ReadBuffer::new(&mut memory);
                    plugin.pread(&handle, buffer, round * 20 + request).unwrap();
                    assert_eq!(memory, [0; 64]);
                }
                plugin.close(handle).unwrap();
            }
            plugin
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                plugins.into_iter().map(|plugin| scope.spawn(move || serve(plugin))).collect();
            // Drop it in this thread: only the thread that made an interpreter may be able to
            // delete it.
            threads.into_iter().for_each(|thread| drop(thread.join().unwrap()));
        });
    }

    #[test]
    fn what_is_open_at_the_end_is_closed_with_the_interpreter() {
        let path = std::env::temp_dir().join(format!("nbdkit-tcl-{}-end", std::process::id()));
        let text = format!(
            "proc plugin_open {{readonly}} {{
                 set channel [open {{{}}} w]
                 puts $channel written
                 return $channel
             }}
             proc get_size {{h}} {{ return 512 }}
             proc pread {{h count offset}} {{}}",
            path.display()
        );
        let plugin = plugin("end", &text);
        plugin.open(false).unwrap();
        drop(plugin);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "written\n");
        std::fs::remove_file(&path).unwrap();
    }
}
