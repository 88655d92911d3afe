//! The table, in a language that notes what it is called with.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::OsStr;

use super::from_script::{Notation, Returned, Seen};
use super::{ApiVersion, Argument, ArgumentOf, Language, Lent, Script, Scripted, Wanted};
use crate::plugin::Plugin;
use crate::{Callbacks, Error, Flags, Number, ReadBuffer, Result, ThreadModel};

/// Each callback returns the same text, which is a list of nothing.
struct Noting {
    version: ApiVersion,
    returns: &'static str,
    calls: RefCell<Vec<String>>,
}

struct Text(&'static str);

impl Returned for Text {
    const NOTATION: Notation =
        Notation { none: "''", bytes: "", extent: "", extent_type: "", export: "" };

    fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    fn boolean(&self) -> Option<bool> {
        None
    }

    fn number(&self) -> Option<Number> {
        None
    }

    fn string(&self) -> Option<Cow<'_, [u8]>> {
        Some(self.0.as_bytes().into())
    }

    fn seen(&self) -> Seen {
        Seen::Value(self.0.into())
    }

    fn is_data(&self, count: usize) -> bool {
        self.0.len() == count
    }

    fn done(&self) -> Result<()> {
        if self.0 == "failed" { Err(self.0.into()) } else { Ok(()) }
    }

    fn elements(&self) -> Option<impl Iterator<Item = Result<Self>>> {
        Some(std::iter::empty())
    }

    fn fields(&self, _: &[&str]) -> Result<Option<Vec<Self>>> {
        Ok(None)
    }
}

#[derive(Debug)]
enum Memory {
    Fill,
    Data,
}

impl<'a> Lent<'a> for Memory {
    fn fill(_: &'a mut ReadBuffer<'_>) -> Self {
        Memory::Fill
    }

    fn data(_: &'a [u8]) -> Self {
        Memory::Data
    }
}

impl Noting {
    fn new(version: ApiVersion, returns: &'static str) -> Scripted<Self> {
        Scripted(Noting { version, returns, calls: RefCell::default() })
    }

    fn note(&self, callback: Callbacks, arguments: &[ArgumentOf<'_, '_, Self>]) {
        let shown = arguments.iter().map(|argument| match argument {
            Argument::Handle(handle) => format!(" {handle}"),
            Argument::Integer(integer) => format!(" {integer}"),
            Argument::Boolean(boolean) => format!(" {boolean}"),
            Argument::Bytes(bytes) => format!(" {} bytes", bytes.len()),
            Argument::Parameter(text) => format!(" {}", text.escape_ascii()),
            Argument::Lent(memory) => format!(" {memory:?}"),
        });
        self.calls.borrow_mut().push(callback.name().to_string() + &shown.collect::<String>());
    }
}

impl Language for Noting {
    const NAME: &'static str = "noting";
    const LANGUAGE: &'static str = "Noting";

    const NO_MEMORY_LIMIT: Option<&'static str> = None;

    type Handle = &'static str;
    type Program = ();
    type Returned<'a> = Text;
    type Lent<'a> = Memory;

    fn load(_: &Script, _: &()) -> Result<Self> {
        Err(Error::not_defined())
    }

    fn api_version(&self) -> ApiVersion {
        self.version
    }

    fn interrupter(&self) -> Option<crate::interrupt::Interrupter> {
        None
    }

    fn callbacks(&self) -> Callbacks {
        Callbacks::all()
    }

    fn function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn call<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [ArgumentOf<'_, '_, Self>; N],
        _: Wanted,
        take: impl FnOnce(Text) -> Result<T>,
    ) -> Result<T> {
        self.note(callback, &arguments);
        take(Text(self.returns))
    }

    fn open(&self, arguments: [ArgumentOf<'_, '_, Self>; 1]) -> Result<&'static str> {
        self.note(Callbacks::OPEN, &arguments);
        Ok("h")
    }

    fn release(&self, handle: &'static str) {
        self.calls.borrow_mut().push(format!("release {handle}"));
    }

    fn check_thread_model(model: ThreadModel) -> Result<()> {
        if model == ThreadModel::Parallel { Err("not in parallel".into()) } else { Ok(()) }
    }

    fn flush_output(&self) {
        self.calls.borrow_mut().push("flush_output".into());
    }
}

/// All data requests, with flags that tell which are passed on.
fn requests(version: ApiVersion) -> Vec<String> {
    let plugin = Noting::new(version, if version == ApiVersion::V2 { "" } else { "abcd" });
    let mut memory = [0; 4];
    plugin.pread(&"h", ReadBuffer::new(&mut memory), 512).unwrap();
    plugin.pwrite(&"h", b"abc", 513, Flags::FUA).unwrap();
    plugin.flush(&"h").unwrap();
    plugin.trim(&"h", 7, 514, Flags::FUA).unwrap();
    plugin.zero(&"h", 8, 515, Flags::MAY_TRIM).unwrap();
    plugin.zero(&"h", 8, 515, Flags::FUA).unwrap();
    plugin.extents(&"h", 9, 516, Flags::REQ_ONE).unwrap();
    plugin.cache(&"h", 10, 517).unwrap();
    plugin.0.calls.into_inner()
}

#[test]
fn version_1_has_no_flags() {
    assert_eq!(
        requests(ApiVersion::V1),
        [
            "pread h 4 512",
            "pwrite h 3 bytes 513",
            "flush h",
            "trim h 7 514",
            "zero h 8 515 true",
            "zero h 8 515 false",
            &format!("extents h 9 516 {}", Flags::REQ_ONE.bits()),
            "cache h 10 517 0",
        ]
    );
}

#[test]
fn version_2_has_flags_and_lends_memory() {
    let (fua, may_trim) = (Flags::FUA.bits(), Flags::MAY_TRIM.bits());
    assert_eq!(
        requests(ApiVersion::V2),
        [
            "pread h Fill 512 0",
            &format!("pwrite h Data 513 {fua}"),
            "flush h 0",
            &format!("trim h 7 514 {fua}"),
            &format!("zero h 8 515 {may_trim}"),
            &format!("zero h 8 515 {fua}"),
            &format!("extents h 9 516 {}", Flags::REQ_ONE.bits()),
            "cache h 10 517 0",
        ]
    );
}

#[test]
fn as_in_sh_there_are_flags_where_there_may_be_some_and_data_is_copied() {
    let (fua, may_trim) = (Flags::FUA.bits(), Flags::MAY_TRIM.bits());
    assert_eq!(
        requests(ApiVersion::Sh),
        [
            "pread h 4 512",
            &format!("pwrite h 3 bytes 513 {fua}"),
            "flush h",
            &format!("trim h 7 514 {fua}"),
            &format!("zero h 8 515 {may_trim}"),
            &format!("zero h 8 515 {fua}"),
            &format!("extents h 9 516 {}", Flags::REQ_ONE.bits()),
            "cache h 10 517",
        ]
    );
}

#[test]
fn data_that_version_2_returns_is_an_error_unless_the_buffer_was_filled() {
    let plugin = Noting::new(ApiVersion::V2, "abcd");
    let mut memory = [0xaa; 4];
    let error = plugin.pread(&"h", ReadBuffer::new(&mut memory), 0).unwrap_err();
    assert!(error.message().starts_with("returned a string and wrote nothing"), "{error}");
    let mut buffer = ReadBuffer::new(&mut memory);
    buffer.write_at(1, b"x");
    assert!(plugin.pread(&"h", buffer, 0).is_ok());
    assert_eq!(&memory, b"\0x\0\0");
    // Other values are ignored.
    let mut memory = [0xaa; 3];
    assert!(plugin.pread(&"h", ReadBuffer::new(&mut memory), 0).is_ok());
    assert_eq!(memory, [0; 3]);
}

#[test]
fn a_language_may_say_by_what_is_returned_that_something_failed() {
    for version in [ApiVersion::V1, ApiVersion::V2, ApiVersion::Sh] {
        let mut plugin = Noting::new(version, "failed");
        let mut memory = [0; 4];
        let mut results = vec![
            plugin.config("key", OsStr::new("value")),
            plugin.config_complete(),
            plugin.get_ready(),
            plugin.after_fork(),
            plugin.preconnect(false),
            plugin.pwrite(&"h", b"abc", 0, Flags::empty()),
            plugin.flush(&"h"),
            plugin.trim(&"h", 7, 0, Flags::empty()),
            plugin.zero(&"h", 8, 0, Flags::empty()),
            plugin.cache(&"h", 9, 0),
            plugin.close("h"),
            plugin.cleanup(),
            plugin.dump_plugin(),
        ];
        if version == ApiVersion::V2 {
            results.push(plugin.pread(&"h", ReadBuffer::new(&mut memory), 0).map(drop));
        }
        for result in results {
            assert_eq!(result.unwrap_err().message(), "failed");
        }
    }
}

#[test]
fn only_version_1_takes_no_flags() {
    assert!(!Noting::new(ApiVersion::V1, "").takes_flags());
    assert!(Noting::new(ApiVersion::V2, "").takes_flags());
    assert!(Noting::new(ApiVersion::Sh, "").takes_flags());
}

#[test]
fn what_belongs_to_no_request_is_passed_on() {
    let mut plugin = Noting::new(ApiVersion::V1, "");
    plugin.config("key", OsStr::new("value")).unwrap();
    plugin.preconnect(true).unwrap();
    plugin.list_exports(true, false).unwrap();
    let handle = plugin.open(false).unwrap();
    plugin.close(handle).unwrap();
    plugin.dump_plugin().unwrap();
    assert_eq!(
        plugin.0.calls.into_inner(),
        [
            "config key value",
            "preconnect true",
            "list_exports true false",
            "open false",
            "close h",
            "release h",
            "dump_plugin",
            "flush_output",
        ]
    );
}

#[test]
fn an_empty_name_is_a_name_and_an_empty_description_is_none() {
    let plugin = Noting::new(ApiVersion::V1, "");
    assert_eq!(plugin.default_export(false, false).unwrap(), Some(String::new()));
    assert_eq!(plugin.magic_config_key().unwrap(), "");
    assert_eq!(plugin.export_description(&"h").unwrap(), None);
    assert_eq!(plugin.block_size(&"h").unwrap(), None);
}

#[test]
fn the_language_may_refuse_a_thread_model() {
    let error = Noting::new(ApiVersion::V1, "parallel").thread_model().unwrap_err();
    assert_eq!(error.message(), "not in parallel");
    let model = Noting::new(ApiVersion::V1, "serialize_requests").thread_model().unwrap();
    assert_eq!(model, ThreadModel::SerializeRequests);
}
