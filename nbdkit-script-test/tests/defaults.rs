//! What nbdkit does for callbacks that are absent, which the framework does in its place.

#[macro_use]
mod common;

use std::ffi::OsStr;

use common::{note, noted};
use nbdkit_script::*;
use nbdkit_script_test::{Failure, Nbdkit, Offers};

disk!(Bare {});

/// The offers of a plugin, by both runners.
macro_rules! offers {
    ($plugin:ident) => {{
        let of = |command: nbdkit_script_test::Command| {
            command.ready().unwrap().connect("").unwrap().offers()
        };
        let offers = of(Nbdkit::of::<Shared<$plugin>>());
        assert_eq!(of(Nbdkit::of::<Isolated<$plugin>>()), offers);
        offers
    }};
}

/// `size: 1024`, and what is named.
macro_rules! offer {
    ($($field:ident: $value:expr),*) => {{
        #[allow(unused_mut)]
        let mut offers = Offers::default();
        offers.size = 1024;
        $(offers.$field = $value;)*
        offers
    }};
}

#[test]
fn a_plugin_that_only_reads() -> Result<(), Failure> {
    assert_eq!(offers!(Bare), offer!());
    let disk = Nbdkit::of::<Shared<Bare>>().ready()?;
    let client = disk.connect("some export")?;
    assert_eq!(client.export_name(), "some export");
    assert_eq!(client.export_description(), None);
    assert_eq!(client.block_size(), None);
    assert_eq!(disk.connect("")?.export_name(), "");
    let exports = disk.list_exports()?;
    assert_eq!(exports, [Export { name: String::new(), description: None }]);
    assert_eq!(disk.errors(), [""; 0]);
    Ok(())
}

#[test]
fn thread_models() {
    let model = |command: nbdkit_script_test::Command| command.ready().unwrap().thread_model();
    assert_eq!(model(Nbdkit::of::<Shared<Bare>>()), ThreadModel::Parallel);
    assert_eq!(model(Nbdkit::of::<Isolated<Bare>>()), ThreadModel::SerializeAllRequests);
}

disk!(Writes {
    fn pwrite(&self, _: &(), data: &[u8], offset: u64, flags: Flags) -> Result<()> {
        note(format!("pwrite {} {offset} {}", data.len(), flags.bits()));
        assert!(data[0] != 0 || data.iter().all(|byte| *byte == 0));
        Ok(())
    }
});

#[test]
fn a_plugin_that_writes_but_cannot_flush() -> Result<(), Failure> {
    // nbdkit writes the zeroes.
    let offers = offers!(Writes);
    assert_eq!(offers, offer!(write: true, zero: true, fast_zero: true));
    let disk = Nbdkit::of::<Shared<Writes>>().ready()?;
    let client = disk.connect("")?;
    let refused = client.pwrite_with(0, b"x", Flags::FUA).unwrap_err();
    assert_eq!(refused.errno(), libc::EINVAL);
    assert_eq!(noted(), [""; 0]);
    client.zero(3, 5)?;
    assert_eq!(noted(), ["pwrite 5 3 0"]);
    let fast = client.zero_with(3, 5, Flags::FAST_ZERO).unwrap_err();
    assert_eq!((fast.errno(), fast.logged()), (libc::ENOTSUP, &[][..]));
    assert_eq!(noted(), [""; 0]);
    Ok(())
}

disk!(Flushes {
    fn pwrite(&self, _: &(), _: &[u8], _: u64, flags: Flags) -> Result<()> {
        note(format!("pwrite {}", flags.bits()));
        Ok(())
    }
    fn trim(&self, _: &(), _: u32, _: u64, flags: Flags) -> Result<()> {
        note(format!("trim {}", flags.bits()));
        Ok(())
    }
    fn flush(&self, _: &()) -> Result<()> {
        note("flush");
        Ok(())
    }
});

#[test]
fn forced_unit_access_is_a_flush_where_there_is_one() -> Result<(), Failure> {
    let expected =
        offer!(write: true, zero: true, fast_zero: true, trim: true, flush: true, fua: 1);
    assert_eq!(offers!(Flushes), expected);
    let disk = Nbdkit::of::<Shared<Flushes>>().ready()?;
    let client = disk.connect("")?;
    client.pwrite_with(0, b"x", Flags::FUA)?;
    client.trim_with(0, 1, Flags::FUA)?;
    client.zero_with(0, 1, Flags::FUA)?;
    client.zero_with(0, 1, Flags::empty())?;
    let expected = ["pwrite 0", "flush", "trim 0", "flush", "pwrite 0", "flush", "pwrite 0"];
    assert_eq!(noted(), expected);
    Ok(())
}

disk!(Native {
    fn can_fua(&self, _: &()) -> Result<Fua> {
        Ok(Fua::Native)
    }
    fn pwrite(&self, _: &(), _: &[u8], _: u64, flags: Flags) -> Result<()> {
        note(format!("pwrite {}", flags.bits()));
        Ok(())
    }
    fn zero(&self, _: &(), _: u32, _: u64, flags: Flags) -> Result<()> {
        note(format!("zero {}", flags.bits()));
        Err(Error::new(libc::EOPNOTSUPP, "rather not"))
    }
    fn flush(&self, _: &()) -> Result<()> {
        note("flush");
        Ok(())
    }
});

#[test]
fn a_zero_that_wants_writes_gets_them_with_the_same_flag() -> Result<(), Failure> {
    let expected =
        offer!(write: true, zero: true, native_zero: true, fast_zero: true, flush: true, fua: 2);
    assert_eq!(offers!(Native), expected);
    let disk = Nbdkit::of::<Shared<Native>>().ready()?;
    let client = disk.connect("")?;
    client.zero_with(0, 8, Flags::FUA | Flags::MAY_TRIM)?;
    assert_eq!(noted(), ["zero 3", "pwrite 2"]);
    // There is a zero, and nothing says that it is fast.
    let fast = client.zero_with(0, 8, Flags::FAST_ZERO).unwrap_err();
    assert_eq!(fast.errno(), libc::ENOTSUP);
    assert_eq!(noted(), [""; 0]);
    assert_eq!(disk.errors(), [""; 0]);
    Ok(())
}

disk!(Fast {
    fn can_fast_zero(&self, _: &()) -> Result<bool> {
        Ok(true)
    }
    fn pwrite(&self, _: &(), _: &[u8], _: u64, _: Flags) -> Result<()> {
        note("pwrite");
        Ok(())
    }
    fn zero(&self, _: &(), _: u32, _: u64, flags: Flags) -> Result<()> {
        note(format!("zero {}", flags.bits()));
        Ok(())
    }
});

#[test]
fn fast_zeroes_are_the_plugins() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Fast>>().ready()?;
    let client = disk.connect("")?;
    client.zero_with(0, 8, Flags::FAST_ZERO | Flags::MAY_TRIM)?;
    client.zero(0, 8)?;
    assert_eq!(noted(), ["zero 9", "zero 1"]);
    Ok(())
}

disk!(Lying {
    fn can_write(&self, _: &()) -> Result<bool> {
        Ok(true)
    }
    fn can_flush(&self, _: &()) -> Result<bool> {
        Ok(true)
    }
    fn can_trim(&self, _: &()) -> Result<bool> {
        Ok(true)
    }
    fn can_extents(&self, _: &()) -> Result<bool> {
        Ok(true)
    }
    fn can_cache(&self, _: &()) -> Result<Cache> {
        Ok(Cache::Native)
    }
});

#[test]
fn requests_that_were_promised_and_are_absent() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Lying>>().ready()?;
    let client = disk.connect("")?;
    let errno = |result: Result<(), Failure>| result.unwrap_err().plugins_errno();
    assert_eq!(errno(client.pwrite(0, b"x")), libc::EROFS);
    assert_eq!(errno(client.zero(0, 1)), libc::EROFS);
    assert_eq!(errno(client.flush()), libc::EINVAL);
    assert_eq!(errno(client.trim(0, 1)), libc::EINVAL);
    assert_eq!(errno(client.extents(0, 1).map(drop)), libc::EINVAL);
    client.cache(0, 1)?;
    Ok(())
}

disk!(Emulated {
    fn can_cache(&self, _: &()) -> Result<Cache> {
        Ok(Cache::Emulate)
    }
});

#[test]
fn caching_is_reading_where_it_is_emulated() -> Result<(), Failure> {
    assert_eq!(offers!(Emulated), offer!(cache: 1));
    Nbdkit::of::<Shared<Emulated>>().ready()?.connect("")?.cache(0, 1024)
}

disk!(Extended {
    fn extents(&self, _: &(), count: u32, offset: u64, flags: Flags) -> Result<Vec<Extent>> {
        note(format!("extents {count} {offset} {}", flags.bits()));
        let extent_type = ExtentType::HOLE | ExtentType::ZERO;
        Ok(vec![
            Extent { offset: 0, length: 100, extent_type: ExtentType::empty() },
            Extent { offset: 100, length: 100, extent_type },
            Extent { offset: 200, length: 5000, extent_type },
        ])
    }
    fn cache(&self, _: &(), count: u32, offset: u64) -> Result<()> {
        note(format!("cache {count} {offset}"));
        Ok(())
    }
});

#[test]
fn extents_are_what_a_client_is_told() -> Result<(), Failure> {
    assert_eq!(offers!(Extended), offer!(extents: true, cache: 2));
    let disk = Nbdkit::of::<Shared<Extended>>().ready()?;
    let client = disk.connect("")?;
    let seen = |extents: Vec<Extent>| -> Vec<_> {
        extents.into_iter().map(|e| (e.offset, e.length, e.extent_type.bits())).collect()
    };
    // Cut at its start and at the end of the disk; neighbours of one type are one.
    assert_eq!(seen(client.extents(50, 60)?), [(50, 50, 0), (100, 924, 3)]);
    assert_eq!(seen(client.extents_with(60, 10, Flags::REQ_ONE)?), [(60, 10, 0)]);
    client.cache(1, 2)?;
    assert_eq!(noted(), ["extents 60 50 0", "extents 10 60 4", "cache 2 1"]);

    drop(client);
    drop(disk);
    let disk = Nbdkit::of::<Shared<Bare>>().ready()?;
    assert_eq!(seen(disk.connect("")?.extents(5, 10)?), [(5, 10, 0)]);
    Ok(())
}

disk!(Several {
    fn list_exports(&self, readonly: bool, is_tls: bool) -> Result<Vec<Export>> {
        note(format!("{readonly} {is_tls}"));
        let export = |name: &str| Export { name: name.into(), description: Some("one".into()) };
        Ok(vec![export("a"), export("b")])
    }
    fn default_export(&self, _: bool, _: bool) -> Result<Option<String>> {
        Ok(None)
    }
    fn export_description(&self, _: &()) -> Result<Option<String>> {
        Ok(Some(format!("of {}", host::export_name()?.display())))
    }
});

#[test]
fn exports() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Isolated<Several>>().ready()?;
    let names: Vec<_> = disk.list_exports()?.into_iter().map(|export| export.name).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(noted(), ["false false"]);
    assert_eq!(disk.connect("a")?.export_description().as_deref(), Some("of a"));
    let refused = disk.connect("").unwrap_err().to_string();
    assert_eq!(refused, "open: default export (\"\") not permitted");
    Ok(())
}

disk!(Blocks {
    fn block_size(&self, _: &()) -> Result<Option<BlockSize>> {
        Ok(Some(BlockSize { minimum: 512, preferred: 4096, maximum: u32::MAX }))
    }
});

#[test]
fn block_sizes() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Blocks>>().ready()?;
    let client = disk.connect("")?;
    let sizes = BlockSize { minimum: 512, preferred: 4096, maximum: u32::MAX };
    assert_eq!(client.block_size(), Some(sizes));
    // They are advice, which nbdkit does not insist on.
    client.pread(1, 1)?;
    Ok(())
}

disk!(Instances {
    const INSTANCES: usize = 3;

    fn thread_model(&self) -> Result<ThreadModel> {
        Ok(ThreadModel::Parallel)
    }
    fn config(&mut self, key: &str, value: &OsStr) -> Result<()> {
        note(format!("{key}={}", value.display()));
        Ok(())
    }
    fn get_ready(&mut self) -> Result<()> {
        note("get_ready");
        Ok(())
    }
});

#[test]
fn each_instance_sees_the_same_setup() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Isolated<Instances>>().config("a", "1").ready()?;
    assert_eq!(disk.thread_model(), ThreadModel::Parallel);
    assert_eq!(noted(), ["a=1", "a=1", "a=1", "get_ready", "get_ready", "get_ready"]);
    Ok(())
}
