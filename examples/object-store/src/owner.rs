//! Who may write: one server at a time.
//!
//! Each writer creates the object `writers/N`, where N is one more than any before, and is the
//! writer as long as no higher number exists. The store has to guarantee two things: if two servers
//! create the same object, one of them fails; and a list shows what has been put.
//!
//! Before it puts or reads anything, a writer checks again, unless it has checked recently: within
//! the lease for a read, within a third of it for a put. No put outlasts the lease. A server that
//! takes over waits for the old lease to end; by then no put of the old writer is under way.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::OnceLock;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nbdkit_script::{Error, Result, errno};
use tokio::time::{Instant, sleep, timeout_at};

use crate::manifest::fields;
use crate::store::Store;

const DIRECTORY: &str = "writers";
const RIVAL: &str = "another server has just become the writer of this disk";

/// A server's claim to be the only writer.
#[derive(Debug)]
pub struct Owner {
    store: Store,
    number: u64,
    record: String,
    lease: Duration,
    /// When `number` was last known to be the highest.
    seen: Mutex<Moment>,
    /// One request checks with the store; the others wait for its result. Holds the last failure.
    looking: tokio::sync::Mutex<Option<(Instant, Error)>>,
    lost: OnceLock<String>,
}

/// A moment on two clocks: the first one stops while the machine is suspended, and somebody may set
/// the second.
#[derive(Clone, Copy, Debug)]
struct Moment {
    instant: Instant,
    wall: SystemTime,
}

impl Moment {
    fn now() -> Moment {
        Moment { instant: Instant::now(), wall: SystemTime::now() }
    }

    fn age(self) -> Duration {
        self.instant.elapsed().max(self.wall.elapsed().unwrap_or_default())
    }
}

/// The number of the latest writer; 0 if there has been none.
async fn highest(store: &Store) -> Result<u64> {
    Ok(highest_of(&store.list(DIRECTORY).await?))
}

fn highest_of(names: &[String]) -> u64 {
    names.iter().filter_map(|name| name.parse().ok()).max().unwrap_or(0)
}

/// The number of the latest writer, and its record unless it has released the disk.
async fn writer(store: &Store) -> Result<(u64, Option<Record>)> {
    loop {
        let number = highest(store).await?;
        if number == 0 {
            return Ok((0, None));
        }
        // Try again if it is gone: a newer writer has deleted it.
        if let Some(text) = store.get(&name(number)).await? {
            let record = Record(fields(&text));
            return Ok((number, Some(record).filter(|record| record.get("released") != "yes")));
        }
    }
}

fn name(number: u64) -> String {
    format!("{DIRECTORY}/{number:020}")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// What a writer says about itself in its object.
struct Record(BTreeMap<String, String>);

impl Record {
    fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("?", String::as_str)
    }

    fn lease(&self) -> Duration {
        Duration::from_millis(self.get("lease").parse().unwrap_or(30_000))
    }
}

impl Display for Record {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let age = now().saturating_sub(self.get("since").parse().unwrap_or_default());
        let (host, process) = (self.get("host"), self.get("process"));
        write!(to, "a server on {host}, process {process}, which began {age} s ago")
    }
}

fn in_use(record: &Record) -> Error {
    let message = format!(
        "the disk is in use by {record}; if that server is gone for good, takeover=true takes the \
         disk from it; readonly=true reads beside it"
    );
    Error::new(errno::EBUSY, message)
}

/// Fails if there is a writer. Call this before nbdkit goes to the background: an error from
/// `claim`, which comes later, may not reach the user.
pub async fn look(store: &Store) -> Result<()> {
    writer(store).await?.1.map_or(Ok(()), |record| Err(in_use(&record)))
}

impl Owner {
    /// Becomes the writer, if there is none or `takeover` is set.
    pub async fn claim(store: Store, lease: Duration, takeover: bool) -> Result<Owner> {
        let (before, old) = writer(&store).await?;
        if let Some(record) = old.as_ref().filter(|_| !takeover) {
            return Err(in_use(record));
        }
        let number = before + 1;
        // The next writer may take over while this one still waits, and has to wait as long.
        let old_lease = old.as_ref().map(Record::lease);
        let record = format!(
            "id {:016x}\nhost {}\nprocess {}\nsince {}\nlease {}\n",
            RandomState::new().build_hasher().finish(),
            std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim(),
            std::process::id(),
            now(),
            old_lease.unwrap_or_default().max(lease).as_millis(),
        );
        // If the answer was lost and the request retried, the object exists, with our record.
        let created = store.create(&name(number), record.clone()).await?;
        if !created && store.get(&name(number)).await?.as_deref() != Some(record.as_bytes()) {
            return Err(Error::new(errno::EBUSY, RIVAL));
        }
        if store.create(&name(number), record.clone()).await? {
            let message = "this store puts an object that must be new although it is there: two \
                           writers could not be told apart";
            return Err(Error::invalid(message));
        }
        // A server with an old list may create a low number that a newer writer has deleted.
        let names = store.list(DIRECTORY).await?;
        if highest_of(&names) != number {
            store.delete(&name(number)).await?;
            return Err(Error::new(errno::EBUSY, RIVAL));
        }
        for old in names {
            if old.parse().is_ok_and(|old: u64| old < number) {
                store.delete(&format!("{DIRECTORY}/{old}")).await?;
            }
        }
        if let Some((old, old_lease)) = old.zip(old_lease) {
            tracing::info!("{old_lease:?} until nothing more is put by {old}");
            sleep(old_lease).await;
        }
        let owner = Owner {
            store,
            number,
            record,
            lease,
            seen: Mutex::new(Moment::now()),
            looking: tokio::sync::Mutex::default(),
            lost: OnceLock::new(),
        };
        // Another server may have taken over during the wait.
        owner.see(Duration::ZERO).await?;
        Ok(owner)
    }

    /// Whether another server has taken over.
    pub fn is_lost(&self) -> bool {
        self.lost.get().is_some()
    }

    /// Fails if another server may have begun to write: the blocks in memory would be stale.
    pub async fn for_reading(&self) -> Result<()> {
        self.see(self.lease).await.map(drop)
    }

    /// Returns the time by which a put has to end, usually at least two thirds of the lease away.
    pub async fn for_writing(&self) -> Result<Instant> {
        self.see(self.lease / 3).await
    }

    /// Returns the end of the lease. Checks with the store if the last check is older than `age`.
    async fn see(&self, age: Duration) -> Result<Instant> {
        if let Some(lost) = self.lost.get() {
            return Err(Error::msg(lost));
        }
        let known = || {
            let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            (seen.age() < age).then(|| seen.instant + self.lease)
        };
        if let Some(end) = known() {
            return Ok(end);
        }
        let asked = Instant::now();
        let mut looking = self.looking.lock().await;
        if let Some(end) = known() {
            return Ok(end);
        }
        if let Some((failed, error)) = &*looking
            && *failed >= asked
        {
            return Err(error.clone());
        }
        let began = Moment::now();
        let end = began.instant + self.lease;
        let looked = timeout_at(end, highest(&self.store)).await;
        let highest = looked.unwrap_or_else(|_| Err("the store does not say who writes".into()));
        if let Err(error) = &highest {
            *looking = Some((Instant::now(), error.clone()));
        }
        if highest? != self.number {
            let by = writer(&self.store).await.ok().and_then(|(_, record)| record);
            let by = by.map_or("another server".to_owned(), |record| record.to_string());
            let message = format!(
                "the disk was taken over by {by}; this one writes nothing more, and what was not \
                 flushed is lost"
            );
            return Err(Error::msg(self.lost.get_or_init(|| message)));
        }
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = began;
        Ok(end)
    }

    /// Records that this writer is done, so that the next one need not take over.
    pub async fn release(&self) -> Result<()> {
        self.see(Duration::ZERO).await?;
        self.store.put(&name(self.number), format!("{}released yes\n", self.record)).await
    }
}
