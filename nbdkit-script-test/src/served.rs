//! A plugin while it is served: what its clients share.

use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, ThreadId};

use nbdkit_script::ThreadModel;

use crate::failure::Failure;
use crate::locks::{Locks, SharedPlugin};
use crate::plugin::Plugin;

#[derive(Debug)]
pub(crate) struct Served {
    plugin: SharedPlugin,
    pub(crate) locks: Locks,
    pub(crate) readonly: bool,
    /// The thread whose client is connected, if there can be only one.
    connected: Mutex<Option<ThreadId>>,
    left: Condvar,
}

impl Served {
    pub(crate) fn new(plugin: Plugin, readonly: bool) -> Served {
        let locks = Locks::new(&plugin);
        let plugin = SharedPlugin::new(plugin);
        Served { plugin, locks, readonly, connected: Mutex::default(), left: Condvar::new() }
    }

    pub(crate) fn plugin(&self) -> &Plugin {
        self.plugin.get()
    }

    /// Waits until a client may connect.
    pub(crate) fn place(&self) -> Result<Place<'_>, Failure> {
        if self.plugin().thread_model() > ThreadModel::SerializeConnections {
            return Ok(Place { of: None });
        }
        let own = thread::current().id();
        let mut connected = self.connected.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(other) = *connected {
            if other == own {
                return Err(Failure::of_setup(
                    "connecting",
                    "this thread has a client already, for which nbdkit would let this one wait: \
                     the thread model is serialize_connections",
                ));
            }
            connected = self.left.wait(connected).unwrap_or_else(PoisonError::into_inner);
        }
        *connected = Some(own);
        Ok(Place { of: Some(self) })
    }
}

/// Permission to be connected.
#[derive(Debug)]
pub(crate) struct Place<'disk> {
    of: Option<&'disk Served>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(disk) = self.of {
            *disk.connected.lock().unwrap_or_else(PoisonError::into_inner) = None;
            disk.left.notify_one();
        }
    }
}
