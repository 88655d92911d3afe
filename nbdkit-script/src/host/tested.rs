//! The interface between the plugin of a script under test and `nbdkit-script-test`, the runner:
//! the runner's jobs for the plugin's library, and a test's questions to the runner's client.
//!
//! Both sides use these types. The runner may have been built separately from the plugin, so the
//! types have C's layout, and each side frees only memory that it has allocated.

use std::ffi::{OsStr, c_int, c_void};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::time::Duration;

use super::functions::nbdkit_script_test_ask_1;
use crate::error::{Error, Result};

/// Bytes that one side lends to the other.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
struct Bytes<'a> {
    first: *const u8,
    length: usize,
    lent: PhantomData<&'a [u8]>,
}

impl<'a> Bytes<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Bytes { first: bytes.as_ptr(), length: bytes.len(), lent: PhantomData }
    }

    fn get(self) -> &'a [u8] {
        // SAFETY: only `of` makes this value, from a slice that lives for `'a`.
        unsafe { std::slice::from_raw_parts(self.first, self.length) }
    }
}

/// What the plugin's library should do for the runner.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Name the callbacks that the plugin defines. The plugin is already serving.
    Callbacks,
    /// Name the tests in a file.
    List,
    /// Run a test.
    Run,
}

/// What the library tells the runner.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A callback that the script defines: nbdkit's name for it, a space, and the script's.
    Callback,
    /// The name of a test, in the order of the file.
    Test,
    /// Why the job could not be done, or why the test failed.
    Failure,
}

/// A job for the plugin's library.
#[repr(C)]
#[derive(Debug)]
pub struct Testing<'a> {
    job: Job,
    file: Bytes<'a>,
    test: Bytes<'a>,
    /// 0 for none.
    limit_in_milliseconds: u64,
    listener: *mut c_void,
    tell: unsafe extern "C" fn(*mut c_void, Told, Bytes<'_>),
    listening: PhantomData<Listener<'a>>,
}

/// Receives what the library tells the runner.
pub type Listener<'a> = &'a mut dyn FnMut(Told, &str);

unsafe extern "C" fn hear(listener: *mut c_void, told: Told, text: Bytes<'_>) {
    // SAFETY: `Testing::new` made the pointer from a `&mut` that outlives the job.
    let listener = unsafe { &mut *listener.cast::<Listener<'_>>() };
    listener(told, &String::from_utf8_lossy(text.get()));
}

impl<'a> Testing<'a> {
    /// A job for the tests in a file, or for one of them.
    pub fn new(
        job: Job,
        file: &'a Path,
        test: &'a str,
        limit: Option<Duration>,
        listener: &'a mut Listener<'_>,
    ) -> Self {
        Testing {
            job,
            file: Bytes::of(file.as_os_str().as_bytes()),
            test: Bytes::of(test.as_bytes()),
            limit_in_milliseconds: limit.map_or(0, |limit| limit.as_millis() as u64),
            listener: ptr::from_mut(listener).cast(),
            tell: hear,
            listening: PhantomData,
        }
    }

    /// The kind of job.
    pub fn job(&self) -> Job {
        self.job
    }

    /// The file that contains the tests.
    pub fn file(&self) -> &'a Path {
        Path::new(OsStr::from_bytes(self.file.get()))
    }

    /// The name of the test to run.
    pub fn test(&self) -> Result<&'a str> {
        std::str::from_utf8(self.test.get()).map_err(|_| Error::invalid("a name that is not UTF-8"))
    }

    /// How long the test may take.
    pub fn limit(&self) -> Option<Duration> {
        let limit = self.limit_in_milliseconds;
        (limit > 0).then(|| Duration::from_millis(limit))
    }

    /// Tells the runner something.
    pub fn tell(&self, told: Told, text: &str) {
        // SAFETY: `new` set the function and the listener that it takes. The raw pointer in it
        // keeps this value on one thread.
        unsafe { (self.tell)(self.listener, told, Bytes::of(text.as_bytes())) };
    }
}

/// A test's question to the runner's client: a request for the disk, or about the client itself.
#[repr(C)]
#[derive(Debug)]
pub struct Question<'a> {
    name: Bytes<'a>,
    /// The request's offset on the disk.
    pub offset: u64,
    /// The length of the request in bytes.
    pub count: u64,
    /// The request's flags, as nbdkit defines them.
    pub flags: u32,
    data: Bytes<'a>,
}

impl<'a> Question<'a> {
    /// A question with this name and nothing else.
    pub fn new(name: &'a str) -> Self {
        let nothing = Bytes::of(&[]);
        Question { name: Bytes::of(name.as_bytes()), offset: 0, count: 0, flags: 0, data: nothing }
    }

    /// Sets the range of the request.
    pub fn range(self, count: u64, offset: u64) -> Self {
        Question { count, offset, ..self }
    }

    /// Sets the flags, as nbdkit defines them.
    pub fn flags(self, flags: u32) -> Self {
        Question { flags, ..self }
    }

    /// Sets the data to write, or a text.
    pub fn data(self, data: &'a [u8]) -> Self {
        Question { data: Bytes::of(data), ..self }
    }

    /// The question's name, which is usually a callback's.
    pub fn name(&self) -> &'a [u8] {
        self.name.get()
    }

    /// The data to write, or a text.
    pub fn bytes(&self) -> &'a [u8] {
        self.data.get()
    }
}

/// The client's answer to a question.
#[repr(C)]
#[derive(Debug)]
pub struct Reply {
    /// The errno that the client sees; 0 if the request succeeded.
    pub errno: c_int,
    /// The errno that the disk chose; 0 if the request succeeded.
    pub disks_errno: c_int,
    /// A number, or a boolean.
    pub number: i64,
    place: *mut c_void,
    take: unsafe extern "C" fn(*mut c_void, Bytes<'_>),
}

unsafe extern "C" fn take(place: *mut c_void, bytes: Bytes<'_>) {
    // SAFETY: `ask_client` made the pointer from its own `Vec`, and does not use it during the
    // call.
    let place = unsafe { &mut *place.cast::<Vec<u8>>() };
    place.extend_from_slice(bytes.get());
}

impl Reply {
    /// Appends data, or a part of a message.
    pub fn add(&mut self, data: &[u8]) {
        // SAFETY: `ask_client` set the function and the place that it takes.
        unsafe { (self.take)(self.place, Bytes::of(data)) };
    }
}

/// The result of a question: data, or an error.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The errno that the client sees, or 0.
    pub(crate) errno: i32,
    /// The errno that the disk chose, or 0.
    pub(crate) disks_errno: i32,
    pub(crate) number: i64,
    /// Data, or a message.
    pub(crate) bytes: Vec<u8>,
}

/// Asks the client of the running test.
///
/// # Errors
/// If this process runs no test.
pub(crate) fn ask_client(question: &Question<'_>) -> Result<Answered> {
    let ask = nbdkit_script_test_ask_1.get().ok_or_else(|| {
        Error::new(libc::ENOTSUP, "there is no client: only nbdkit-script-test has one")
    })?;
    let mut bytes = Vec::new();
    let place = ptr::from_mut(&mut bytes).cast();
    let mut reply = Reply { errno: 0, disks_errno: 0, number: 0, place, take };
    // SAFETY: this is the runner's function. It takes a pointer to a `Question` and one to a
    // `Reply`, and keeps neither.
    unsafe { ask(ptr::from_ref(question).cast(), ptr::from_mut(&mut reply).cast()) };
    let Reply { errno, disks_errno, number, .. } = reply;
    Ok(Answered { errno, disks_errno, number, bytes })
}
