//! A language without an interpreter: what the trait asks for at least.
//!
//! Each line of a script is a callback and the text that it returns. `$1` stands for the first
//! argument after the handle.

use std::borrow::Cow;

use nbdkit_script::interrupt::Interrupter;
use nbdkit_script::script::from_script::{Notation, Returned, Seen};
use nbdkit_script::script::{ApiVersion, Argument, ArgumentOf, Wanted};
use nbdkit_script::*;
use nbdkit_script_test::{Failure, Nbdkit};

struct Lines(Vec<(String, String)>);

impl Language for Lines {
    const NAME: &'static str = "lines";
    const LANGUAGE: &'static str = "Lines";
    const NO_MEMORY_LIMIT: Option<&'static str> = Some("there is no interpreter");

    type Program = ();
    type Handle = ();
    type Returned<'a> = Text;
    type Lent<'a> = ();

    fn load(script: &Script, _: &()) -> Result<Self> {
        let lines = String::from_utf8_lossy(script.text()).into_owned();
        let lines = lines.lines().filter_map(|line| line.split_once(' '));
        Ok(Lines(lines.map(|(name, value)| (name.into(), value.into())).collect()))
    }

    fn interrupter(&self) -> Option<Interrupter> {
        None
    }

    fn api_version(&self) -> ApiVersion {
        ApiVersion::Sh
    }

    fn callbacks(&self) -> Callbacks {
        Callbacks::named(self.0.iter().map(|(name, _)| &**name))
    }

    fn function_names(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| name.clone()).collect()
    }

    fn call<T, const N: usize>(
        &self,
        callback: Callbacks,
        arguments: [ArgumentOf<'_, '_, Self>; N],
        _: Wanted,
        take: impl FnOnce(Text) -> Result<T>,
    ) -> Result<T> {
        let line = self.0.iter().find(|(name, _)| name == callback.name());
        let (_, value) = line.ok_or_else(Error::not_defined)?;
        let first = match arguments.get(1) {
            Some(Argument::Integer(integer)) => integer.to_string(),
            _ => String::new(),
        };
        take(Text(value.replace("$1", &first)))
    }

    fn open(&self, arguments: [ArgumentOf<'_, '_, Self>; 1]) -> Result<()> {
        self.call(Callbacks::OPEN, arguments, Wanted::Text, |_| Ok(()))
    }
}

/// A value, which has no type: what it is depends on what is wanted.
struct Text(String);

impl Returned for Text {
    const NOTATION: Notation = Notation {
        none: "an empty text",
        bytes: "bytes",
        extent: "offset,length,type",
        extent_type: "hole or zero",
        export: "names",
    };

    fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    fn boolean(&self) -> Option<bool> {
        self.0.parse().ok()
    }

    fn number(&self) -> Option<Number> {
        self.0.parse().ok().map(Number::Integer)
    }

    fn string(&self) -> Option<Cow<'_, [u8]>> {
        Some(self.0.as_bytes().into())
    }

    fn seen(&self) -> Seen {
        Seen::Value(format!("\"{}\"", self.0))
    }

    fn elements(&self) -> Option<impl Iterator<Item = Result<Self>>> {
        Some(self.0.split(' ').map(|element| Ok(Text(element.into()))))
    }

    fn fields(&self, _: &[&str]) -> Result<Option<Vec<Self>>> {
        Ok(Some(self.0.split(',').map(|field| Text(field.into())).collect()))
    }
}

fn serve(name: &str, text: &str) -> Result<Nbdkit, Failure> {
    let file = std::env::temp_dir().join(format!("{name}-{}.lines", std::process::id()));
    std::fs::write(&file, text).expect("the script is written");
    Nbdkit::of::<Isolated<Scripted<Lines>>>().argument(file).ready()
}

#[test]
fn a_disk_of_lines() -> Result<(), Failure> {
    let disk = serve(
        "disk",
        "open yes\nget_size 16\npread 12345678\ncan_multi_conn true\nblock_size 1 512 4096\n\
         extents 0,4,hole 4,4,\nlist_exports one two\n",
    )?;
    let client = disk.connect("")?;
    assert_eq!(client.size(), 16);
    assert_eq!(client.pread(0, 8)?, b"12345678");
    assert_eq!(client.extents(0, 8)?.len(), 2);
    assert_eq!(disk.list_exports()?.len(), 2);
    assert_eq!(client.pread(0, 9).unwrap_err().logged(), ["pread: returned 8 bytes, expected 9"]);
    Ok(())
}

#[test]
fn what_is_wrong_is_said_in_the_frameworks_words() {
    let failure = |text: &str| serve("wrong", text).and_then(|disk| disk.connect("").map(|_| ()));
    let text = failure("open yes\nget_size many\npread x\n").unwrap_err().to_string();
    assert!(text.contains("get_size: returned \"many\", expected a"), "{text}");
    let text = failure("open yes\nget_size 8\n").unwrap_err().to_string();
    assert!(text.contains("pread"), "{text}");
}
