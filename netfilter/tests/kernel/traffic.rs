//! Packets: connections, and those that are logged and counted.

use std::net::{SocketAddr, UdpSocket};

use portolan_netfilter::{Conntrack, Log, LogEvent, Netfilter};

use crate::namespace::{inside, nft};
use crate::sample::name;
use crate::{BaseChain, Chain, Hook, Policy, Quoted, Rule, Ruleset, Statement, Verdict};

/// Sends a datagram over loopback, and returns the addresses of both sides.
fn send(text: &[u8]) -> (UdpSocket, UdpSocket) {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(text, server.local_addr().unwrap()).unwrap();
    (client, server)
}

fn local(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().unwrap()
}

#[test]
fn a_connection_is_listed_and_its_mark_changed_bit_by_bit() {
    inside("traffic::a_connection_is_listed_and_its_mark_changed_bit_by_bit", || {
        nft(
            "table inet t { chain c { type filter hook output priority 0; ct state new ct mark set 0x5; }; }",
        );
        let (client, server) = send(b"x");
        let mut conntrack = Conntrack::open().unwrap();
        let find = |conntrack: &mut Conntrack| {
            let mut flows = conntrack.list().unwrap();
            flows.retain(|flow| flow.original.source.port == local(&client).port());
            assert_eq!(flows.len(), 1);
            flows.remove(0)
        };
        let flow = find(&mut conntrack);
        assert_eq!((flow.protocol, flow.mark), (17, 5));
        assert_eq!(flow.original.destination.port, local(&server).port());
        assert_eq!(flow.real().destination, flow.reply.source);

        assert!(conntrack.set_mark(&flow, 0x10, 0x11).unwrap());
        assert_eq!(find(&mut conntrack).mark, 0x14, "the bit 4 is not in the mask");
        assert!(conntrack.set_mark(&flow, 0, 0x10).unwrap());
        assert_eq!(find(&mut conntrack).mark, 0x4);

        let mut gone = flow.clone();
        gone.zone = 7;
        assert!(!conntrack.set_mark(&gone, 1, 1).unwrap(), "there is no such connection");
    });
}

#[test]
fn a_logged_packet_arrives_with_its_prefix_and_is_counted() {
    inside("traffic::a_logged_packet_arrives_with_its_prefix_and_is_counted", || {
        let mut ruleset = Ruleset::new(name("logs"));
        let log = nft::Log { group: 77, snaplen: 33, prefix: Quoted::new("eg web").unwrap() };
        let rule = Rule::new([
            Statement::is(nft::Field::Protocol, nft::Value::Protocol(17)),
            Statement::Log(log),
            Statement::Counter,
            Statement::Verdict(Verdict::Accept),
        ]);
        let base = BaseChain { hook: Hook::Output, priority: 0, policy: Policy::Accept };
        let chain = Chain { base: Some(base), ..Chain::new([rule]) };
        ruleset.chains.insert(name("output"), chain.into());
        let mut netfilter = Netfilter::open().unwrap();
        netfilter.apply(&ruleset).unwrap();
        let mut log = Log::open(77, 64).unwrap();
        assert!(Log::open(77, 64).is_err(), "a group has one receiver");
        assert_eq!(log.try_next().unwrap(), None);

        let (client, server) = send(b"hello, world");
        let LogEvent::Packet(packet) = log.wait().unwrap() else { panic!("a packet was logged") };
        assert_eq!((packet.prefix.as_str(), packet.hook), ("eg web", 3));
        assert_eq!(packet.octets.len(), 33, "28 octets of headers and 5 more");
        assert_eq!(packet.octets[28..], *b"hello");
        assert_eq!(packet.octets[20..22], local(&client).port().to_be_bytes());
        assert_eq!(packet.octets[22..24], local(&server).port().to_be_bytes());
        assert_eq!(log.try_next().unwrap(), None);
        let counts = netfilter.counts(&ruleset.table).unwrap();
        assert_eq!((counts["output"][0].packets, counts["output"][0].octets), (1, 40));
        let of = |netfilter: &mut Netfilter, chain| {
            netfilter.counts_of(&ruleset.table, &name(chain)).unwrap()
        };
        assert_eq!(of(&mut netfilter, "output"), counts["output"]);
        assert_eq!(of(&mut netfilter, "nowhere"), []);
    });
}

/// A group whose receiver is slower than the packets says how many it did not get.
#[test]
fn packets_that_are_not_taken_are_counted_as_lost() {
    inside("traffic::packets_that_are_not_taken_are_counted_as_lost", || {
        nft(
            "table inet t { chain c { type filter hook output priority 0; meta l4proto udp log group 78; }; }",
        );
        let mut log = Log::open(78, 64).unwrap();
        let (client, server) = send(b"x");
        // More than the socket has room for: each takes some hundred octets of it.
        let sent = 20_000;
        for _ in 1..sent {
            client.send_to(b"x", local(&server)).unwrap();
        }
        let (mut received, mut lost) = (0, 0);
        let count = |event, received: &mut u32, lost: &mut u32| match event {
            LogEvent::Packet(_) => *received += 1,
            LogEvent::Lost(number) => *lost += number,
        };
        while let Some(event) = log.try_next().unwrap() {
            count(event, &mut received, &mut lost);
        }
        assert!(received < sent, "all had room");
        // What was lost is known with the next packet.
        client.send_to(b"x", local(&server)).unwrap();
        while let Some(event) = log.try_next().unwrap() {
            count(event, &mut received, &mut lost);
        }
        assert_eq!(received + lost, sent + 1, "{received} received, {lost} lost");
    });
}
