//! What CoreDNS's advisories are about, done to the real server: docs/security.md lists them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeSet;
use std::io::Write;
use std::net::{SocketAddr, UdpSocket};

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::rdata::NULL;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use portolan_tests::alive::{NAME, assert_serves};
use portolan_tests::certificates::Certificates;
use portolan_tests::client::{TcpClient, UdpClient, query};
use portolan_tests::dig::{Dug, dig};
use portolan_tests::fixture;
use portolan_tests::memory;
use portolan_tests::puppet::{GOOD, Puppet};
use portolan_tests::quic_client::{self, Version};
use portolan_tests::records::{line, rcode};
use portolan_tests::server::{Server, write};
use portolan_tests::stage::{metric, until};

/// Where no honest answer leads.
const EVIL: [u8; 4] = [192, 0, 2, 66];

/// How many questions a distribution is made of.
const SAMPLES: u16 = 400;

/// A server block for everything with names of a cluster and these lines.
fn serve(lines: &str) -> Server {
    Server::start(&corefile(lines))
}

fn corefile(lines: &str) -> String {
    let manifests = fixture("dig").display().to_string();
    format!(
        ".:0 {{\n    errors\n    kubernetes cluster.local {{\n        manifests {manifests}\n    }}\n{lines}\n}}\n"
    )
}

fn forward_to(upstream: &Puppet, lines: &str) -> Server {
    serve(&format!("{lines}\n    forward . {} {{\n        prefer_udp\n    }}", upstream.address))
}

/// Returns the addresses of a reply as text.
fn addresses(reply: &Message) -> Vec<String> {
    reply.answers.iter().map(|record| record.data.to_string()).collect()
}

#[test]
fn cure53_dns_01_003_a_reply_to_another_question_is_neither_believed_nor_kept() {
    let upstream = Puppet::start(|asked| {
        let bank: Name = "bank.example.".parse().unwrap();
        if asked.message.queries[0].name != bank {
            let mut other = asked.answer(EVIL);
            other.queries[0].name = bank.clone();
            other.answers[0].name = bank;
            asked.send(&other);
            let mut other = asked.answer(EVIL);
            other.queries[0].query_type = RecordType::TXT;
            asked.send(&other);
        }
        asked.send(&asked.answer(GOOD));
    });
    let server = forward_to(&upstream, "    cache");
    let mut client = UdpClient::new(server.address());
    for name in ["www.example.", "bank.example.", "www.example."] {
        assert_eq!(addresses(&client.ask(name, "A", 0)), ["192.0.2.80"], "{name}");
    }
    assert_eq!(upstream.asked_for("bank.example.").len(), 1, "it had not been kept");
}

#[test]
fn cve_2017_15133_idle_connections_do_not_stop_the_server() {
    let mut server = serve("");
    let idle: Vec<TcpClient> = (0..500).map(|_| TcpClient::new(server.address())).collect();
    let connections = || metric(&mut server, "portolan_dns_tcp_connections", "");
    until("every connection", connections, |count| *count > 499.5);
    for mut client in [TcpClient::new(server.address()), TcpClient::new(server.address())] {
        assert_eq!(addresses(&client.ask(NAME, "A", 0)), ["10.97.0.12"]);
    }
    drop(idle);
    assert_serves(&mut server);
}

/// Asks as many questions as a distribution needs and returns the ids and the source ports in their order.
fn ids_and_ports() -> (Vec<u16>, Vec<u16>) {
    let upstream = Puppet::honest();
    let server = forward_to(&upstream, "");
    let mut client = UdpClient::new(server.address());
    for number in 0..SAMPLES {
        client.ask(&format!("n{number}.example."), "A", 0);
    }
    let asked = upstream.asked();
    assert_eq!(asked.len(), usize::from(SAMPLES));
    asked.iter().map(|asked| (asked.message.metadata.id, asked.from.port())).unzip()
}

/// Says whether numbers are spread evenly over a range: in none of eight parts are fewer than a third of its share,
/// which is six standard deviations away.
fn are_spread(numbers: &[u16], (from, to): (u32, u32)) -> bool {
    let mut parts = [0_usize; 8];
    for number in numbers {
        let part = (u32::from(*number).saturating_sub(from)) * 8 / (to - from + 1);
        parts[part.min(7) as usize] += 1;
    }
    parts.iter().all(|count| *count > numbers.len() / 8 / 3)
}

#[test]
fn cve_2019_19794_ids_and_source_ports_cannot_be_foretold() {
    let (ids, ports) = ids_and_ports();
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let range: Vec<u32> = range.split_whitespace().map(|text| text.parse().unwrap()).collect();
    assert!(are_spread(&ids, (0, 65_535)), "{ids:?}");
    assert!(are_spread(&ports, (range[0], range[1])), "{ports:?}");
    for numbers in [ids, ports] {
        let different: BTreeSet<_> = numbers.iter().collect();
        assert!(different.len() > numbers.len() * 9 / 10, "{numbers:?}");
        let steps = numbers.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
        let steps: BTreeSet<u16> = steps.collect();
        assert!(steps.len() > numbers.len() * 9 / 10, "no step leads to the next: {numbers:?}");
    }
}

/// Names of a search list are below the cluster's zone, whatever the namespace is called; nobody's absolute name is
/// captured, and namespaces can be left out.
#[test]
fn cve_2022_2835_and_2837_a_namespace_called_com_or_svc_has_no_name_outside_its_zone() {
    let directory = tempfile::tempdir().unwrap();
    let object = |namespace: &str, service: &str, ip: &str| {
        format!(
            "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {namespace}\n---\napiVersion: v1\nkind: Service\n\
             metadata:\n  name: {service}\n  namespace: {namespace}\nspec:\n  clusterIP: {ip}\n  ports:\n  - port: 80\n---\n"
        )
    };
    let objects = object("com", "example", "10.97.9.1") + &object("svc", "web", "10.97.9.2");
    write(&directory.path().join("objects.yaml"), &objects);
    let upstream = Puppet::honest();
    let start = |options: &str| {
        Server::start(&format!(
            ".:0 {{\nkubernetes cluster.local {{\nmanifests {}\n{options}\n}}\nforward . {}\n}}\n",
            directory.path().display(),
            upstream.address
        ))
    };
    let server = start("");
    let ask = |server: &Server, name: &str| dig(server.address(), name);
    assert_eq!(ask(&server, "example.com").answer_data(), ["192.0.2.80"]);
    assert_eq!(ask(&server, "web.svc").answer_data(), ["192.0.2.80"]);
    assert_eq!(ask(&server, "example.com.svc.cluster.local").answer_data(), ["10.97.9.1"]);
    assert_eq!(ask(&server, "web.svc.svc.cluster.local").answer_data(), ["10.97.9.2"]);
    let server = start("namespaces default");
    assert_eq!(ask(&server, "example.com.svc.cluster.local").status, "NXDOMAIN");
    assert_eq!(ask(&server, "web.svc.svc.cluster.local").status, "NXDOMAIN");
}

/// Returns the flags of a question as an upstream sees them: CD and DO.
fn cd_and_do(message: &Message) -> (bool, bool) {
    let dnssec_ok = message.edns.as_ref().is_some_and(|edns| edns.flags().dnssec_ok);
    (message.metadata.checking_disabled, dnssec_ok)
}

#[test]
fn cve_2024_0874_and_tob_cdns_8_the_cache_tells_cd_and_do_apart() {
    let upstream = Puppet::start(|asked| {
        let (checking_disabled, dnssec_ok) = cd_and_do(&asked.message);
        asked.send(&asked.answer([192, 0, u8::from(checking_disabled), u8::from(dnssec_ok)]));
    });
    let mut server = forward_to(&upstream, "    cache");
    for _ in 0..2 {
        for (words, address) in [
            ("+nocdflag", "192.0.0.0"),
            ("+cdflag", "192.0.1.0"),
            ("+dnssec", "192.0.0.1"),
            ("+dnssec +cdflag", "192.0.1.1"),
        ] {
            let reply = dig(server.address(), &format!("www.example.com {words}"));
            assert_eq!(reply.answer_data(), [address], "{words}");
        }
    }
    assert_eq!(upstream.asked().len(), 4, "the second round is from the cache");
    assert!(metric(&mut server, "coredns_cache_hits_total", "success") > 3.5);
}

#[test]
fn cve_2023_28452_a_malformed_datagram_does_not_end_the_wait() {
    let upstream = Puppet::start(|asked| {
        let good = asked.answer(GOOD).to_vec().unwrap();
        let edited = |edit: &dyn Fn(&mut Vec<u8>)| {
            let mut octets = asked.answer(EVIL).to_vec().unwrap();
            edit(&mut octets);
            asked.send_octets(&octets);
        };
        asked.send_octets(&[]);
        asked.send_octets(&[0; 3]);
        asked.send_octets(&good[..good.len() - 5]);
        asked.send_octets(&[0xff; 600]);
        // The id; the question itself; opcode STATUS; no question; more records than there are; a pointer in a
        // circle; an address of 3 octets.
        edited(&|octets| octets[0] ^= 1);
        edited(&|octets| octets[2] &= 0x7f);
        edited(&|octets| octets[2] |= 0x10);
        edited(&|octets| octets[5] = 0);
        edited(&|octets| octets[6] = 0xff);
        edited(&|octets| {
            let at = octets.len() - 16;
            octets[at..at + 2].copy_from_slice(&[0xc0, u8::try_from(at).unwrap()]);
        });
        edited(&|octets| {
            let at = octets.len() - 5;
            octets[at] = 3;
            octets.pop();
        });
        let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
        stranger.send_to(&asked.answer(EVIL).to_vec().unwrap(), asked.from).unwrap();
        asked.send_octets(&good);
    });
    let mut server = forward_to(&upstream, "");
    let mut client = UdpClient::new(server.address());
    for number in 0..20 {
        let reply = client.ask(&format!("n{number}.example."), "A", 0);
        assert_eq!((rcode(&reply), addresses(&reply)), ("NOERROR", vec!["192.0.2.80".to_owned()]));
    }
    assert_eq!(upstream.asked().len(), 20, "no question is repeated");
    assert_serves(&mut server);
}

#[test]
fn cve_2023_30464_equal_questions_in_flight_are_one_upstream() {
    /// Their replies come all at once; more would not fit into the client's socket, which takes some 270.
    const QUESTIONS: u16 = 200;
    let upstream = Puppet::silent();
    let mut server = forward_to(&upstream, "    cache");
    let client = UdpClient::new(server.address());
    for id in 0..QUESTIONS {
        let name = if id % 2 == 0 { "www.example." } else { "WWW.example." };
        client.send(&query(id, name, "A", 0).to_vec().unwrap());
    }
    let asked = upstream.wait_for("www.example.");
    let waiting = || metric(&mut server, "portolan_forward_in_flight", "");
    until("every question", waiting, |count| *count > f64::from(QUESTIONS) - 0.5);
    assert_eq!(upstream.asked_for("www.example.").len(), 1, "one id and one port to guess");
    asked.send(&asked.answer(GOOD));
    let ids = (0..QUESTIONS).map(|_| {
        let reply = Message::from_vec(&client.receive()).unwrap();
        assert_eq!(addresses(&reply), ["192.0.2.80"]);
        assert_eq!(reply.answers[0].name.to_ascii(), reply.queries[0].name.to_ascii());
        reply.metadata.id
    });
    assert_eq!(ids.collect::<BTreeSet<_>>().len(), usize::from(QUESTIONS));
}

#[test]
fn cve_2026_26017_acl_holds_before_and_after_rewrite_cache_and_autopath() {
    let cluster: Name = "cluster.local.".parse().unwrap();
    let upstream = Puppet::start(move |asked| {
        let mut reply = asked.answer(GOOD);
        if cluster.zone_of(&asked.message.queries[0].name) {
            reply.answers.clear();
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        asked.send(&reply);
    });
    let directory = tempfile::tempdir().unwrap();
    let list = directory.path().join("resolv.conf");
    write(&list, "search shop.svc.cluster.local secret.example\n");
    let server = Server::start(&format!(
        ".:0 {{
            errors
            acl secret.example {{
                block net 127.0.0.2
            }}
            rewrite name public.example inner.secret.example
            cache
            autopath {}
            forward . {}
        }}",
        list.display(),
        upstream.address
    ));
    let ask = |name: &str, from: &str| dig(server.address(), &format!("{name} -b {from}")).status;
    for name in ["inner.secret.example", "public.example", "inner.shop.svc.cluster.local"] {
        for _ in 0..2 {
            assert_eq!(ask(name, "127.0.0.1"), "NOERROR", "{name}: allowed, and kept");
            assert_eq!(ask(name, "127.0.0.2"), "REFUSED", "{name}");
        }
    }
    assert_eq!(ask("www.example", "127.0.0.2"), "NOERROR", "other names");
}

#[test]
fn cve_2026_26018_no_probe_of_loop_ends_the_process() {
    let upstream = Puppet::honest();
    let mut server = forward_to(&upstream, "    loop");
    let mut client = UdpClient::new(server.address());
    for number in 0_u32..100 {
        // Names as CoreDNS's plugin makes them, and as this one does.
        client.ask(&format!("{number}.{number}."), "HINFO", 0);
        client.ask(&format!("{number:016x}.{number:016x}."), "HINFO", 0);
    }
    assert!(metric(&mut server, "portolan_forward_looping", "").abs() < 0.1);
    assert_serves(&mut server);
    assert_eq!(dig(server.address(), "www.example").answer_data(), ["192.0.2.80"]);
}

/// A message of nothing but claims: as many records as the header can say, in the octets that a message may have.
fn claims(size: usize) -> Vec<u8> {
    let mut message = query(7, "www.example.", "A", 0).to_vec().unwrap();
    message[6..12].fill(0xff);
    message.resize(size, 0);
    message
}

#[test]
fn cve_2026_82399_claimed_counts_cost_nothing() {
    let mut server = serve("");
    let udp = UdpClient::new(server.address());
    let mut tcp = TcpClient::new(server.address());
    assert_eq!(rcode(&Message::from_vec(&udp.exchange(&claims(512))).unwrap()), "FORMERR");
    let before = memory::resident(&server);
    memory::forget_the_peak(&server);
    for _ in 0..200 {
        assert_eq!(rcode(&Message::from_vec(&udp.exchange(&claims(60_000))).unwrap()), "FORMERR");
        let message = claims(65_533);
        let length = u16::try_from(message.len()).unwrap().to_be_bytes();
        tcp.stream.write_all(&[&length[..], &message].concat()).unwrap();
        assert_eq!(rcode(&tcp.receive()), "FORMERR");
    }
    // Also what was given back before the reply.
    let more = memory::peak(&server).saturating_sub(before);
    assert!(more < 8 * 1024, "{more} KiB more than before");
    assert_serves(&mut server);
}

/// How `dig` asks over each transport of the server that it knows.
const TRANSPORTS: [(&str, &str); 4] =
    [("dns", "+notcp"), ("dns", "+tcp"), ("tls", "+tls"), ("https", "+https")];

/// The transports that it does not know.
const QUIC: [(&str, Version); 2] = [("quic", Version::Quic), ("https3", Version::Http3)];

/// A server with every transport.
struct Encrypted {
    server: Server,
    certificates: Certificates,
}

impl Encrypted {
    fn serve(lines: &str) -> Self {
        let certificates = Certificates::new();
        let text = corefile(&format!("    {}\n{lines}", certificates.line()));
        let keys = ".:0 tls://.:0 https://.:0 quic://.:0 https3://.:0";
        Self { server: Server::start(&text.replacen(".:0", keys, 1)), certificates }
    }

    fn address(&mut self, scheme: &str) -> SocketAddr {
        let zone = if scheme == "dns" { ".:".to_owned() } else { format!("{scheme}://.:") };
        let log = self.server.log();
        let line = log.lines().find(|line| line.starts_with(&zone)).unwrap();
        let port = line[zone.len()..].split(' ').next().unwrap().parse().unwrap();
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    /// Asks over one of the [`TRANSPORTS`].
    fn dig(&mut self, (scheme, option): (&str, &str), words: &str) -> Dug {
        dig(self.address(scheme), &format!("{words} {option}"))
    }

    /// Asks over one that runs on [`QUIC`].
    fn ask(&mut self, (scheme, version): (&str, Version), question: Message) -> Message {
        let (address, authority) = (self.address(scheme), self.certificates.path("ca.pem"));
        quic_client::ask(address, &authority, "dns.test", version, question).unwrap()
    }
}

#[test]
fn cve_2026_86003_no_other_opcode_is_answered_or_forwarded() {
    let upstream = Puppet::honest();
    let mut server = Encrypted::serve(&format!("    forward . {}", upstream.address));
    for transport in TRANSPORTS {
        for opcode in ["UPDATE", "NOTIFY", "STATUS", "IQUERY"] {
            let reply = server.dig(transport, &format!("www.example SOA +opcode={opcode}"));
            assert_eq!(reply.status, "NOTIMP", "{opcode} {transport:?}: {}", reply.text);
        }
        assert_eq!(server.dig(transport, NAME).answer_data(), ["10.97.0.12"], "{transport:?}");
    }
    for transport in QUIC {
        for opcode in [OpCode::Update, OpCode::Notify, OpCode::Status] {
            let mut question = query(0, "www.example.", "SOA", 1232);
            question.metadata.op_code = opcode;
            assert_eq!(rcode(&server.ask(transport, question)), "NOTIMP", "{transport:?}");
        }
        let reply = server.ask(transport, query(0, NAME, "A", 1232));
        assert_eq!(addresses(&reply), ["10.97.0.12"], "{transport:?}");
    }
    assert_eq!(upstream.asked().len(), 0);
    assert_serves(&mut server.server);
}

/// Adds a TSIG record (RFC 8945 §4.2) whose MAC is made up.
fn signed(mut question: Message) -> Message {
    let mut data = b"\x0bhmac-sha256\0".to_vec();
    // Time signed, fudge, the size of the MAC and the MAC.
    data.extend([0, 0, 0x69, 0, 0, 0, 0x01, 0x2c, 0, 32]);
    data.extend([0x5a; 32]);
    // The original id, no error, no other data.
    data.extend([0; 6]);
    let (name, code) = ("key.example.".parse().unwrap(), RecordType::TSIG);
    let mut record = Record::from_rdata(name, 0, RData::Unknown { code, rdata: NULL::with(data) });
    record.dns_class = DNSClass::ANY;
    question.additionals.push(record);
    question
}

/// There is no plugin that a signature would open anything to; a transport makes no difference.
#[test]
fn cve_2026_33190_and_35579_a_signature_opens_nothing_on_any_transport() {
    let mut server = Encrypted::serve("    acl {\n        block type TXT\n    }");
    let expected = [("A", "NOERROR", 1), ("TXT", "REFUSED", 0)];
    for transport in TRANSPORTS {
        for (qtype, status, records) in expected {
            for signature in ["", "-y hmac-sha256:key.example:c2VjcmV0"] {
                let reply = server.dig(transport, &format!("{NAME} {qtype} {signature}"));
                let seen = (reply.status.as_str(), reply.answer.len());
                assert_eq!(seen, (status, records), "{transport:?} {qtype} {signature}");
                assert!(!reply.text.contains("TSIG PSEUDOSECTION") || !signature.is_empty());
            }
        }
    }
    for transport in QUIC {
        for (qtype, status, records) in expected {
            for question in [query(0, NAME, qtype, 0), signed(query(0, NAME, qtype, 0))] {
                let is_signed = !question.additionals.is_empty();
                let reply = server.ask(transport, question);
                let seen = (rcode(&reply), reply.answers.len());
                assert_eq!(seen, (status, records), "{transport:?} {qtype}, signed: {is_signed}");
            }
        }
    }
    assert_serves(&mut server.server);
}

#[test]
fn cve_2026_33489_a_zone_is_not_transferred() {
    let upstream = Puppet::honest();
    let mut server = forward_to(&upstream, "");
    for zone in ["cluster.local", "svc.cluster.local", "example"] {
        for words in ["AXFR", "IXFR=1"] {
            let reply = dig(server.address(), &format!("{zone} {words} +tcp +all"));
            let lines = reply.answer.len();
            assert!(lines == 0, "{zone} {words}: {}", reply.text);
        }
    }
    assert_eq!(upstream.asked().len(), 0, "nor forwarded");
    assert_serves(&mut server);
}

/// Beside the answer everything that a poisoner would like to be kept.
#[test]
fn records_of_other_names_are_not_passed_on() {
    let upstream = Puppet::start(|asked| {
        let mut reply = asked.answer(GOOD);
        let mut record = reply.answers[0].clone();
        record.name = "bank.example.".parse().unwrap();
        reply.answers.push(record.clone());
        reply.additionals.push(record);
        asked.send(&reply);
    });
    let mut server = forward_to(&upstream, "    cache");
    let mut client = UdpClient::new(server.address());
    for _ in 0..2 {
        let reply = client.ask("www.example.", "A", 0);
        let lines: Vec<String> = reply.answers.iter().chain(&reply.additionals).map(line).collect();
        assert!(lines.len() == 1 && lines[0].starts_with("www.example. "), "{lines:?}");
    }
    for section in ["answer", "additional"] {
        let dropped = metric(&mut server, "portolan_forward_dropped_records_total", section);
        assert!((dropped - 1.0).abs() < 0.1, "{section}: {dropped}");
    }
}

/// The letters of each question differ, the client sees its own, and a reply without them is not believed.
#[test]
fn case_randomization_makes_guessing_harder() {
    let upstream = Puppet::start(|asked| {
        let mut forged = asked.answer(EVIL);
        forged.queries[0].name = forged.queries[0].name.to_lowercase();
        asked.send(&forged);
        let mut bare =
            Message::error_msg(asked.message.metadata.id, OpCode::Query, ResponseCode::Refused);
        bare.queries.clear();
        asked.send(&bare);
        asked.send(&asked.answer(GOOD));
    });
    let options = "{\n        prefer_udp\n        case_randomization\n    }";
    let server = serve(&format!("    cache\n    forward . {} {options}", upstream.address));
    let name = "A-Name.With-Many-Letters.Example.";
    let mut client = UdpClient::new(server.address());
    for (name, asked) in [(name, 1), (&name.to_lowercase(), 1), (&name.replace("A-", "b-"), 2)] {
        let reply = client.ask(name, "A", 0);
        assert_eq!(addresses(&reply), ["192.0.2.80"]);
        assert_eq!(reply.answers[0].name.to_ascii(), *name, "also from the cache");
        assert_eq!(upstream.asked().len(), asked);
    }
    let names = upstream.asked().into_iter().map(|asked| asked.message.queries[0].name.to_ascii());
    let names: Vec<String> = names.collect();
    assert!(names[0].eq_ignore_ascii_case(name) && names[0] != name, "{names:?}");
    assert_ne!(names[0][1..], names[1][1..]);
}

/// A port of the server's that is open for a question takes nothing from elsewhere: neither address nor port.
#[test]
fn replies_from_elsewhere_are_not_believed() {
    let upstream = Puppet::silent();
    let server = forward_to(&upstream, "");
    let client = UdpClient::new(server.address());
    client.send(&query(1, "www.example.", "A", 0).to_vec().unwrap());
    let asked = upstream.wait_for("www.example.");
    let forged = asked.answer(EVIL).to_vec().unwrap();
    for place in ["127.0.0.1:0", "127.0.0.2:0"] {
        let stranger = UdpSocket::bind(place).unwrap();
        stranger.send_to(&forged, asked.from).unwrap();
    }
    let same_port = SocketAddr::from(([127, 0, 0, 2], upstream.address.port()));
    if let Ok(stranger) = UdpSocket::bind(same_port) {
        stranger.send_to(&forged, asked.from).unwrap();
    }
    asked.send(&asked.answer(GOOD));
    assert_eq!(addresses(&Message::from_vec(&client.receive()).unwrap()), ["192.0.2.80"]);
}
