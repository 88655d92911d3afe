//! The client that this thread calls the plugin for, and the errno that the plugin set.

use std::cell::{Cell, RefCell};
use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::peer::Peer;

/// What nbdkit knows about a client.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(crate) peer: Peer,
    pub(crate) tls: bool,
    /// Known from `open` on.
    pub(crate) export: OnceLock<CString>,
    /// The plugin has asked nbdkit to disconnect it.
    gone: AtomicBool,
    /// Strings that live as long as the connection.
    interned: Mutex<Vec<CString>>,
}

impl Known {
    pub(crate) fn new(peer: Peer, tls: bool) -> Known {
        Known { peer, tls, ..Known::default() }
    }

    pub(crate) fn disconnect(&self) {
        self.gone.store(true, Ordering::Release);
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    pub(crate) fn intern(&self, text: CString) {
        self.interned.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }
}

#[derive(Debug, Default, Clone)]
struct Current {
    client: Option<Arc<Known>>,
    /// Whether the plugin's `open` has begun: some facts are known only from then on.
    opened: bool,
}

impl Current {
    const NOBODY: Current = Current { client: None, opened: false };
}

thread_local! {
    static CURRENT: RefCell<Current> = const { RefCell::new(Current::NOBODY) };
    static CALLS: Cell<u32> = const { Cell::new(0) };
    static ERROR: Cell<i32> = const { Cell::new(0) };
}

/// While this exists, the thread is calling the plugin, on behalf of a client or of none.
pub(crate) struct Calling {
    outer: Current,
}

impl Calling {
    pub(crate) fn for_nobody() -> Calling {
        Calling::begin(Current::default())
    }

    /// Before `open`.
    pub(crate) fn before_open(client: &Arc<Known>) -> Calling {
        Calling::begin(Current { client: Some(Arc::clone(client)), opened: false })
    }

    pub(crate) fn for_client(client: &Arc<Known>) -> Calling {
        Calling::begin(Current { client: Some(Arc::clone(client)), opened: true })
    }

    fn begin(current: Current) -> Calling {
        CALLS.set(CALLS.get() + 1);
        ERROR.set(0);
        Calling { outer: CURRENT.replace(current) }
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        CURRENT.replace(std::mem::take(&mut self.outer));
        CALLS.set(CALLS.get() - 1);
    }
}

/// Whether this thread is in a plugin's callback.
pub(crate) fn is_calling() -> bool {
    CALLS.try_with(Cell::get).unwrap_or(0) > 0
}

/// The client of this thread, from `preconnect` on.
pub(crate) fn client() -> Option<Arc<Known>> {
    CURRENT.try_with(|current| current.borrow().client.clone()).ok().flatten()
}

/// The client of this thread, from `open` on.
pub(crate) fn opened_client() -> Option<Arc<Known>> {
    let found = |current: &RefCell<Current>| {
        let current = current.borrow();
        current.client.clone().filter(|_| current.opened)
    };
    CURRENT.try_with(found).ok().flatten()
}

/// The errno that the plugin set on this thread; 0 for none.
pub(crate) fn error() -> i32 {
    ERROR.get()
}

/// Sets an errno; 0 clears it.
pub(crate) fn set_error(errno: i32) {
    let _ = ERROR.try_with(|error| error.set(errno));
}
