//! Files under the system's limits: in processes of their own with resource limits, and on file
//! systems and devices that only root can make. A test that cannot run says so.

use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::tests::{Scratch, said};
use super::{File, Mode};
use crate::values::{ExtentType, Flags};

const NONE: Flags = Flags::empty();
const MIB: u64 = 1 << 20;

/// Tells the process that a test starts where its directory is.
const DIRECTORY: &str = "NBDKIT_SCRIPT_TEST_DIRECTORY";

/// The directory, in a process that a test started.
fn started_in() -> Option<PathBuf> {
    std::env::var_os(DIRECTORY).map(PathBuf::from)
}

/// Runs one of the tests below again, as the last command of a shell script.
fn command(scratch: &Scratch, before: &str, test: &str) -> Command {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("/bin/sh");
    let script = format!("set -e; {before}\nexec \"$@\"");
    command.args(["-c", &script, "sh"]).arg(program);
    command.args(["--nocapture", "--exact", &format!("file::systems::{test}")]);
    command.env(DIRECTORY, scratch.path(""));
    command
}

/// The exit status of the shell if the test cannot run.
const CANNOT: i32 = 77;

#[track_caller]
fn passes(mut command: Command, test: &str) {
    let output = command.output().unwrap();
    if output.status.code() == Some(CANNOT) {
        // Not with a macro: the test harness would capture the text.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {test} cannot be as this user, or here");
        return;
    }
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{}: {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Runs `body` in a process that the commands in `before` have prepared, for the test of this name.
#[track_caller]
fn passes_after(before: &str, test: &str, body: impl FnOnce(&Path)) {
    match started_in() {
        Some(directory) => body(&directory),
        None => passes(command(&Scratch::new(), before, test), test),
    }
}

/// The same as root, in a file system of 1 MiB that other processes do not see.
#[track_caller]
fn passes_as_root(before: &str, test: &str, body: impl FnOnce(&Path)) {
    if let Some(directory) = started_in() {
        return body(&directory);
    }
    let scratch = Scratch::new();
    let mount = format!("mount -t tmpfs -o size=1m tmpfs . || exit {CANNOT}; cd \"${DIRECTORY}\"");
    let inner = command(&scratch, &format!("{mount}; {before}"), test);
    let mut outer = Command::new("/bin/sh");
    // Fails at once where it is not allowed.
    let unshare = format!("unshare --mount true || exit {CANNOT}; exec unshare --mount \"$@\"");
    outer.args(["-c", &unshare, "sh"]).arg(inner.get_program()).args(inner.get_args());
    outer.env(DIRECTORY, scratch.path("")).current_dir(scratch.path(""));
    passes(outer, test);
}

#[test]
fn a_file_that_gets_larger_than_files_may_be() {
    passes_after("ulimit -f 100", "a_file_that_gets_larger_than_files_may_be", larger_than_allowed);
}

fn larger_than_allowed(directory: &Path) {
    let path = directory.join("disk.img");
    let file = File::open(&path, Mode::Create(1000)).unwrap();
    for _ in 0..2 {
        let error = file.pwrite(b"x", MIB, NONE).unwrap_err();
        let message = "could not write 1 bytes at offset 1048576 of PATH: File too large";
        assert_eq!(said(&error, &path), (libc::EFBIG, message.into()));
        assert_eq!(file.truncate(MIB).unwrap_err().errno(), libc::EFBIG);
    }
    assert_eq!(file.size().unwrap(), 1000);
}

#[test]
fn more_files_than_the_process_may_have() {
    passes_after("ulimit -n 60", "more_files_than_the_process_may_have", more_than_allowed);
}

fn more_than_allowed(directory: &Path) {
    let path = directory.join("disk.img");
    let first = File::open(&path, Mode::Create(100)).unwrap();
    first.lock().unwrap();
    for _ in 0..3 {
        let mut files = Vec::new();
        let error = loop {
            match File::open(&path, Mode::ReadWrite) {
                Ok(file) => files.push(file),
                Err(error) => break error,
            }
            assert!(files.len() < 60);
        };
        let message = "could not open PATH: Too many open files";
        assert_eq!(said(&error, &path), (libc::EMFILE, message.into()));
        // We already have the lock, so locking takes no descriptor.
        files[0].lock().unwrap();
        first.pwrite(b"x", 0, Flags::FUA).unwrap();
    }
}

/// Another process, which opens and locks a file, and prints whether it could.
fn locker(scratch: &Scratch, mode: &str, test: &str) -> Child {
    let mut command = command(scratch, &format!("export MODE={mode}"), test);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
}

fn answer(child: Child) -> bool {
    let output = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
    assert!(output.contains("locked") != output.contains("refused"), "{output}");
    output.contains("locked")
}

/// The body of that process.
fn locking(directory: &Path) {
    let path = directory.join("disk.img");
    let readonly = std::env::var("MODE").unwrap() == "r";
    let file = File::open(&path, Mode::for_client(readonly)).unwrap();
    match file.lock() {
        Ok(()) => println!("locked"),
        Err(error) => {
            let message = "could not lock PATH: another process has locked it";
            assert_eq!(said(&error, &path), (libc::EAGAIN, message.into()));
            println!("refused");
        }
    }
}

#[test]
fn a_lock_is_that_of_the_process() {
    const NAME: &str = "a_lock_is_that_of_the_process";
    if let Some(directory) = started_in() {
        return locking(&directory);
    }
    let scratch = Scratch::new();
    let path = scratch.path("disk.img");
    File::open(&path, Mode::Create(100)).unwrap().close();
    let open = |readonly| {
        let file = File::open(&path, Mode::for_client(readonly)).unwrap();
        file.lock().unwrap();
        file.lock().unwrap();
        file
    };
    // Whether another process could lock the file for writing, and for reading.
    let others = || (answer(locker(&scratch, "rw", NAME)), answer(locker(&scratch, "r", NAME)));
    assert_eq!(others(), (true, true));
    let reader = open(true);
    assert_eq!(others(), (false, true));
    let (writer, second) = (open(false), open(false));
    assert_eq!(others(), (false, false));
    // A user without the lock may come and go.
    File::open(&path, Mode::ReadWrite).unwrap().close();
    writer.close();
    assert_eq!(others(), (false, false));
    second.close();
    assert_eq!(others(), (false, true));
    let writer = open(false);
    reader.close();
    assert_eq!(others(), (false, false));
    writer.close();
    assert_eq!(others(), (true, true));
}

#[test]
fn a_lock_that_cannot_become_exclusive_stays_shared() {
    const NAME: &str = "a_lock_that_cannot_become_exclusive_stays_shared";
    if let Some(directory) = started_in() {
        return locking(&directory);
    }
    let scratch = Scratch::new();
    let path = scratch.path("disk.img");
    let file = File::open(&path, Mode::Create(100)).unwrap();
    let reader = File::open(&path, Mode::ReadOnly).unwrap();
    reader.lock().unwrap();
    {
        // A description from outside this module acts like another process.
        let other = fs::File::open(&path).unwrap();
        crate::system::lock_file(&other, crate::system::Hold::Shared).unwrap();
        assert_eq!(file.lock().unwrap_err().errno(), libc::EAGAIN);
    }
    assert!(!answer(locker(&scratch, "rw", NAME)));
    assert!(answer(locker(&scratch, "r", NAME)));
    file.lock().unwrap();
    assert!(!answer(locker(&scratch, "r", NAME)));
}

#[test]
fn a_file_system_that_is_full() {
    passes_as_root("", "a_file_system_that_is_full", full);
}

fn full(directory: &Path) {
    let path = directory.join("disk.img");
    let file = File::open(&path, Mode::Create(2 * MIB)).unwrap();
    let block = [7; 65536];
    let written = (0..32).find(|n| file.pwrite(&block, n * 65536, NONE).is_err()).unwrap();
    assert!(written >= 14, "{written}");
    let error = file.pwrite(&block, written * 65536, Flags::FUA).unwrap_err();
    let offset = written * 65536;
    let message =
        format!("could not write 65536 bytes at offset {offset} of PATH: No space left on device");
    assert_eq!(said(&error, &path), (libc::ENOSPC, message));
    // Zeroes that must not be a hole need space.
    assert_eq!(file.zero(MIB, MIB, NONE).unwrap_err().errno(), libc::ENOSPC);
    file.flush().unwrap();
    let mut bytes = [0; 65536];
    for n in 0..written {
        file.pread(&mut bytes, n * 65536).unwrap();
        assert_eq!(bytes, block);
    }
    file.trim(4 * 65536, 0, NONE).unwrap();
    file.pwrite(&block, offset, Flags::FUA).unwrap();
    let other = directory.join("other.img");
    File::open(&other, Mode::Create(MIB)).unwrap();
}

#[test]
fn a_file_system_that_is_read_only() {
    let before = "echo data >disk.img; mount -o remount,ro .";
    passes_as_root(before, "a_file_system_that_is_read_only", read_only);
}

fn read_only(directory: &Path) {
    let path = directory.join("disk.img");
    let refused = |path: &Path, mode| said(&File::open(path, mode).unwrap_err(), path);
    let opened = (libc::EROFS, "could not open PATH: Read-only file system".to_owned());
    assert_eq!(refused(&path, Mode::ReadWrite), opened);
    assert_eq!(refused(&path, Mode::Create(1)), opened);
    let created = (libc::EROFS, "could not create PATH: Read-only file system".to_owned());
    assert_eq!(refused(&directory.join("new.img"), Mode::Create(1)), created);
    let file = File::open(&path, Mode::ReadOnly).unwrap();
    file.lock().unwrap();
    let mut bytes = [0; 5];
    file.pread(&mut bytes, 0).unwrap();
    assert_eq!(&bytes, b"data\n");
}

#[test]
fn a_file_of_which_there_is_no_right() {
    // Root without its special powers.
    let before = "echo data >disk.img; chmod 0 disk.img; chmod 555 .; \
                  set -- setpriv --bounding-set -dac_override,-dac_read_search \"$@\"";
    passes_as_root(before, "a_file_of_which_there_is_no_right", no_right);
}

fn no_right(directory: &Path) {
    let path = directory.join("disk.img");
    for mode in [Mode::ReadOnly, Mode::ReadWrite, Mode::Create(1)] {
        let error = File::open(&path, mode).unwrap_err();
        let message = "could not open PATH: Permission denied".to_owned();
        assert_eq!(said(&error, &path), (libc::EACCES, message));
    }
    let new = directory.join("new.img");
    assert_eq!(File::open(&new, Mode::Create(1)).unwrap_err().errno(), libc::EACCES);
}

/// A loop device over a file, larger than the space in the file system.
const DEVICE: &str = "truncate -s 4M below; device=$(losetup --show -f below) || exit 77; \
                      ln -s \"$device\" device; \
                      run() { \"$@\"; status=$?; losetup -d \"$device\"; exit $status; }; \
                      set +e; run \"$@\"";

#[test]
fn a_block_device() {
    passes_as_root(DEVICE, "a_block_device", device);
}

fn device(directory: &Path) {
    let path = directory.join("device");
    let below = fs::File::open(directory.join("below")).unwrap();
    assert!(File::open(&path, Mode::ReadOnly).unwrap().is_block_device());
    assert_eq!(File::open(&path, Mode::Create(4 * MIB)).unwrap().size().unwrap(), 4 * MIB);
    let error = File::open(&path, Mode::Create(4 * MIB + 1)).unwrap_err();
    let why = "it is a block device of 4194304 bytes";
    let message = format!("could not make PATH 4194305 bytes long: {why}");
    assert_eq!(said(&error, &path), (libc::ENOSPC, message));

    let file = File::open(&path, Mode::ReadWrite).unwrap();
    file.lock().unwrap();
    let extents = file.extents(4 * MIB, 0, NONE).unwrap();
    assert_eq!((extents.len(), extents[0].extent_type), (1, ExtentType::empty()));
    assert_eq!(file.truncate(1).unwrap_err().errno(), libc::EINVAL);
    file.cache(MIB, 0).unwrap();

    let data = vec![7; 65536];
    let read = |offset| {
        let mut bytes = vec![0xaa; 65536];
        file.pread(&mut bytes, offset).map(|()| bytes)
    };
    file.pwrite(&data, 3, Flags::FUA).unwrap();
    let mut there = vec![0; 65536];
    below.read_exact_at(&mut there, 3).unwrap();
    assert!(there == data && read(3).unwrap() == data);
    assert_eq!(read(4 * MIB - 1).unwrap_err().errno(), libc::EIO);
    assert_eq!(file.pwrite(b"ab", 4 * MIB - 1, NONE).unwrap_err().errno(), libc::ENOSPC);

    // Whole sectors and parts of sectors.
    let whole = [NONE, Flags::MAY_TRIM, Flags::MAY_TRIM | Flags::FAST_ZERO | Flags::FUA];
    for flags in whole {
        file.pwrite(&data, 0, NONE).unwrap();
        if let Err(error) = file.zero(8192, 4096, flags) {
            // Which file systems can do it fast is up to Linux.
            assert!(flags.contains(Flags::FAST_ZERO), "{error}");
            assert_eq!(error.errno(), libc::EOPNOTSUPP);
            continue;
        }
        let now = read(0).unwrap();
        let ends = (now[4095], now[12_288]);
        assert!(now[4096..12_288].iter().all(|byte| *byte == 0) && ends == (7, 7));
    }
    for (count, offset) in [(100, 4096), (4096, 100), (511, 1)] {
        let error = file.zero(count, offset, Flags::MAY_TRIM).unwrap_err();
        assert_eq!(error.errno(), libc::EOPNOTSUPP);
    }
    // Linux might write them.
    let slow = file.zero(4096, 0, Flags::FAST_ZERO).unwrap_err();
    assert_eq!(slow.errno(), libc::EOPNOTSUPP);
    file.pwrite(&data, 0, NONE).unwrap();
    file.trim(8000, 100, Flags::FUA).unwrap();
    let now = read(0).unwrap();
    assert!(now[..512].iter().chain(&now[8100..]).all(|byte| *byte == 7));
    assert_eq!(now[512], 0, "a loop device makes it a hole");
    file.trim(100, 4 * MIB - 100, NONE).unwrap();
}

#[test]
fn a_device_that_loses_what_it_was_given() {
    passes_as_root(DEVICE, "a_device_that_loses_what_it_was_given", losing);
}

fn losing(directory: &Path) {
    let path = directory.join("device");
    let file = File::open(&path, Mode::ReadWrite).unwrap();
    file.flush().unwrap();
    // The system takes the data into memory, and later has no space for it.
    file.pwrite(&vec![7; 2 * MIB as usize], 0, NONE).unwrap();
    let first = file.flush().unwrap_err();
    let errno = first.errno();
    assert!([libc::EIO, libc::ENOSPC].contains(&errno), "{first}");
    assert!(first.to_string().starts_with(&format!("could not flush {}: ", path.display())));
    // The system alone would report the loss only once.
    for _ in 0..2 {
        let later = file.flush().unwrap_err();
        assert_eq!(later.errno(), errno);
        let remark = "(of an earlier flush: data may be lost)";
        assert!(later.to_string().ends_with(remark), "{later}");
        assert_eq!(file.pwrite(b"x", 0, Flags::FUA).unwrap_err().errno(), errno);
    }
    // The system alone would let a new file flush.
    let other = File::open(&path, Mode::ReadWrite).unwrap();
    assert_eq!(other.flush().unwrap_err().errno(), errno);
    drop((file, other));
    let anew = File::open(&path, Mode::ReadWrite).unwrap();
    anew.trim(4 * MIB, 0, NONE).unwrap();
    anew.pwrite(b"x", 0, Flags::FUA).unwrap();
}
