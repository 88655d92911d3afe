//! Which TCP clients that send nothing more have closed their sockets. TCP itself does not tell:
//! the system of a client that has gone acknowledges everything for a minute. But the system lists
//! all sockets of the network namespace that the server is in.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A connection as the server sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection {
    pub(super) own: SocketAddr,
    pub(super) peer: SocketAddr,
    /// The inode of the server's socket.
    pub(super) inode: libc::ino_t,
}

/// A line of the list.
struct Listed {
    own: SocketAddr,
    peer: SocketAddr,
    state: u8,
    /// 0 if no process has the socket.
    inode: libc::ino_t,
}

/// Whether the client of each connection has closed its socket. False for a client whose socket is
/// not listed: it may be on another machine or in another network namespace.
pub(super) fn are_abandoned(connections: &[Connection]) -> Vec<bool> {
    if connections.is_empty() {
        return Vec::new();
    }
    // For each connection, whether both of its sockets are as they are when it is abandoned.
    let mut found = vec![(false, false); connections.len()];
    let ends = |own: SocketAddr, peer: SocketAddr| (canonical(own), canonical(peer));
    let numbered = connections.iter().enumerate();
    // Not a `HashMap`, which has a thread local: the watcher's thread must not use the first one
    // when there is no memory left.
    let wanted: BTreeMap<_, _> =
        numbered.map(|(number, wanted)| (ends(wanted.own, wanted.peer), number)).collect();
    for listed in ["/proc/self/net/tcp", "/proc/self/net/tcp6"].into_iter().flat_map(list) {
        // The same addresses may be in use in another namespace, so look at our own socket too.
        if let Some(&number) = wanted.get(&ends(listed.own, listed.peer)) {
            found[number].0 |= listed.inode == connections[number].inode;
        }
        if let Some(&number) = wanted.get(&ends(listed.peer, listed.own)) {
            found[number].1 |= listed.inode == 0 && CLOSED.contains(&listed.state);
        }
    }
    found.into_iter().map(|(own, peer)| own && peer).collect()
}

/// `TCP_FIN_WAIT1` and `TCP_FIN_WAIT2`: the states of a socket that its process has closed, while
/// the other end is still open.
const CLOSED: [u8; 2] = [4, 5];

fn list(table: &str) -> impl Iterator<Item = Listed> {
    let lines = File::open(table).ok().map(|table| BufReader::new(table).lines());
    lines.into_iter().flatten().map_while(Result::ok).filter_map(|line| parse(&line))
}

fn parse(line: &str) -> Option<Listed> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    Some(Listed {
        own: address(fields.next()?)?,
        peer: address(fields.next()?)?,
        state: u8::from_str_radix(fields.next()?, 16).ok()?,
        inode: fields.nth(5)?.parse().ok()?,
    })
}

/// An address, of which each word is a number in the machine's own byte order.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let mut octets = [0; 16];
    let words = ip.len() / 8;
    for (word, octets) in octets.chunks_mut(4).take(words).enumerate() {
        let word = u32::from_str_radix(ip.get(word * 8..word * 8 + 8)?, 16).ok()?;
        octets.copy_from_slice(&word.to_ne_bytes());
    }
    let ip = match words {
        1 => Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]).into(),
        _ => IpAddr::from(Ipv6Addr::from(octets)),
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

/// One end of a connection over IPv4 may be a socket for IPv6, which has a mapped address. The list
/// has no scopes.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::super::descriptors::descriptor;
    use super::*;

    fn connection(accepted: &TcpStream) -> Connection {
        Connection {
            own: accepted.local_addr().unwrap(),
            peer: accepted.peer_addr().unwrap(),
            inode: descriptor(accepted.as_raw_fd()).unwrap().file.1,
        }
    }

    #[test]
    fn a_connection_is_abandoned_once_its_client_has_closed_it() {
        for (listens, client) in [
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1", "::ffff:127.0.0.1"),
            ("::1", "::1"),
            ("::", "127.0.0.1"),
        ] {
            // Not every machine has IPv6.
            let Ok(listener) = TcpListener::bind((listens, 0)) else {
                assert!(listens.contains(':'));
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            let connect = || {
                let client = TcpStream::connect((client, port)).unwrap();
                (client, listener.accept().unwrap().0)
            };
            let ((client, accepted), (_other, other)) = (connect(), connect());
            let connections = [&accepted, &other].map(connection);
            let are_abandoned = || are_abandoned(&connections);
            assert_eq!(are_abandoned(), [false; 2]);
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(are_abandoned(), [false; 2], "it may wait for a reply");
            drop(client);
            // A process that another test has just forked may still have the client's socket.
            while are_abandoned() != [true, false] {
                std::thread::yield_now();
            }
            let elsewhere = Connection { inode: connections[0].inode + 1, ..connections[0] };
            assert_eq!(super::are_abandoned(&[elsewhere]), [false]);
        }
    }

    #[test]
    fn connections_that_are_not_listed_may_be_anywhere() {
        let [own, peer] = ["192.0.2.1:10809", "[2001:db8::1]:40000"].map(|a| a.parse().unwrap());
        assert_eq!(are_abandoned(&[Connection { own, peer, inode: 1 }]), [false]);
        assert_eq!(are_abandoned(&[]), []);
    }

    #[test]
    fn lines_of_the_list() {
        let line = "   1: 0100007F:2A39 0100007F:E6F8 05 00000000:00000000 03:00001729 00000000   \
                    0        0 0 3 0000000000000000";
        let listed = parse(line).unwrap();
        let addresses = ["127.0.0.1:10809", "127.0.0.1:59128"].map(|a| a.parse().unwrap());
        if cfg!(target_endian = "little") {
            assert_eq!([listed.own, listed.peer], addresses);
        }
        assert_eq!((listed.state, listed.inode), (5, 0));
        let heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt";
        assert!(parse(heading).is_none() && parse("").is_none());
    }
}
