//! Files of all kinds, on the file systems of this machine.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Closable, File, Mode};
use crate::buffer::ReadBuffer;
use crate::error::{Error, printable};
use crate::values::{Extent, ExtentType, Flags};

const HOLE: ExtentType = ExtentType::HOLE.union(ExtentType::ZERO);
const DATA: ExtentType = ExtentType::empty();
const NONE: Flags = Flags::empty();

/// A directory for one test.
pub(super) struct Scratch(PathBuf);

impl Scratch {
    pub(super) fn new() -> Self {
        Self::within(&std::env::temp_dir())
    }

    fn within(directory: &Path) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("nbdkit-script-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    /// On disk, if the system keeps temporary files there, and in memory, which has no
    /// `FALLOC_FL_ZERO_RANGE`.
    pub(super) fn everywhere() -> Vec<Self> {
        let mut all = vec![Scratch::new()];
        if Path::new("/dev/shm").is_dir() {
            all.push(Scratch::within(Path::new("/dev/shm")));
        }
        all
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn file(&self, size: u64) -> File {
        File::open(self.path("disk.img"), Mode::Create(size)).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The message of an error, with `PATH` for the path.
pub(super) fn said(error: &Error, path: &Path) -> (i32, String) {
    let path = printable(path.as_os_str().as_bytes()).into_owned();
    (error.errno(), error.to_string().replace(&path, "PATH"))
}

fn refused(path: &Path, mode: Mode) -> (i32, String) {
    said(&File::open(path, mode).unwrap_err(), path)
}

fn error(errno: i32, message: &str) -> (i32, String) {
    (errno, message.into())
}

#[test]
fn a_file_may_be_used_from_any_thread() {
    fn any_thread<T: Send + Sync>() {}
    any_thread::<File>();
    any_thread::<Closable>();
}

#[test]
fn what_is_not_there_and_what_is_no_file() {
    const EXPECTED: &str = "expected a file or a block device";
    let scratch = Scratch::new();
    let path = scratch.path("missing");
    let missing = error(libc::ENOENT, "could not open PATH: No such file or directory");
    for mode in [Mode::ReadOnly, Mode::ReadWrite] {
        assert_eq!(refused(&path, mode), missing);
    }
    let within = scratch.path("missing/disk.img");
    let nowhere = error(libc::ENOENT, "could not create PATH: No such file or directory");
    assert_eq!(refused(&within, Mode::Create(1)), nowhere);

    let fifo = scratch.path("fifo");
    let directory = rustix::fs::CWD;
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(directory, &fifo, kind, 0o600.into(), 0).unwrap();
    let socket = scratch.path("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for mode in [Mode::ReadOnly, Mode::ReadWrite, Mode::Create(1)] {
        let is = |kind| format!("could not open PATH: it is a {kind}, {EXPECTED}");
        assert_eq!(refused(&scratch.0, mode), (libc::EISDIR, is("directory")));
        assert_eq!(refused(&fifo, mode), (libc::EINVAL, is("FIFO")));
        assert_eq!(refused(&socket, mode), (libc::EINVAL, is("socket")));
        for device in ["/dev/full", "/dev/null"] {
            assert_eq!(refused(device.as_ref(), mode), (libc::EINVAL, is("character device")));
        }
    }
    fs::write(&path, b"x").unwrap();
    assert_eq!(refused(&path.join("below"), Mode::ReadOnly).0, libc::ENOTDIR);
    assert_eq!(refused(Path::new("a\0b"), Mode::ReadOnly).0, libc::EINVAL);
}

#[test]
fn a_name_that_is_not_text_is_shown() {
    let scratch = Scratch::new();
    let path = scratch.0.join(std::ffi::OsStr::from_bytes(b"caf\xe9\n"));
    let message = File::open(&path, Mode::ReadOnly).unwrap_err().log_line();
    assert!(message.contains("caf\\xe9: No such") || message.contains("caf\\xe9 "), "{message}");
}

#[test]
fn create_makes_a_file_and_keeps_one_that_is_there() {
    let scratch = Scratch::new();
    let path = scratch.path("disk.img");
    let file = File::open(&path, Mode::Create(10_000)).unwrap();
    assert_eq!(file.size().unwrap(), 10_000);
    file.pwrite(b"kept", 9_996, NONE).unwrap();
    let longer = File::open(&path, Mode::Create(20_000)).unwrap();
    assert_eq!((longer.size().unwrap(), file.size().unwrap()), (20_000, 20_000));
    let same = File::open(&path, Mode::Create(100)).unwrap();
    assert_eq!(same.size().unwrap(), 20_000);
    let mut bytes = [0xaa; 6];
    same.pread(&mut bytes, 9_996).unwrap();
    assert_eq!(&bytes, b"kept\0\0");
    assert!(!same.is_readonly() && !same.is_block_device());

    // A link to a file that does not exist yet.
    symlink(scratch.path("behind.img"), scratch.path("link")).unwrap();
    File::open(scratch.path("link"), Mode::Create(7)).unwrap().close();
    assert_eq!(fs::metadata(scratch.path("behind.img")).unwrap().len(), 7);

    let large = scratch.path("large.img");
    let past = error(
        libc::EINVAL,
        &format!("could not make PATH {} bytes long: this is past 2^63 - 1", 1_u64 << 63),
    );
    assert_eq!(refused(&large, Mode::Create(1 << 63)), past);
    assert!(!large.exists());
}

#[test]
fn many_that_make_one_file_cut_off_nothing() {
    let scratch = Scratch::new();
    for round in 0..20 {
        let path = scratch.path(&format!("{round}.img"));
        std::thread::scope(|scope| {
            for number in 1..=8_u64 {
                let path = &path;
                scope.spawn(move || {
                    let file = File::open(path, Mode::Create(number * 512)).unwrap();
                    file.pwrite(&[number as u8], number * 512 - 1, NONE).unwrap();
                });
            }
        });
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 8 * 512);
        let last = |sector: &[u8]| sector[511];
        assert_eq!(bytes.chunks(512).map(last).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}

#[test]
fn programs_that_are_started_do_not_inherit_it() {
    let scratch = Scratch::new();
    let file = scratch.file(1);
    let flags = rustix::io::fcntl_getfd(&file.system).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
}

#[test]
fn what_is_read_only_is_not_changed() {
    let scratch = Scratch::new();
    drop(scratch.file(1000));
    let file = File::open(scratch.path("disk.img"), Mode::ReadOnly).unwrap();
    assert!(file.is_readonly());
    let why = "it was opened to be read only";
    let refused = |what: &str| error(libc::EROFS, &format!("could not {what}: {why}"));
    let said = |result: crate::Result<()>| said(&result.unwrap_err(), file.path());
    let range = "1 bytes at offset 2 of PATH";
    assert_eq!(said(file.pwrite(b"x", 2, NONE)), refused(&format!("write {range}")));
    assert_eq!(said(file.zero(1, 2, NONE)), refused(&format!("zero {range}")));
    assert_eq!(said(file.trim(1, 2, NONE)), refused(&format!("trim {range}")));
    assert_eq!(said(file.truncate(5)), refused("make PATH 5 bytes long"));
    file.flush().unwrap();
    file.sync().unwrap();
    file.cache(1000, 0).unwrap();
    file.cache(0, 1000).unwrap();
    assert_eq!(file.size().unwrap(), 1000);
}

#[test]
fn past_the_largest_offset() {
    let scratch = Scratch::new();
    let file = scratch.file(1000);
    for offset in [1 << 63, i64::MAX as u64, u64::MAX - 1, u64::MAX] {
        let errors = [
            file.pread(&mut [0; 2], offset).unwrap_err(),
            file.pwrite(&[0; 2], offset, NONE).unwrap_err(),
            file.zero(2, offset, NONE).unwrap_err(),
            file.trim(2, offset, NONE).unwrap_err(),
            file.extents(2, offset, NONE).unwrap_err(),
            file.cache(2, offset).unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.errno(), libc::EINVAL);
            assert!(error.to_string().ends_with("this is past 2^63 - 1"), "{error}");
        }
    }
    assert_eq!(file.zero(u64::MAX, 0, NONE).unwrap_err().errno(), libc::EINVAL);
    // Beyond the limit of every file system.
    let last = i64::MAX as u64 - 1;
    assert_eq!(file.pwrite(b"x", last, NONE).unwrap_err().errno(), libc::EFBIG);
    assert_eq!(file.truncate(last).unwrap_err().errno(), libc::EFBIG);
    assert_eq!(file.pread(&mut [0], last).unwrap_err().errno(), libc::EIO);
    assert_eq!(file.extents(1, last, NONE).unwrap()[0].extent_type, HOLE);
    assert_eq!(file.size().unwrap(), 1000);
}

#[test]
fn a_file_that_changes_its_size_while_it_is_used() {
    let scratch = Scratch::new();
    let file = scratch.file(8192);
    fs::OpenOptions::new().write(true).open(file.path()).unwrap().set_len(100).unwrap();
    let mut bytes = [0xaa; 4096];
    let short = file.pread(&mut bytes, 0).unwrap_err();
    let message = "could not read 4096 bytes at offset 0 of PATH: it ends at 100";
    assert_eq!(said(&short, file.path()), error(libc::EIO, message));
    let behind = file.pread(&mut bytes, 4096).unwrap_err();
    let message = "could not read 4096 bytes at offset 4096 of PATH: it ends at 100";
    assert_eq!(said(&behind, file.path()), error(libc::EIO, message));
    assert_eq!(file.extents(4096, 4096, NONE).unwrap()[0].extent_type, HOLE);
    file.pwrite(b"end", 8189, NONE).unwrap();
    file.pread(&mut bytes, 4096).unwrap();
    assert_eq!(&bytes[4092..], b"\0end");
}

#[test]
fn a_file_that_ends_before_its_size() {
    // The system claims that such a file has a whole page.
    let path = Path::new("/sys/kernel/uevent_seqnum");
    let Ok(text) = fs::read(path) else { return };
    let file = File::open(path, Mode::ReadOnly).unwrap();
    assert!(file.size().unwrap() > text.len() as u64);
    let error = file.pread(&mut [0; 4096], 0).unwrap_err();
    assert!(error.to_string().ends_with(&format!(": it ends at {}", text.len())), "{error}");
}

#[test]
fn a_read_request_that_fails_shows_nothing_stale() {
    let scratch = Scratch::new();
    let file = scratch.file(2);
    file.pwrite(b"ab", 0, NONE).unwrap();
    let mut memory = [0xaa; 4];
    assert!(file.fill(ReadBuffer::new(&mut memory), 0).is_err());
    assert_eq!(memory, [0; 4]);
    let file = file.padded_to(512).unwrap();
    assert!(file.fill(ReadBuffer::new(&mut memory), 0).is_ok());
    assert_eq!(&memory, b"ab\0\0");
    assert!(file.fill(ReadBuffer::new(&mut [0; 4]), 510).is_err());
    assert_eq!(file.size().unwrap(), 512);
    assert_eq!(scratch.file(0).padded_to(100).unwrap_err().errno(), libc::EINVAL);
}

#[test]
fn holes_are_found_and_made() {
    const MIB: u64 = 1 << 20;
    for scratch in Scratch::everywhere() {
        let file = scratch.file(4 * MIB);
        let extent = |offset, length, extent_type| Extent { offset, length, extent_type };
        let extents = |count, offset, flags| file.extents(count, offset, flags).unwrap();
        assert_eq!(extents(4 * MIB, 0, NONE), [extent(0, 4 * MIB, HOLE)]);
        file.pwrite(&vec![7; 2 * MIB as usize], MIB, NONE).unwrap();
        let all = [extent(0, MIB, HOLE), extent(MIB, 2 * MIB, DATA), extent(3 * MIB, MIB, HOLE)];
        assert_eq!(extents(4 * MIB, 0, NONE), all);
        assert_eq!(extents(4 * MIB, 0, Flags::REQ_ONE), all[..1]);
        assert_eq!(extents(10, MIB + 5, NONE), [extent(MIB + 5, 10, DATA)]);
        assert_eq!(extents(MIB, 4 * MIB, NONE), [extent(4 * MIB, MIB, HOLE)]);
        assert!(extents(0, 0, NONE).is_empty());

        file.trim(MIB, MIB, NONE).unwrap();
        assert_eq!(extents(4 * MIB, 0, Flags::REQ_ONE), [extent(0, 2 * MIB, HOLE)]);
        file.zero(MIB / 2, 2 * MIB, Flags::MAY_TRIM | Flags::FAST_ZERO | Flags::FUA).unwrap();
        assert_eq!(extents(4 * MIB, 0, Flags::REQ_ONE)[0].length, 2 * MIB + MIB / 2);
        let blocks = || std::os::unix::fs::MetadataExt::blocks(&fs::metadata(file.path()).unwrap());
        let with_holes = blocks();
        file.zero(4 * MIB, 0, NONE).unwrap();
        assert!(blocks() >= with_holes + 3 * MIB / 512, "room is kept for what may not be a hole");
        let mut bytes = vec![0xaa; 4 * MIB as usize];
        file.pread(&mut bytes, 0).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 0));
        file.zero(0, 10 * MIB, NONE).unwrap();
        file.trim(0, 10 * MIB, NONE).unwrap();
        file.trim(MIB, 10 * MIB, NONE).unwrap();
        assert_eq!(file.size().unwrap(), 4 * MIB);
    }
}

#[test]
fn a_file_that_a_script_has_closed() {
    let scratch = Scratch::new();
    let closable = Closable::from(scratch.file(100));
    assert_eq!(closable.with(|file| file.size()).unwrap(), 100);
    closable.close();
    closable.close();
    let closed = closable.with(|file| file.size()).unwrap_err();
    let message = "could not use PATH: it is closed";
    assert_eq!(said(&closed, &scratch.path("disk.img")), error(libc::EBADF, message));
}

#[test]
fn threads_use_one_file_at_once() {
    let scratch = Scratch::new();
    let file = &scratch.file(0);
    std::thread::scope(|scope| {
        for number in 0..8_u64 {
            scope.spawn(move || {
                let own = vec![number as u8 + 1; 5000];
                for round in 0..50 {
                    let offset = (round * 8 + number) * 5000;
                    file.pwrite(&own, offset, NONE).unwrap();
                    let mut bytes = vec![0; 5000];
                    file.pread(&mut bytes, offset).unwrap();
                    assert_eq!(bytes, own);
                }
            });
        }
    });
    assert_eq!(file.size().unwrap(), 8 * 50 * 5000);
}
