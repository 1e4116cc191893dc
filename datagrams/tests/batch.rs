//! Batches on real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use portolan_datagrams::{BATCH, Batch, LONGEST, Wait};
use socket2::SockRef;

/// Returns a socket that tells where datagrams were sent to, and gives up waiting.
fn server(address: &str) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    let is_ipv6 = socket.local_addr().unwrap().is_ipv6();
    let fd = socket.as_fd();
    if is_ipv6 {
        nix::sys::socket::setsockopt(&fd, nix::sys::socket::sockopt::Ipv6RecvPacketInfo, &true)
    } else {
        nix::sys::socket::setsockopt(&fd, nix::sys::socket::sockopt::Ipv4PacketInfo, &true)
    }
    .unwrap();
    nix::sys::socket::setsockopt(&fd, nix::sys::socket::sockopt::RxqOvfl, &1).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket
}

fn client(address: &str, to: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    socket.connect(to).unwrap();
    socket
}

/// Answers every datagram of the batch with its own octets, backwards.
fn answer_backwards(batch: &mut Batch, received: usize, server: &UdpSocket) {
    for number in 0..received {
        let (datagram, reply) = batch.datagram(number).unwrap();
        reply.clear();
        reply.extend(datagram.message.iter().rev());
        batch.queue(number);
    }
    batch.send(server.as_fd(), |to, error| panic!("{to}: {error}"));
}

#[test]
fn each_client_gets_the_reply_to_its_own_datagram_from_where_it_asked() {
    for (any, host) in [("0.0.0.0:0", "127.0.0.7"), ("[::]:0", "::1"), ("[::]:0", "127.0.0.9")] {
        let server = server(any);
        let asked = SocketAddr::new(host.parse().unwrap(), server.local_addr().unwrap().port());
        let own = if asked.is_ipv4() { "127.0.0.1:0" } else { "[::1]:0" };
        let clients: Vec<UdpSocket> = (0..5).map(|_| client(own, asked)).collect();
        for (number, client) in clients.iter().enumerate() {
            client.send(format!("question {number}").as_bytes()).unwrap();
        }
        let mut batch = Batch::default();
        let mut seen = 0;
        while seen < clients.len() {
            let received = batch.receive(server.as_fd(), Wait::ForOne).unwrap();
            let (datagram, _) = batch.datagram(0).unwrap();
            assert_eq!(datagram.to.unwrap().to_canonical(), asked.ip(), "{any}");
            assert!(
                clients
                    .iter()
                    .any(|client| { client.local_addr().unwrap().port() == datagram.from.port() })
            );
            answer_backwards(&mut batch, received, &server);
            seen += received;
        }
        for (number, client) in clients.iter().enumerate() {
            let mut buffer = [0; 100];
            // A connected socket takes only what comes from its peer.
            let length = client.recv(&mut buffer).unwrap();
            let expected: String = format!("question {number}").chars().rev().collect();
            assert_eq!(&buffer[..length], expected.as_bytes());
        }
    }
}

#[test]
fn more_than_a_batch_comes_in_two() {
    let server = server("127.0.0.1:0");
    let client = client("127.0.0.1:0", server.local_addr().unwrap());
    for number in 0..=BATCH {
        client.send(&[u8::try_from(number).unwrap()]).unwrap();
    }
    let mut batch = Batch::default();
    assert_eq!(batch.receive(server.as_fd(), Wait::No).unwrap(), BATCH);
    assert_eq!(batch.datagram(BATCH - 1).unwrap().0.message, [u8::try_from(BATCH - 1).unwrap()]);
    assert_eq!(batch.receive(server.as_fd(), Wait::No).unwrap(), 1);
    assert!(batch.datagram(1).is_none(), "what was there before is gone");
    let error = batch.receive(server.as_fd(), Wait::No).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    assert!(batch.datagram(0).is_none());
}

#[test]
fn the_longest_datagram_is_cut_and_the_shortest_is_whole() {
    let server = server("127.0.0.1:0");
    let client = client("127.0.0.1:0", server.local_addr().unwrap());
    let long: Vec<u8> = (0..65_507u32).map(|number| (number % 251) as u8).collect();
    let mut batch = Batch::default();
    for message in [&long[..], &[]] {
        client.send(message).unwrap();
        assert_eq!(batch.receive(server.as_fd(), Wait::ForOne).unwrap(), 1);
        assert!(batch.datagram(0).unwrap().0.message == &message[..message.len().min(LONGEST)]);
    }
}

#[test]
fn a_reply_that_cannot_be_sent_harms_no_other() {
    let server = server("127.0.0.1:0");
    let client = client("127.0.0.1:0", server.local_addr().unwrap());
    for _ in 0..3 {
        client.send(b"x").unwrap();
    }
    let mut batch = Batch::default();
    assert_eq!(batch.receive(server.as_fd(), Wait::ForOne).unwrap(), 3);
    for (number, length) in [(0, 1), (1, 70_000), (2, 3)] {
        let (_, reply) = batch.datagram(number).unwrap();
        reply.clear();
        reply.resize(length, 0);
        batch.queue(number);
    }
    let mut failed = Vec::new();
    batch.send(server.as_fd(), |to, error| failed.push((to, error.raw_os_error())));
    let too_long = Some(nix::errno::Errno::EMSGSIZE as i32);
    assert_eq!(failed, [(client.local_addr().unwrap(), too_long)]);
    let mut buffer = [0; 100];
    assert_eq!([1, 3].map(|_| client.recv(&mut buffer).unwrap()), [1, 3]);
}

#[test]
fn what_the_kernel_dropped_is_counted() {
    let server = server("127.0.0.1:0");
    SockRef::from(&server).set_recv_buffer_size(4096).unwrap();
    let client = client("127.0.0.1:0", server.local_addr().unwrap());
    let mut batch = Batch::default();
    for _ in 0..1000 {
        client.send(&[0; 100]).unwrap();
    }
    let mut kept = 0;
    while let Ok(received) = batch.receive(server.as_fd(), Wait::No) {
        kept += received;
    }
    assert!(kept < 1000, "the buffer holds few of them");
    // The next one tells of those before.
    client.send(b"after").unwrap();
    batch.receive(server.as_fd(), Wait::ForOne).unwrap();
    let dropped = batch.datagram(0).unwrap().0.dropped.unwrap();
    assert_eq!(usize::try_from(dropped).unwrap() + kept, 1000);
}

#[test]
fn waiting_ends_with_the_time_of_the_socket() {
    let server = server("127.0.0.1:0");
    server.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let error = Batch::default().receive(server.as_fd(), Wait::ForOne).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn a_batch_allocates_nothing() {
    let server = server("127.0.0.1:0");
    let client = client("127.0.0.1:0", server.local_addr().unwrap());
    let mut batch = Batch::default();
    // The first time the replies get their room.
    for allocations in [2, 0] {
        client.send(b"one").unwrap();
        client.send(b"two").unwrap();
        let info = allocation_counter::measure(|| {
            let received = batch.receive(server.as_fd(), Wait::ForOne).unwrap();
            answer_backwards(&mut batch, received, &server);
        });
        assert_eq!(info.count_total, allocations);
    }
}
