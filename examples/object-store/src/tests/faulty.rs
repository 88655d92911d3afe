//! A store in memory that fails, slows down, disappears or hangs on request, and counts requests.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult,
    Result,
};
use tokio::time::{Instant, sleep};

use super::until;

/// One server's access to a store. Several can share the same objects: see `beside`.
#[derive(Debug, Default)]
pub struct Faulty {
    objects: Arc<InMemory>,
    requests: Mutex<BTreeMap<&'static str, u64>>,
    /// How many bytes gets have returned.
    pub got: AtomicU64,
    count: AtomicU64,
    /// If `n` is not 0, each `n`th request fails: half of these before they are done, half after.
    pub fails_every: AtomicU64,
    pub failed: AtomicU64,
    pub is_gone: AtomicBool,
    /// Requests are done, but report a failure.
    pub loses_answers: AtomicBool,
    /// How long a put takes, in milliseconds.
    pub slow: AtomicU64,
    /// Whether puts of blocks wait.
    pub holds: AtomicBool,
    pub held: AtomicU64,
    /// Whether lists never end.
    pub lists_hang: AtomicBool,
    /// Whether a create overwrites an existing object.
    pub ignores_conditions: AtomicBool,
}

static NAMED: Mutex<BTreeMap<String, Arc<Faulty>>> = Mutex::new(BTreeMap::new());

/// The store of the address `test://NAME`.
pub fn named(address: &str) -> Option<Arc<dyn ObjectStore>> {
    let faulty = NAMED.lock().unwrap().get(address)?.clone();
    Some(faulty)
}

impl Faulty {
    pub fn new() -> Arc<Faulty> {
        Arc::default()
    }

    /// Another access to the same objects, without faults.
    pub fn beside(&self) -> Arc<Faulty> {
        Arc::new(Faulty { objects: self.objects.clone(), ..Faulty::default() })
    }

    /// A new address for this store.
    pub fn address(self: &Arc<Self>) -> String {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let address = format!("test://{}", COUNT.fetch_add(1, Relaxed));
        NAMED.lock().unwrap().insert(address.clone(), self.clone());
        address
    }

    pub fn requests(&self, what: &str) -> u64 {
        self.requests.lock().unwrap().get(what).copied().unwrap_or_default()
    }

    pub fn all_requests(&self) -> u64 {
        self.requests.lock().unwrap().values().sum()
    }

    /// An object, read without any faults.
    pub fn object(&self, name: &str) -> Option<Vec<u8>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let found = self.objects.get(&Path::from(format!("disk/{name}"))).await.ok()?;
            Some(found.bytes().await.unwrap().to_vec())
        })
    }

    pub fn set(&self, name: &str, data: impl Into<PutPayload>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let name = Path::from(format!("disk/{name}"));
        runtime.block_on(self.objects.put(&name, data.into())).unwrap();
    }

    pub fn remove(&self, name: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.objects.delete(&Path::from(format!("disk/{name}")))).unwrap();
    }

    pub fn remove_all(&self, directory: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let directory = Path::from(format!("disk/{directory}"));
        let names = self.objects.list(Some(&directory)).map_ok(|object| object.location);
        let deleted = self.objects.delete_stream(names.boxed()).try_collect::<Vec<_>>();
        runtime.block_on(deleted).unwrap();
    }

    pub fn wait_for_held(&self, count: u64) {
        until("puts are held", || self.held.load(Relaxed) >= count);
    }

    fn failure(&self, what: &str) -> Error {
        self.failed.fetch_add(1, Relaxed);
        Error::Generic { store: "Faulty", source: format!("no {what} today").into() }
    }

    /// Counts a request, and fails if it is to fail before it is done. Returns whether it is to
    /// fail afterwards.
    fn begin(&self, what: &'static str) -> Result<bool> {
        *self.requests.lock().unwrap().entry(what).or_default() += 1;
        let every = self.fails_every.load(Relaxed);
        let number = self.count.fetch_add(1, Relaxed);
        let fails = every > 0 && number % every == every - 1;
        let after = (number / every.max(1)).is_multiple_of(2);
        if self.is_gone.load(Relaxed) || fails && !after {
            return Err(self.failure(what));
        }
        Ok(fails || self.loses_answers.load(Relaxed))
    }
}

impl Display for Faulty {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        write!(to, "Faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        mut options: PutOptions,
    ) -> Result<PutResult> {
        let creates = options.mode == PutMode::Create;
        let what = if creates { "create" } else { "put" };
        let fails = self.begin(what)?;
        if location.as_ref().contains("blocks") {
            sleep(Duration::from_millis(self.slow.load(Relaxed))).await;
            if self.holds.load(Relaxed) {
                self.held.fetch_add(1, Relaxed);
                // Not for ever, so that a failed test ends.
                let end = Instant::now() + Duration::from_secs(60);
                while self.holds.load(Relaxed) && Instant::now() < end {
                    sleep(Duration::from_millis(1)).await;
                }
            }
        }
        if self.ignores_conditions.load(Relaxed) {
            options.mode = PutMode::Overwrite;
        }
        if self.is_gone.load(Relaxed) {
            return Err(self.failure(what));
        }
        let done = self.objects.put_opts(location, payload, options).await;
        if fails { Err(self.failure(what)) } else { done }
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let fails = self.begin("get")?;
        let found = self.objects.get_opts(location, options).await;
        if let Ok(found) = &found {
            self.got.fetch_add(found.range.end - found.range.start, Relaxed);
        }
        if fails { Err(self.failure("get")) } else { found }
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        match self.begin("delete") {
            Err(failure) => stream::iter([Err(failure)]).boxed(),
            Ok(true) => {
                let failure = Some(self.failure("delete"));
                let deleted = self.objects.delete_stream(locations);
                let failed = deleted.map({
                    let mut failure = failure;
                    move |done| failure.take().map_or(done, Err)
                });
                failed.boxed()
            }
            Ok(false) => self.objects.delete_stream(locations),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.begin("list") {
            _ if self.lists_hang.load(Relaxed) => stream::pending().boxed(),
            Ok(false) => self.objects.list(prefix),
            Ok(true) => stream::iter([Err(self.failure("list"))]).boxed(),
            Err(failure) => stream::iter([Err(failure)]).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.objects.list_with_delimiter(prefix).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(location, options).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}
