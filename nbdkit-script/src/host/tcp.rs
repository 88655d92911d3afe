//! Whether a TCP client that sends nothing more still has its socket. TCP itself does not tell: the
//! system of a client that has gone acknowledges everything for a minute. But if that system is
//! this one, it lists all sockets.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, SocketAddr};

/// Whether no process has the other end of a connection between these addresses any more. False if
/// that is on another machine, or in another network namespace.
pub(super) fn is_abandoned(own: SocketAddr, peer: SocketAddr) -> bool {
    // A dual-stack listener accepts connections over IPv4 with mapped addresses.
    let table = match peer.ip().to_canonical() {
        IpAddr::V4(_) => "/proc/self/net/tcp",
        IpAddr::V6(_) => "/proc/self/net/tcp6",
    };
    let wanted = [peer, own].map(listed);
    let Ok(table) = File::open(table) else { return false };
    // The table may be long, so do not hold it in memory.
    let mut lines = BufReader::new(table).lines().map_while(Result::ok);
    lines.any(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let addresses = [fields.next(), fields.next()];
        // The inode is that of the socket's descriptor.
        addresses == wanted.each_ref().map(|address| Some(address.as_str()))
            && fields.nth(6) == Some("0")
    })
}

/// An address as the table has it: each word is a number in the machine's own byte order.
fn listed(address: SocketAddr) -> String {
    let octets = match address.ip().to_canonical() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let (words, _) = octets.as_chunks();
    let words = words.iter().map(|word| format!("{:08X}", u32::from_ne_bytes(*word)));
    format!("{}:{:04X}", words.collect::<String>(), address.port())
}

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_is_abandoned_once_its_client_has_closed_it() {
        for (listens, client) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::", "127.0.0.1")] {
            let listener = TcpListener::bind((listens, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            let client = TcpStream::connect((client, port)).unwrap();
            let (accepted, peer) = listener.accept().unwrap();
            let is_abandoned = || is_abandoned(accepted.local_addr().unwrap(), peer);
            assert!(!is_abandoned());
            client.shutdown(Shutdown::Write).unwrap();
            assert!(!is_abandoned(), "it may wait for a reply");
            drop(client);
            assert!(is_abandoned(), "{listens}");
        }
    }

    #[test]
    fn connections_that_are_not_listed_may_be_anywhere() {
        let [own, peer] = ["192.0.2.1:10809", "[2001:db8::1]:40000"].map(|a| a.parse().unwrap());
        assert!(!is_abandoned(own, peer));
        assert!(!is_abandoned(peer, own));
    }
}
