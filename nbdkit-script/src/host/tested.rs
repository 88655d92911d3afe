//! Between a script that is tested and `nbdkit-script-test`, which tests it: what the runner wants
//! of the plugin's library, and what a test asks the runner's client.
//!
//! Both sides use these types. The runner may have been built apart from the plugin, so they have
//! C's layout, and whoever made a value is who reads and frees its memory.

use std::ffi::{OsStr, c_int, c_void};
use std::marker::PhantomData;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::time::Duration;

use super::functions::nbdkit_script_test_ask;
use crate::error::{Error, Result};

/// Bytes of the other side.
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
        // SAFETY: only `of` makes one.
        unsafe { std::slice::from_raw_parts(self.first, self.length) }
    }
}

/// What the runner wants of the plugin's library.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// To be told which callbacks the plugin defines, which serves already.
    Callbacks,
    /// To be told which tests a file has.
    List,
    /// That a test is run.
    Run,
}

/// What the library tells the runner.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// A callback that is defined: nbdkit's name for it, a space, and the script's.
    Callback,
    /// A test, in the order of the file.
    Test,
    /// Why the job could not be done, or why the test has failed.
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

/// Who is told what the library finds.
pub type Listener<'a> = &'a mut dyn FnMut(Told, &str);

unsafe extern "C" fn hear(listener: *mut c_void, told: Told, text: Bytes<'_>) {
    // SAFETY: `Testing::new` has made the pointer, of what outlives the job.
    let listener = unsafe { &mut *listener.cast::<Listener<'_>>() };
    listener(told, &String::from_utf8_lossy(text.get()));
}

impl<'a> Testing<'a> {
    /// A job: with the tests in a file, and the name of one of them.
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

    /// What is wanted.
    pub fn job(&self) -> Job {
        self.job
    }

    /// The file of tests.
    pub fn file(&self) -> &'a Path {
        Path::new(OsStr::from_bytes(self.file.get()))
    }

    /// The test to be run.
    pub fn test(&self) -> Result<&'a str> {
        std::str::from_utf8(self.test.get()).map_err(|_| Error::invalid("a name that is not UTF-8"))
    }

    /// How long the test may take.
    pub fn limit(&self) -> Option<Duration> {
        let limit = self.limit_in_milliseconds;
        (limit > 0).then(|| Duration::from_millis(limit))
    }

    /// Tells the runner.
    pub fn tell(&self, told: Told, text: &str) {
        // SAFETY: `new` has set both. The job is not shared with other threads.
        unsafe { (self.tell)(self.listener, told, Bytes::of(text.as_bytes())) };
    }
}

/// What a test asks the runner's client: a request, or something that the client knows.
#[repr(C)]
#[derive(Debug)]
pub struct Question<'a> {
    name: Bytes<'a>,
    /// Where the request begins.
    pub offset: u64,
    /// How many bytes it is for.
    pub count: u64,
    /// nbdkit's flags.
    pub flags: u32,
    data: Bytes<'a>,
}

impl<'a> Question<'a> {
    /// The question of this name, with nothing else.
    pub fn new(name: &'a str) -> Self {
        let nothing = Bytes::of(&[]);
        Question { name: Bytes::of(name.as_bytes()), offset: 0, count: 0, flags: 0, data: nothing }
    }

    /// For so many bytes there.
    pub fn range(self, count: u64, offset: u64) -> Self {
        Question { count, offset, ..self }
    }

    /// With nbdkit's flags.
    pub fn flags(self, flags: u32) -> Self {
        Question { flags, ..self }
    }

    /// With data to be written, or a text.
    pub fn data(self, data: &'a [u8]) -> Self {
        Question { data: Bytes::of(data), ..self }
    }

    /// Which question it is: the name of a callback, for most.
    pub fn name(&self) -> &'a [u8] {
        self.name.get()
    }

    /// Its data.
    pub fn bytes(&self) -> &'a [u8] {
        self.data.get()
    }
}

/// What the client answers.
#[repr(C)]
#[derive(Debug)]
pub struct Reply {
    /// The errno that the client sees; 0 if the request has not failed.
    pub errno: c_int,
    /// The errno that the disk has failed with.
    pub disks_errno: c_int,
    /// A number, or a boolean.
    pub number: i64,
    place: *mut c_void,
    take: unsafe extern "C" fn(*mut c_void, Bytes<'_>),
}

unsafe extern "C" fn take(place: *mut c_void, bytes: Bytes<'_>) {
    // SAFETY: `ask` has made the pointer, and waits for the answer.
    let place = unsafe { &mut *place.cast::<Vec<u8>>() };
    place.extend_from_slice(bytes.get());
}

impl Reply {
    /// Answers with more data, or with more of a message.
    pub fn add(&mut self, data: &[u8]) {
        // SAFETY: `ask` has set both.
        unsafe { (self.take)(self.place, Bytes::of(data)) };
    }
}

/// What a request has read, or what it has failed with.
#[derive(Debug)]
pub(crate) struct Answered {
    /// 0, or what the client sees.
    pub(crate) errno: i32,
    /// 0, or what the disk has chosen.
    pub(crate) disks_errno: i32,
    pub(crate) number: i64,
    /// Data, or a message.
    pub(crate) bytes: Vec<u8>,
}

/// Asks the client of the test that runs.
///
/// # Errors
/// If no test runs in this process.
pub(crate) fn ask_client(question: &Question<'_>) -> Result<Answered> {
    let ask = nbdkit_script_test_ask.get().ok_or_else(|| {
        Error::new(libc::ENOTSUP, "there is no client: only nbdkit-script-test has one")
    })?;
    let mut bytes = Vec::new();
    let place = ptr::from_mut(&mut bytes).cast();
    let mut reply = Reply { errno: 0, disks_errno: 0, number: 0, place, take };
    // SAFETY: the runner's function, which takes a question and a place for the reply.
    unsafe { ask(ptr::from_ref(question).cast(), ptr::from_mut(&mut reply).cast()) };
    let Reply { errno, disks_errno, number, .. } = reply;
    Ok(Answered { errno, disks_errno, number, bytes })
}
