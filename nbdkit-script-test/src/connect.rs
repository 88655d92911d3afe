//! How a client connects, and what nbdkit tells it first.

use std::ffi::CString;
use std::sync::Arc;

use nbdkit_script::BlockSize;

use crate::client::Client;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::log;
use crate::peer::Peer;
use crate::served::Served;
use crate::server;
use crate::session::Known;

/// How a client is to connect: see [`Nbdkit::client`](crate::Nbdkit::client).
#[derive(Debug)]
#[must_use = "connect() connects"]
pub struct Connect<'disk> {
    pub(crate) served: &'disk Served,
    pub(crate) export: String,
    pub(crate) tls: bool,
    pub(crate) peer: Peer,
}

impl<'disk> Connect<'disk> {
    /// Chooses the export. Without this, it is the default export, whose name is empty.
    pub fn export(mut self, name: &str) -> Self {
        self.export = name.into();
        self
    }

    /// Tells the plugin that the client uses TLS.
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Chooses the client's address. Without this, the client uses a Unix domain socket in this
    /// process.
    pub fn peer(mut self, peer: impl Into<Peer>) -> Self {
        self.peer = peer.into();
        self
    }

    /// Connects.
    ///
    /// # Errors
    /// Whatever makes nbdkit refuse a client.
    pub fn connect(self) -> Result<Client<'disk>, Failure> {
        let Connect { served, export, tls, peer } = self;
        let refused = |why| Err(Failure::of_setup("connecting", why));
        if server::is_ending() {
            return refused("the server is shutting down");
        }
        log::taken();
        let Ok(name) = CString::new(export) else {
            return refused("the export's name has a NUL byte in it");
        };
        let place = served.place()?;
        let known = Arc::new(Known::new(peer, tls));
        served.plugin().preconnect(&known, served.readonly)?;
        let (connection, block_size) = served.locks.with(|| {
            let table = served.plugin().table();
            let connection = Connection::open(table, known, &name, served.readonly)?;
            let block_size = block_size(&connection)?;
            Ok::<_, Failure>((connection, block_size))
        })?;
        Ok(Client::new(served, place, connection, block_size))
    }
}

/// The block sizes, if nbdkit accepts them.
fn block_size(connection: &Connection<'_>) -> Result<Option<BlockSize>, Failure> {
    let [minimum, preferred, maximum] = connection.block_size()?;
    let refused = |why| Err(Failure::of_setup("block_size", &format!("plugin must set {why}")));
    if [minimum, preferred, maximum] == [0; 3] {
        return Ok(None);
    }
    if !(1..=64 << 10).contains(&minimum) {
        return refused("minimum block size between 1 and 64K");
    }
    if !minimum.is_power_of_two() {
        return refused("minimum block size to a power of 2");
    }
    if !preferred.is_power_of_two() {
        return refused("preferred block size to a power of 2");
    }
    if !(512..=32 << 20).contains(&preferred) {
        return refused("preferred block size between 512 and 32M");
    }
    if maximum != u32::MAX && maximum % minimum != 0 {
        return refused("maximum block size to -1 or a multiple of minimum block size");
    }
    if minimum > preferred || preferred > maximum {
        return refused("minimum block size <= preferred <= maximum");
    }
    Ok(Some(BlockSize { minimum, preferred, maximum }))
}
