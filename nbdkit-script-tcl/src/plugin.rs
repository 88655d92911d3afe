//! [`ScriptPlugin`] for Tcl: which arguments each callback gets, and what it may return.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use nbdkit_script::returned::FromReturned;
use nbdkit_script::{
    BlockSize, Cache, Callbacks, Error, Export, Extent, Filled, Flags, Fua, ReadBuffer, Result,
    Script, ScriptPlugin, ThreadModel,
};

use crate::convert;
use crate::interpreter::{Argument, Handle, Interpreter, Lent, Value, thread};
use crate::module;
use crate::raised;
use crate::script::{self, ApiVersion, Loaded};

/// A script in its own interpreter.
pub struct TclPlugin {
    interpreter: Interpreter,
    loaded: Loaded,
}

impl TclPlugin {
    #[inline]
    fn call<T>(
        &self,
        callback: Callbacks,
        arguments: &[Argument<'_>],
        take: impl FnOnce(Value<'_>) -> Result<T>,
    ) -> Result<T> {
        match self.interpreter.call(callback, arguments, take) {
            Ok(result) => result,
            Err(failure) => Err(self.error(failure)),
        }
    }

    #[cold]
    fn error(&self, failure: crate::interpreter::Failure) -> Error {
        raised::error(&self.loaded, failure, self.interpreter.take_pending_errno())
    }

    /// Calls what returns nothing; what it does return is ignored.
    #[inline]
    fn act(&self, callback: Callbacks, arguments: &[Argument<'_>]) -> Result<()> {
        self.call(callback, arguments, |_| Ok(()))
    }

    /// Calls what answers a question.
    fn ask<T>(&self, callback: Callbacks, arguments: &[Argument<'_>]) -> Result<T>
    where
        T: for<'a> FromReturned<Value<'a>>,
    {
        self.call(callback, arguments, |value| T::from_returned(value))
    }

    fn is_v2(&self) -> bool {
        self.loaded.api_version == ApiVersion::V2
    }
}

/// nbdkit has checked that an offset is inside the disk, whose size is an `i64`.
fn offset_of(offset: u64) -> Argument<'static> {
    Argument::Integer(offset as i64)
}

fn count_of(count: u32) -> Argument<'static> {
    Argument::Integer(count.into())
}

fn flags_of(flags: Flags) -> Argument<'static> {
    Argument::Integer(flags.bits().into())
}

/// What nbdkit passes to callbacks for which it has no flags yet.
const NO_FLAGS: Argument<'static> = Argument::Integer(0);

impl ScriptPlugin for TclPlugin {
    const NAME: &'static str = "tcl";
    const LANGUAGE: &'static str = "Tcl";
    const VERSION: Option<&'static str> = Some(env!("CARGO_PKG_VERSION"));
    const CONFIG_HELP: Option<&'static str> = Some(
        "interpreters=<N>      How many run at once, where the script's thread model lets them.\n\
         script=<FILENAME>     (required) The Tcl script to run.\n\
         [other arguments may be used by the script that you load]",
    );

    type Source = Script;
    type Handle = Handle;

    /// `open`, `close` and `flush` are commands of Tcl itself.
    fn callback_name(callback: Callbacks) -> &'static str {
        match callback {
            Callbacks::OPEN => "plugin_open",
            Callbacks::CLOSE => "plugin_close",
            Callbacks::FLUSH => "plugin_flush",
            callback => callback.name(),
        }
    }

    fn load(script: &Script) -> Result<Self> {
        let interpreter = Interpreter::new().map_err(|message| {
            Error::msg(format!("cannot initialize Tcl interpreter: {message}"))
        })?;
        module::register(&interpreter);
        let loaded = script::run(&interpreter, script)?;
        Ok(TclPlugin { interpreter, loaded })
    }

    fn callbacks(&self) -> Callbacks {
        self.interpreter.defined()
    }

    fn takes_flags(&self) -> bool {
        self.is_v2()
    }

    fn function_names(&self) -> Vec<String> {
        self.loaded.procedures.clone()
    }

    fn dump_fields() -> Vec<(&'static str, String)> {
        let Ok(interpreter) = Interpreter::new() else {
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

    fn dump_plugin(&self) -> Result<()> {
        let result = self.act(Callbacks::DUMP_PLUGIN, &[]);
        // What Tcl prints waits in its channel, and nbdkit goes on printing.
        self.interpreter.inside(|inside| inside.ask(&["flush", "stdout"]));
        result
    }

    fn magic_config_key(&self) -> Result<String> {
        self.ask(Callbacks::MAGIC_CONFIG_KEY, &[])
    }

    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        let arguments = [Argument::External(key.as_bytes()), Argument::External(value.as_bytes())];
        self.act(Callbacks::CONFIG, &arguments)
    }

    fn config_complete(&mut self) -> Result<()> {
        self.act(Callbacks::CONFIG_COMPLETE, &[])
    }

    fn thread_model(&self) -> Result<ThreadModel> {
        let model = self.ask(Callbacks::THREAD_MODEL, &[])?;
        match model {
            ThreadModel::SerializeRequests | ThreadModel::Parallel if !thread::separable() => {
                Err(Error::new(
                    libc::ENOTSUP,
                    "this Tcl cannot run several interpreters at once: \
                     expected serialize_all_requests or serialize_connections",
                ))
            }
            model => Ok(model),
        }
    }

    fn get_ready(&mut self) -> Result<()> {
        self.act(Callbacks::GET_READY, &[])
    }

    fn after_fork(&self) -> Result<()> {
        self.act(Callbacks::AFTER_FORK, &[])
    }

    fn cleanup(&self) -> Result<()> {
        self.act(Callbacks::CLEANUP, &[])
    }

    fn preconnect(&self, readonly: bool) -> Result<()> {
        self.act(Callbacks::PRECONNECT, &[Argument::Boolean(readonly)])
    }

    fn list_exports(&self, readonly: bool, is_tls: bool) -> Result<Vec<Export>> {
        let arguments = [Argument::Boolean(readonly), Argument::Boolean(is_tls)];
        self.ask(Callbacks::LIST_EXPORTS, &arguments)
    }

    fn default_export(&self, readonly: bool, is_tls: bool) -> Result<Option<String>> {
        let arguments = [Argument::Boolean(readonly), Argument::Boolean(is_tls)];
        self.ask(Callbacks::DEFAULT_EXPORT, &arguments).map(Some)
    }

    fn open(&self, readonly: bool) -> Result<Handle> {
        let opened = self.interpreter.call_open(&[Argument::Boolean(readonly)]);
        opened.map_err(|failure| self.error(failure))
    }

    fn close(&self, handle: Handle) -> Result<()> {
        let result = self.act(Callbacks::CLOSE, &[Argument::Handle(handle)]);
        self.interpreter.release(handle);
        result
    }

    fn export_description(&self, handle: &Handle) -> Result<Option<String>> {
        self.ask(Callbacks::EXPORT_DESCRIPTION, &[Argument::Handle(*handle)])
    }

    fn get_size(&self, handle: &Handle) -> Result<i64> {
        self.ask(Callbacks::GET_SIZE, &[Argument::Handle(*handle)])
    }

    fn block_size(&self, handle: &Handle) -> Result<Option<BlockSize>> {
        self.ask(Callbacks::BLOCK_SIZE, &[Argument::Handle(*handle)])
    }

    fn can_write(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_WRITE, &[Argument::Handle(*handle)])
    }

    fn can_flush(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_FLUSH, &[Argument::Handle(*handle)])
    }

    fn is_rotational(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::IS_ROTATIONAL, &[Argument::Handle(*handle)])
    }

    fn can_trim(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_TRIM, &[Argument::Handle(*handle)])
    }

    fn can_zero(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_ZERO, &[Argument::Handle(*handle)])
    }

    fn can_fast_zero(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_FAST_ZERO, &[Argument::Handle(*handle)])
    }

    fn can_extents(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_EXTENTS, &[Argument::Handle(*handle)])
    }

    fn can_fua(&self, handle: &Handle) -> Result<Fua> {
        self.ask(Callbacks::CAN_FUA, &[Argument::Handle(*handle)])
    }

    fn can_multi_conn(&self, handle: &Handle) -> Result<bool> {
        self.ask(Callbacks::CAN_MULTI_CONN, &[Argument::Handle(*handle)])
    }

    fn can_cache(&self, handle: &Handle) -> Result<Cache> {
        self.ask(Callbacks::CAN_CACHE, &[Argument::Handle(*handle)])
    }

    #[inline]
    fn pread<'request>(
        &self,
        handle: &Handle,
        mut buffer: ReadBuffer<'request>,
        offset: u64,
    ) -> Result<Filled<'request>> {
        let (handle, offset) = (Argument::Handle(*handle), offset_of(offset));
        if self.is_v2() {
            let lent = Lent::fill(&mut buffer);
            let arguments = [handle, Argument::Lent(&lent), offset, NO_FLAGS];
            self.act(Callbacks::PREAD, &arguments)?;
            return Ok(buffer.finish_with_zeroes());
        }
        let arguments = [handle, Argument::Integer(buffer.len() as i64), offset];
        self.call(Callbacks::PREAD, &arguments, |value| buffer.copy_from(convert::bytes(value)?))
    }

    fn pwrite(&self, handle: &Handle, data: &[u8], offset: u64, flags: Flags) -> Result<()> {
        let (handle, offset) = (Argument::Handle(*handle), offset_of(offset));
        if self.is_v2() {
            let lent = Lent::data(data);
            let arguments = [handle, Argument::Lent(&lent), offset, flags_of(flags)];
            return self.act(Callbacks::PWRITE, &arguments);
        }
        self.act(Callbacks::PWRITE, &[handle, Argument::Bytes(data), offset])
    }

    fn flush(&self, handle: &Handle) -> Result<()> {
        let handle = Argument::Handle(*handle);
        if self.is_v2() {
            return self.act(Callbacks::FLUSH, &[handle, NO_FLAGS]);
        }
        self.act(Callbacks::FLUSH, &[handle])
    }

    fn trim(&self, handle: &Handle, count: u32, offset: u64, flags: Flags) -> Result<()> {
        let (handle, count, offset) =
            (Argument::Handle(*handle), count_of(count), offset_of(offset));
        if self.is_v2() {
            return self.act(Callbacks::TRIM, &[handle, count, offset, flags_of(flags)]);
        }
        self.act(Callbacks::TRIM, &[handle, count, offset])
    }

    fn zero(&self, handle: &Handle, count: u32, offset: u64, flags: Flags) -> Result<()> {
        let last = if self.is_v2() {
            flags_of(flags)
        } else {
            Argument::Boolean(flags.contains(Flags::MAY_TRIM))
        };
        let handle = Argument::Handle(*handle);
        self.act(Callbacks::ZERO, &[handle, count_of(count), offset_of(offset), last])
    }

    fn extents(
        &self,
        handle: &Handle,
        count: u32,
        offset: u64,
        flags: Flags,
    ) -> Result<Vec<Extent>> {
        let handle = Argument::Handle(*handle);
        let arguments = [handle, count_of(count), offset_of(offset), flags_of(flags)];
        self.ask(Callbacks::EXTENTS, &arguments)
    }

    fn cache(&self, handle: &Handle, count: u32, offset: u64) -> Result<()> {
        let handle = Argument::Handle(*handle);
        self.act(Callbacks::CACHE, &[handle, count_of(count), offset_of(offset), NO_FLAGS])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plugin of this script, as nbdkit would load it.
    fn plugin(name: &str, text: &str) -> TclPlugin {
        let file = format!("nbdkit-script-tcl-{}-{name}.tcl", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, text).unwrap();
        let script = Script::read(&path).unwrap();
        let plugin = TclPlugin::load(&script).unwrap();
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
        // The callback failed, so nothing can have been copied after it: what the script wrote is
        // here because it wrote here. What lies before it is zeroed, and the rest is untouched.
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

    /// How much of this process is in memory, in bytes.
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
        let serve = |plugin: TclPlugin| {
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
            // They come back, for only the thread that made an interpreter deletes it.
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
