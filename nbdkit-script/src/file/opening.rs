//! Opens or creates a [`File`].

use std::fs::{self, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::abilities::{Abilities, Ability};
use super::durable::Durable;
use super::failure::{Attempt, check_end, failed, refused};
use super::identity::Identity;
use super::mode::Mode;
use super::opened::{File, Kind};
use crate::error::Result;
use crate::memory;
use crate::system;

/// A new file gets its size under this lock. Otherwise one of two interpreters could cut off what
/// the other has just written past that size.
static MAKING: Mutex<()> = Mutex::new(());

impl File {
    /// Opens a file or a block device. Programs that the process starts do not inherit it.
    ///
    /// nbdkit changes its directory to `/` before it serves: make a relative path absolute before
    /// that, with [`host::absolute_path`](crate::host::absolute_path).
    ///
    /// If this creates or grows the file, the change is durable when it returns, and so is a new
    /// name.
    ///
    /// # Errors
    /// Those of the system: `ENOENT`, `EACCES`, `EROFS`, `EMFILE`. `EISDIR` for a directory, and
    /// `EINVAL` for anything else that is neither a file nor a block device. A FIFO, for example,
    /// would wait.
    pub fn open(path: impl AsRef<Path>, mode: Mode) -> Result<File> {
        let path = path.as_ref();
        memory::check()?;
        // The system would refuse it, but the standard library copies it first.
        if path.as_os_str().len() >= libc::PATH_MAX as usize {
            let too_long = io::Error::from_raw_os_error(libc::ENAMETOOLONG);
            return Err(failed(Attempt::Whole("open"), path, too_long));
        }
        if let Mode::Create(size) = mode {
            check_end(Attempt::Resize(size), path, size, 0)?;
        }
        // Check first: opening a FIFO may block forever, and opening some devices has side effects.
        match fs::metadata(path) {
            Ok(found) => check_kind(&found, path).and_then(|_| open(path, mode)),
            Err(error) => match mode {
                Mode::Create(size) if error.kind() == io::ErrorKind::NotFound => make(path, size),
                _ => Err(failed(Attempt::Whole("open"), path, error)),
            },
        }
    }
}

fn open(path: &Path, mode: Mode) -> Result<File> {
    let readonly = mode == Mode::ReadOnly;
    let opened = options().write(!readonly).open(path);
    let opened = opened.map_err(|error| failed(Attempt::Whole("open"), path, error))?;
    let file = file(opened, path, readonly)?;
    if let Mode::Create(size) = mode
        && enlarge(&file, size)?
    {
        file.sync()?;
    }
    Ok(file)
}

fn make(path: &Path, size: u64) -> Result<File> {
    let attempt = Attempt::Whole("create");
    let opened = options().write(true).create(true).open(path);
    let file = file(opened.map_err(|error| failed(attempt, path, error))?, path, false)?;
    enlarge(&file, size)?;
    let synced = file.system.sync_all().and_then(|()| sync_name(&file.system, path));
    synced.map_err(|error| failed(attempt, path, error))?;
    Ok(file)
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NOCTTY);
    options
}

/// Grows the file to this size if it is shorter. Returns whether it did.
fn enlarge(file: &File, size: u64) -> Result<bool> {
    let _making = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let end = file.end()?;
    if end >= size {
        return Ok(false);
    }
    if file.is_block_device() {
        let why = format!("it is a block device of {end} bytes");
        return Err(file.refused(Attempt::Resize(size), libc::ENOSPC, &why));
    }
    file.truncate(size).map(|()| true)
}

/// Makes a new file's name durable by syncing its directory, or the whole file system if we may not
/// open the directory.
fn sync_name(file: &fs::File, path: &Path) -> io::Result<()> {
    let path = fs::canonicalize(path)?;
    let Some(directory) = path.parent() else { return Ok(()) };
    let directory = match fs::File::open(directory) {
        Ok(directory) => directory,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Ok(rustix::fs::syncfs(file)?);
        }
        Err(error) => return Err(error),
    };
    match directory.sync_all() {
        // Some file systems cannot sync a directory, and say so.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

fn file(system: fs::File, path: &Path, readonly: bool) -> Result<File> {
    let attempt = Attempt::Whole("open");
    let found = system.metadata().map_err(|error| failed(attempt, path, error))?;
    // The name may refer to another file by now.
    let kind = check_kind(&found, path)?;
    let (kind, abilities) = if kind.is_block_device() {
        // If the device does not say, assume the largest common sector.
        let sector = rustix::fs::ioctl_blksszget(&system).unwrap_or(4096).max(1).into();
        let device = Ability::PUNCH | Ability::ZERO_RANGE | Ability::ZERO_OUT | Ability::DISCARD;
        (Kind::BlockDevice { sector }, device)
    } else {
        let regular = Ability::PUNCH | Ability::ZERO_RANGE | Ability::ALLOCATE | Ability::SEEK;
        (Kind::Regular, regular)
    };
    if !readonly {
        system::survive_large_files();
    }
    Ok(File {
        system,
        path: path.into(),
        readonly,
        kind,
        block: 1,
        abilities: Abilities::new(abilities),
        durable: Durable::of(Identity::of(&found)),
        lock: Mutex::default(),
    })
}

/// Only files and block devices can hold data at any offset.
fn check_kind(found: &Metadata, path: &Path) -> Result<fs::FileType> {
    let kind = found.file_type();
    let (errno, name) = match () {
        () if kind.is_file() || kind.is_block_device() => return Ok(kind),
        () if kind.is_dir() => (libc::EISDIR, "a directory"),
        () if kind.is_fifo() => (libc::EINVAL, "a FIFO"),
        () if kind.is_socket() => (libc::EINVAL, "a socket"),
        () => (libc::EINVAL, "a character device"),
    };
    let why = format!("it is {name}, expected a file or a block device");
    Err(refused(Attempt::Whole("open"), path, errno, why))
}
