//! A dictionary with atomic operations that behave like the operations of OpenResty's
//! `ngx.shared.DICT` with the same names.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::memory;
use crate::values::{Number, float};

/// The value of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Bytes.
    String(Vec<u8>),
    /// A number.
    Number(Number),
    /// A boolean.
    Boolean(bool),
}

/// Adds two numbers. The sum of integers is exact as long as it fits into 64 bits.
fn sum(a: Number, b: Number) -> Number {
    if let (Number::Integer(a), Number::Integer(b)) = (a, b)
        && let Some(sum) = a.checked_add(b)
    {
        return Number::Integer(sum);
    }
    Number::Float(float(a) + float(b))
}

#[derive(Debug)]
enum Content {
    One(Value),
    List(VecDeque<Value>),
}

#[derive(Debug)]
struct Entry {
    content: Content,
    expires: Option<Instant>,
}

impl Entry {
    fn new(content: Content, lives: Option<Duration>) -> Self {
        Entry { content, expires: lives.and_then(|lives| Instant::now().checked_add(lives)) }
    }

    fn has_expired(&self) -> bool {
        self.expires.is_some_and(|expires| expires <= Instant::now())
    }
}

/// Why an operation did nothing, in the words of `ngx.shared.DICT`.
pub type Refusal = &'static str;

/// There is no memory for a new value. Existing ones are unchanged.
pub const NO_MEMORY: Refusal = "no memory";

const EXISTS: Refusal = "exists";
const NOT_FOUND: Refusal = "not found";
const NOT_A_NUMBER: Refusal = "not a number";
const NOT_A_LIST: Refusal = "value not a list";
const A_LIST: Refusal = "value is a list";

/// Keys and values that all instances share. Each operation is atomic.
///
/// ```
/// use nbdkit_script::script::Number;
/// use nbdkit_script::script::store::{Dictionary, Value};
/// let dictionary = Dictionary::default();
/// let one = Number::Integer(1);
/// assert_eq!(dictionary.increment(b"hits", one, None), Err("not found"));
/// assert_eq!(dictionary.increment(b"hits", one, Some(Number::Integer(0))), Ok(one));
/// assert_eq!(dictionary.get(b"hits"), Ok(Some(Value::Number(one))));
/// ```
#[derive(Debug, Default)]
pub struct Dictionary {
    entries: Mutex<HashMap<Vec<u8>, Entry>>,
}

type Entries<'a> = MutexGuard<'a, HashMap<Vec<u8>, Entry>>;

/// Inserts an entry. Before the map grows, expired entries make room.
fn insert(entries: &mut HashMap<Vec<u8>, Entry>, key: &[u8], entry: Entry) -> Result<(), Refusal> {
    has_memory()?;
    if let Some(old) = entries.get_mut(key) {
        *old = entry;
        return Ok(());
    }
    if entries.len() == entries.capacity() {
        entries.retain(|_, entry| !entry.has_expired());
    }
    let key = copied(key)?;
    entries.try_reserve(1).map_err(|_| NO_MEMORY)?;
    entries.insert(key, entry);
    Ok(())
}

/// Checks that there is memory for a new value.
fn has_memory() -> Result<(), Refusal> {
    memory::check().map_err(|_| NO_MEMORY)
}

fn copied(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    memory::copied(bytes, "").map_err(|_| NO_MEMORY)
}

fn copy_of(value: &Value) -> Result<Value, Refusal> {
    Ok(match value {
        Value::String(bytes) => Value::String(copied(bytes)?),
        value => value.clone(),
    })
}

impl Dictionary {
    fn lock(&self) -> Entries<'_> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks, and removes the key if it has expired.
    fn lock_for(&self, key: &[u8]) -> Entries<'_> {
        let mut entries = self.lock();
        if entries.get(key).is_some_and(Entry::has_expired) {
            entries.remove(key);
        }
        entries
    }

    /// The value of a key, if there is one.
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>, Refusal> {
        match self.lock_for(key).get(key).map(|entry| &entry.content) {
            None => Ok(None),
            Some(Content::One(value)) => copy_of(value).map(Some),
            Some(Content::List(_)) => Err(A_LIST),
        }
    }

    /// Sets the value of a key, or removes the key if `value` is `None`. The key expires after
    /// `lives`; without it, never.
    pub fn set(
        &self,
        key: &[u8],
        value: Option<Value>,
        lives: Option<Duration>,
    ) -> Result<(), Refusal> {
        let mut entries = self.lock();
        match value {
            None => {
                entries.remove(key);
                Ok(())
            }
            Some(value) => insert(&mut entries, key, Entry::new(Content::One(value), lives)),
        }
    }

    /// Sets the value of a key that does not exist yet. See [`set`](Dictionary::set).
    pub fn add(&self, key: &[u8], value: Value, lives: Option<Duration>) -> Result<(), Refusal> {
        let mut entries = self.lock_for(key);
        if entries.contains_key(key) {
            return Err(EXISTS);
        }
        insert(&mut entries, key, Entry::new(Content::One(value), lives))
    }

    /// Sets the value of a key that exists. See [`set`](Dictionary::set).
    pub fn replace(
        &self,
        key: &[u8],
        value: Value,
        lives: Option<Duration>,
    ) -> Result<(), Refusal> {
        match self.lock_for(key).get_mut(key) {
            None => Err(NOT_FOUND),
            Some(entry) => {
                has_memory()?;
                *entry = Entry::new(Content::One(value), lives);
                Ok(())
            }
        }
    }

    /// Adds to a number, which starts at `initial` if the key does not exist. Returns the sum.
    pub fn increment(
        &self,
        key: &[u8],
        by: Number,
        initial: Option<Number>,
    ) -> Result<Number, Refusal> {
        let mut entries = self.lock_for(key);
        match entries.get_mut(key).map(|entry| &mut entry.content) {
            Some(Content::One(Value::Number(number))) => {
                *number = sum(*number, by);
                Ok(*number)
            }
            Some(_) => Err(NOT_A_NUMBER),
            None => {
                let sum = sum(initial.ok_or(NOT_FOUND)?, by);
                let content = Content::One(Value::Number(sum));
                insert(&mut entries, key, Entry::new(content, None)).map(|()| sum)
            }
        }
    }

    /// Adds a value to the front or the back of a list. Returns the list's length.
    pub fn push(&self, key: &[u8], value: Value, front: bool) -> Result<usize, Refusal> {
        let mut entries = self.lock_for(key);
        let push = |list: &mut VecDeque<Value>| {
            has_memory()?;
            list.try_reserve(1).map_err(|_| NO_MEMORY)?;
            if front {
                list.push_front(value)
            } else {
                list.push_back(value)
            }
            Ok(list.len())
        };
        match entries.get_mut(key).map(|entry| &mut entry.content) {
            Some(Content::List(list)) => push(list),
            Some(Content::One(_)) => Err(NOT_A_LIST),
            None => {
                let mut list = VecDeque::new();
                let length = push(&mut list)?;
                insert(&mut entries, key, Entry::new(Content::List(list), None)).map(|()| length)
            }
        }
    }

    /// Removes a value from the front or the back of a list. The key goes with the last value.
    pub fn pop(&self, key: &[u8], front: bool) -> Result<Option<Value>, Refusal> {
        let mut entries = self.lock_for(key);
        let (value, left) = match entries.get_mut(key).map(|entry| &mut entry.content) {
            None => return Ok(None),
            Some(Content::One(_)) => return Err(NOT_A_LIST),
            Some(Content::List(list)) => {
                let value = if front { list.pop_front() } else { list.pop_back() };
                (value, list.len())
            }
        };
        if left == 0 {
            entries.remove(key);
        }
        Ok(value)
    }

    /// The length of a list; 0 if the key does not exist.
    pub fn length(&self, key: &[u8]) -> Result<usize, Refusal> {
        match self.lock_for(key).get(key).map(|entry| &entry.content) {
            None => Ok(0),
            Some(Content::One(_)) => Err(NOT_A_LIST),
            Some(Content::List(list)) => Ok(list.len()),
        }
    }

    /// How long until a key expires; `None` if it never does.
    pub fn time_to_live(&self, key: &[u8]) -> Result<Option<Duration>, Refusal> {
        let entries = self.lock_for(key);
        let entry = entries.get(key).ok_or(NOT_FOUND)?;
        Ok(entry.expires.map(|expires| expires.saturating_duration_since(Instant::now())))
    }

    /// Makes a key expire after `lives` from now, or never.
    pub fn expire(&self, key: &[u8], lives: Option<Duration>) -> Result<(), Refusal> {
        let mut entries = self.lock_for(key);
        let entry = entries.get_mut(key).ok_or(NOT_FOUND)?;
        entry.expires = lives.and_then(|lives| Instant::now().checked_add(lives));
        Ok(())
    }

    /// Up to `most` existing keys, in no particular order.
    pub fn keys(&self, most: usize) -> Result<Vec<Vec<u8>>, Refusal> {
        let entries = self.lock();
        let live = entries.iter().filter(|(_, entry)| !entry.has_expired());
        let mut keys = Vec::new();
        keys.try_reserve_exact(most.min(entries.len())).map_err(|_| NO_MEMORY)?;
        for (key, _) in live.take(most) {
            has_memory()?;
            keys.push(copied(key)?);
        }
        Ok(keys)
    }

    /// Removes all keys.
    pub fn clear(&self) {
        self.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::String(text.into())
    }

    #[test]
    fn add_and_replace() {
        let dictionary = Dictionary::default();
        assert_eq!(dictionary.replace(b"k", text("a"), None), Err("not found"));
        assert_eq!(dictionary.add(b"k", text("a"), None), Ok(()));
        assert_eq!(dictionary.add(b"k", text("b"), None), Err("exists"));
        assert_eq!(dictionary.replace(b"k", text("c"), None), Ok(()));
        assert_eq!(dictionary.get(b"k"), Ok(Some(text("c"))));
        dictionary.set(b"k", None, None).unwrap();
        assert_eq!(dictionary.get(b"k"), Ok(None));
    }

    #[test]
    fn an_expired_key_does_not_exist() {
        let dictionary = Dictionary::default();
        dictionary.set(b"k", Some(text("a")), Some(Duration::ZERO)).unwrap();
        assert_eq!(dictionary.get(b"k"), Ok(None));
        assert_eq!(dictionary.time_to_live(b"k"), Err("not found"));
        dictionary.set(b"k", Some(text("a")), Some(Duration::from_secs(1000))).unwrap();
        assert!(dictionary.time_to_live(b"k").unwrap().unwrap() > Duration::from_secs(900));
        assert_eq!(dictionary.expire(b"k", None), Ok(()));
        assert_eq!(dictionary.time_to_live(b"k"), Ok(None));
    }

    #[test]
    fn expired_keys_make_room() {
        let dictionary = Dictionary::default();
        for number in 0..100_000_u32 {
            let key = number.to_le_bytes();
            dictionary.set(&key, Some(text("x")), Some(Duration::ZERO)).unwrap();
        }
        assert!(dictionary.lock().len() < 1000);
    }

    #[test]
    fn lists() {
        let dictionary = Dictionary::default();
        assert_eq!(dictionary.push(b"l", text("b"), false), Ok(1));
        assert_eq!(dictionary.push(b"l", text("a"), true), Ok(2));
        assert_eq!(dictionary.get(b"l"), Err("value is a list"));
        assert_eq!(dictionary.pop(b"l", true), Ok(Some(text("a"))));
        assert_eq!(dictionary.pop(b"l", true), Ok(Some(text("b"))));
        assert_eq!(dictionary.length(b"l"), Ok(0));
        assert_eq!(dictionary.pop(b"l", false), Ok(None));
        dictionary.set(b"v", Some(text("x")), None).unwrap();
        assert_eq!(dictionary.push(b"v", text("y"), true), Err("value not a list"));
    }

    #[test]
    fn numbers() {
        let dictionary = Dictionary::default();
        let (one, most) = (Number::Integer(1), Number::Integer(i64::MAX));
        assert_eq!(dictionary.increment(b"n", one, Some(most)), Ok(Number::Float(2f64.powi(63))));
        dictionary.set(b"s", Some(text("x")), None).unwrap();
        assert_eq!(dictionary.increment(b"s", one, None), Err("not a number"));
    }

    #[test]
    fn increments_from_many_threads_are_all_counted() {
        let dictionary = &Dictionary::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(move || {
                    for _ in 0..1000 {
                        let _ = dictionary.increment(
                            b"n",
                            Number::Integer(1),
                            Some(Number::Integer(0)),
                        );
                    }
                });
            }
        });
        assert_eq!(dictionary.get(b"n"), Ok(Some(Value::Number(Number::Integer(4000)))));
    }
}
