//! What nbdkit checks of a request, and what a client sees of one that fails.

#[macro_use]
mod common;

use common::{note, noted};
use nbdkit_script::*;
use nbdkit_script_test::{Failure, Nbdkit};

disk!(Bare {});

fn errno<T: std::fmt::Debug>(result: Result<T, Failure>) -> i32 {
    result.unwrap_err().errno()
}

#[test]
fn requests_past_the_end_do_not_reach_the_plugin() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Fails>>().config("errno", "0").ready()?;
    let client = disk.connect("")?;
    assert_eq!(client.pread(0, 1024)?.len(), 1024);
    assert_eq!(client.pread(1023, 1)?, [0]);
    noted();
    for (offset, count) in [(0, 0), (1024, 1), (1023, 2), (0, 1025), (u64::MAX, 1), (1 << 63, 9)] {
        let data = vec![1; count as usize];
        assert_eq!(errno(client.pread(offset, count)), libc::EINVAL);
        assert_eq!(errno(client.pwrite(offset, &data)), libc::ENOSPC);
        assert_eq!(errno(client.zero(offset, count)), libc::ENOSPC);
        assert_eq!(errno(client.trim(offset, count)), libc::EINVAL);
        assert_eq!(errno(client.cache(offset, count)), libc::EINVAL);
        assert_eq!(errno(client.extents(offset, count)), libc::EINVAL);
    }
    assert_eq!(noted(), [""; 0]);
    let failure = client.pread(1023, 2).unwrap_err();
    assert_eq!(
        failure.to_string(),
        "pread of 2 at 1023: Invalid argument: invalid request: NBD_CMD_READ: offset and count \
         are out of range: offset=1023 count=2"
    );
    Ok(())
}

#[test]
fn what_is_not_offered_is_refused() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Bare>>().ready()?;
    let client = disk.connect("")?;
    let refused = |result: Result<(), Failure>, errno, why: &str| {
        let failure = result.unwrap_err();
        assert_eq!(failure.errno(), errno);
        assert_eq!(failure.logged(), [format!("invalid request: {why}")]);
    };
    let readonly = "write request on readonly connection";
    refused(client.pwrite(0, b"x"), libc::EPERM, &format!("NBD_CMD_WRITE: {readonly}"));
    refused(client.trim(0, 1), libc::EPERM, &format!("NBD_CMD_TRIM: {readonly}"));
    refused(client.zero(0, 1), libc::EPERM, &format!("NBD_CMD_WRITE_ZEROES: {readonly}"));
    let not = "operation not supported";
    refused(client.flush(), libc::EINVAL, &format!("NBD_CMD_FLUSH: flush {not}"));
    refused(client.cache(0, 1), libc::EINVAL, &format!("NBD_CMD_CACHE: cache {not}"));
    Ok(())
}

struct Fails(i32);

#[plugin]
impl ScriptPlugin for Fails {
    const NAME: &'static str = "fails";
    type Handle = ();

    fn load() -> Result<Self> {
        Ok(Fails(0))
    }
    fn config(&mut self, _: &str, value: &std::ffi::OsStr) -> Result<()> {
        self.0 = host::parse_int("errno", value)?;
        Ok(())
    }
    fn open(&self, _: bool) -> Result<()> {
        Ok(())
    }
    fn get_size(&self, _: &()) -> Result<i64> {
        Ok(1024)
    }
    fn can_fast_zero(&self, _: &()) -> Result<bool> {
        Ok(true)
    }
    fn pread<'r>(&self, _: &(), buffer: ReadBuffer<'r>, _: u64) -> Result<Filled<'r>> {
        self.fail("pread")?;
        buffer.zeroed(|_| Ok(()))
    }
    fn pwrite(&self, _: &(), _: &[u8], _: u64, _: Flags) -> Result<()> {
        self.fail("pwrite")
    }
    fn flush(&self, _: &()) -> Result<()> {
        self.fail("flush")
    }
    fn trim(&self, _: &(), _: u32, _: u64, _: Flags) -> Result<()> {
        self.fail("trim")
    }
    fn zero(&self, _: &(), _: u32, _: u64, _: Flags) -> Result<()> {
        self.fail("zero")
    }
    fn extents(&self, _: &(), _: u32, offset: u64, _: Flags) -> Result<Vec<Extent>> {
        self.fail("extents")?;
        Ok(vec![Extent { offset, length: 1, extent_type: ExtentType::empty() }])
    }
    fn cache(&self, _: &(), _: u32, _: u64) -> Result<()> {
        self.fail("cache")
    }
}

impl Fails {
    fn fail(&self, callback: &str) -> Result<()> {
        note(callback);
        if self.0 == 0 { Ok(()) } else { Err(Error::new(self.0, "it fails")) }
    }
}

#[test]
fn the_protocol_has_few_error_numbers() -> Result<(), Failure> {
    for (of_plugin, of_client) in [
        (libc::EPERM, libc::EPERM),
        (libc::EROFS, libc::EPERM),
        (libc::EIO, libc::EIO),
        (libc::ENOMEM, libc::ENOMEM),
        (libc::ENOSPC, libc::ENOSPC),
        (libc::EFBIG, libc::ENOSPC),
        (libc::EDQUOT, libc::ENOSPC),
        (libc::ESHUTDOWN, libc::ESHUTDOWN),
        (libc::EINVAL, libc::EINVAL),
        (libc::ENOENT, libc::EINVAL),
        (libc::EACCES, libc::EINVAL),
        (libc::ENOTSUP, libc::EINVAL),
        (-5, libc::EIO),
    ] {
        let disk = Nbdkit::of::<Shared<Fails>>().config("errno", of_plugin.to_string()).ready()?;
        let client = disk.connect("")?;
        for result in [
            client.pread(0, 1).map(drop),
            client.pwrite(0, b"x"),
            client.flush(),
            client.trim(0, 1),
            client.zero(0, 1),
            client.cache(0, 1),
            client.extents(0, 1).map(drop),
        ] {
            let failure = result.unwrap_err();
            assert_eq!(failure.errno(), of_client, "{of_plugin}: {failure}");
            assert!(failure.to_string().ends_with(": it fails"), "{failure}");
        }
        let fast = client.zero_with(0, 1, Flags::FAST_ZERO).unwrap_err().errno();
        let expected = if of_plugin == libc::ENOTSUP { libc::ENOTSUP } else { of_client };
        assert_eq!(fast, expected);
    }
    noted();
    Ok(())
}

#[test]
fn errors_are_logged_with_the_callbacks_name() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Fails>>().config("errno", "5").ready()?;
    let client = disk.connect("")?;
    let failure = client.pread(0, 1).unwrap_err();
    assert_eq!(failure.logged(), ["pread: it fails"]);
    assert_eq!(failure.to_string(), "pread of 1 at 0: Input/output error: pread: it fails");
    client.flush().unwrap_err();
    assert_eq!(disk.errors(), ["pread: it fails", "flush: it fails"]);
    Ok(())
}

#[test]
fn flags_that_a_command_does_not_have() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<Fails>>().config("errno", "0").ready()?;
    let client = disk.connect("")?;
    assert_eq!(errno(client.pwrite_with(0, b"x", Flags::MAY_TRIM)), libc::EINVAL);
    assert_eq!(errno(client.trim_with(0, 1, Flags::FAST_ZERO)), libc::EINVAL);
    assert_eq!(errno(client.zero_with(0, 1, Flags::REQ_ONE)), libc::EINVAL);
    assert_eq!(errno(client.extents_with(0, 1, Flags::FUA)), libc::EINVAL);
    Ok(())
}

struct Large;

#[plugin]
impl ScriptPlugin for Large {
    const NAME: &'static str = "large";
    type Handle = ();

    fn load() -> Result<Self> {
        Ok(Large)
    }
    fn open(&self, _: bool) -> Result<()> {
        Ok(())
    }
    fn get_size(&self, _: &()) -> Result<i64> {
        Ok(i64::MAX)
    }
    fn can_cache(&self, _: &()) -> Result<Cache> {
        Ok(Cache::Emulate)
    }
    fn pread<'r>(&self, _: &(), buffer: ReadBuffer<'r>, offset: u64) -> Result<Filled<'r>> {
        note(format!("{} {offset}", buffer.len()));
        buffer.zeroed(|_| Ok(()))
    }
    fn pwrite(&self, _: &(), data: &[u8], offset: u64, _: Flags) -> Result<()> {
        note(format!("{} {offset}", data.len()));
        Ok(())
    }
    fn zero(&self, _: &(), _: u32, _: u64, _: Flags) -> Result<()> {
        Err(Error::new(libc::EOPNOTSUPP, "write them"))
    }
}

#[test]
fn long_requests() -> Result<(), Failure> {
    const LONGEST: u32 = 64 << 20;
    let disk = Nbdkit::of::<Shared<Large>>().ready()?;
    let client = disk.connect("")?;
    assert_eq!(client.size(), i64::MAX as u64);
    assert_eq!(client.pread(i64::MAX as u64 - 1, 1)?, [0]);
    assert_eq!(errno(client.pread(0, LONGEST + 1)), libc::ENOMEM);
    noted();
    // nbdkit reads in parts.
    client.cache(7, LONGEST + 1)?;
    assert_eq!(noted(), ["67108864 7", "1 67108871"]);
    // The framework writes in parts, and at the right offsets.
    client.zero(7, (2 << 20) + 1)?;
    assert_eq!(noted(), ["1048576 7", "1048576 1048583", "1 2097159"]);
    Ok(())
}

disk!(BadExtents {
    fn extents(&self, _: &(), count: u32, offset: u64, _: Flags) -> Result<Vec<Extent>> {
        let extent_type = ExtentType::empty();
        let extent = |offset, length| Extent { offset, length, extent_type };
        Ok(match count {
            1 => vec![],
            2 => vec![extent(offset + 1, 1)],
            3 => vec![extent(offset, 1), extent(offset + 2, 1)],
            _ => vec![extent(offset, 0)],
        })
    }
});

#[test]
fn extents_that_nbdkit_would_not_take() -> Result<(), Failure> {
    let disk = Nbdkit::of::<Shared<BadExtents>>().ready()?;
    let client = disk.connect("")?;
    for (count, why) in [
        (1, "extents: returned no extents, expected one that holds 8"),
        (2, "extents: the extents span 9..10, which does not hold the request's offset 8"),
        (3, "extents: extent 2 begins at 10, expected 9: it leaves a gap after the one before"),
        (4, "extents: extent 1 has a length of 0"),
    ] {
        let failure = client.extents(8, count).unwrap_err();
        assert_eq!((failure.errno(), failure.logged()), (libc::EINVAL, &[why.to_string()][..]));
    }
    Ok(())
}

disk!(Short {
    fn block_size(&self, _: &()) -> Result<Option<BlockSize>> {
        Ok(Some(BlockSize { minimum: 3, preferred: 512, maximum: 512 }))
    }
});

#[test]
fn answers_that_refuse_a_client() {
    let disk = Nbdkit::of::<Shared<Short>>().ready().unwrap();
    let failure = disk.connect("").unwrap_err().to_string();
    let expected = "block_size: returned minimum 3, preferred 512, maximum 512: \
         minimum must be a power of 2 from 1 to 64K";
    assert_eq!(failure, expected);
}

macro_rules! refusing {
    ($($plugin:ident $callback:ident($($argument:ty),*) -> $answer:ty;)*) => {
        $(disk!($plugin {
            fn $callback(&self, $(_: $argument),*) -> Result<$answer> {
                Err(Error::new(libc::EACCES, "no entry"))
            }
        });)*

        #[test]
        fn a_callback_that_fails_refuses_the_client() {
            $({
                let disk = Nbdkit::of::<Isolated<$plugin>>().ready().unwrap();
                let name = stringify!($callback);
                let failure = disk.connect("").unwrap_err();
                assert_eq!(failure.to_string(), format!("{name}: no entry"));
            })*
        }
    };
}

refusing! {
    NoConnect preconnect(bool) -> ();
    NoWrite can_write(&()) -> bool;
    NoFlush can_flush(&()) -> bool;
    NoCache can_cache(&()) -> Cache;
    NoExtents can_extents(&()) -> bool;
    NoRotation is_rotational(&()) -> bool;
    NoMulti can_multi_conn(&()) -> bool;
    NoBlocks block_size(&()) -> Option<BlockSize>;
}
