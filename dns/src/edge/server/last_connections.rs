//! The end of a listening TCP socket, without a client that is turned away.
//!
//! Closing a listening socket resets the connections that the kernel is still setting up for it, also when another
//! process listens at the same address: the kernel has chosen a socket with the first packet. So the socket
//! first takes no further first packets, lives on for as long as a handshake takes, and is closed then. A client whose
//! first packet was ignored sends it again after a second (RFC 6298 §2.1), and the kernel chooses another socket.

use std::time::Duration;

use socket2::{SockFilter, SockRef};
use tokio::net::TcpListener;

/// How long connections that have been begun may take until they are there: more than a round trip, and less than
/// the second after which a client sends its first packet again.
pub(super) const HANDSHAKE: Duration = Duration::from_millis(200);

/// With 1, the kernel moves what it has begun to another socket at the address (Linux 5.14).
const MIGRATION: &str = "/proc/sys/net/ipv4/tcp_migrate_req";

/// Ignores packets with SYN and without ACK. The flags are octet 13 of the TCP header (RFC 9293 §3.1), where the
/// kernel starts a filter of a TCP socket.
fn no_first_packets() -> [SockFilter; 5] {
    [
        SockFilter::new(0x30, 0, 0, 13),       // load the octet
        SockFilter::new(0x54, 0, 0, 0x12),     // keep SYN and ACK
        SockFilter::new(0x15, 0, 1, 0x02),     // SYN alone?
        SockFilter::new(0x06, 0, 0, 0),        // ignore
        SockFilter::new(0x06, 0, 0, u32::MAX), // take
    ]
}

/// Makes a socket begin no more connections, and returns how long those that it has begun should be waited for.
pub(in crate::edge) fn begin_no_more(tcp: &TcpListener) -> Duration {
    if kernel_migrates() {
        return Duration::ZERO;
    }
    if let Err(error) = SockRef::from(tcp).attach_filter(&no_first_packets()) {
        // What comes in at the very end may be reset then.
        tracing::debug!(%error, "a TCP listener that is done still begins connections");
    }
    HANDSHAKE
}

fn kernel_migrates() -> bool {
    std::fs::read_to_string(MIGRATION).is_ok_and(|text| text.trim() == "1")
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use socket2::{Domain, Socket, Type};
    use tokio::net::TcpStream;

    use super::*;

    fn listen(address: &str) -> TcpListener {
        let address: SocketAddr = address.parse().unwrap();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        socket.set_reuse_port(true).unwrap();
        socket.bind(&address.into()).unwrap();
        socket.listen(8).unwrap();
        TcpListener::from_std(socket.into()).unwrap()
    }

    #[tokio::test]
    async fn what_has_begun_comes_and_what_begins_later_goes_to_the_next_socket() {
        let old = listen("127.0.0.1:0");
        let address = old.local_addr().unwrap();
        let early = TcpStream::connect(address).await.unwrap();
        assert_eq!(begin_no_more(&old), HANDSHAKE);
        let late = tokio::spawn(TcpStream::connect(address));
        let (accepted, from) = old.accept().await.unwrap();
        assert_eq!(from, early.local_addr().unwrap());
        // Octets of a connection that is there still come.
        early.writable().await.unwrap();
        assert_eq!(early.try_write(b"x").unwrap(), 1);
        accepted.readable().await.unwrap();
        assert_eq!(accepted.try_read(&mut [0; 2]).unwrap(), 1);
        let new = listen(&address.to_string());
        drop(old);
        let accepted = new.accept().await.unwrap();
        assert_eq!(accepted.1, late.await.unwrap().unwrap().local_addr().unwrap());
    }
}
