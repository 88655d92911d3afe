//! A plugin of a few lines, for tests: it notes in which instance a handle was closed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::buffer::{Filled, ReadBuffer};
use crate::error::{Error, Result};
use crate::plugin::ScriptPlugin;

/// The numbers of the instances in which handles were closed, in order.
pub(super) type Closed = Arc<Mutex<Vec<usize>>>;

pub(super) struct Noting {
    pub(super) number: usize,
    fails: bool,
    opened: AtomicUsize,
    closed: Closed,
}

impl Noting {
    /// This many instances. They can be told to fail in `close`.
    pub(super) fn several(count: usize, fails: bool) -> (Vec<Noting>, Closed) {
        let closed = Closed::default();
        let plugin = |number| Noting {
            number,
            fails,
            opened: AtomicUsize::new(0),
            closed: Arc::clone(&closed),
        };
        ((0..count).map(plugin).collect(), closed)
    }
}

#[crate::plugin]
impl ScriptPlugin for Noting {
    const NAME: &'static str = "noting";

    /// No two of an instance are the same.
    type Handle = usize;

    fn load() -> Result<Self> {
        Err(Error::not_defined())
    }

    fn open(&self, _: bool) -> Result<usize> {
        Ok(self.opened.fetch_add(1, Ordering::Relaxed))
    }

    fn close(&self, _: usize) -> Result<()> {
        self.closed.lock().unwrap().push(self.number);
        if self.fails { Err(Error::msg(format!("in {}", self.number))) } else { Ok(()) }
    }

    fn get_size(&self, _: &usize) -> Result<i64> {
        Ok(0)
    }

    fn pread<'request>(
        &self,
        _: &usize,
        buffer: ReadBuffer<'request>,
        _: u64,
    ) -> Result<Filled<'request>> {
        buffer.zeroed(|_| Ok(()))
    }
}
