//! `rewrite` and `template` as clients and upstreams see them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};

use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{RData, Record};
use portolan_tests::client::http_get;
use portolan_tests::dig::dig;
use portolan_tests::fixture;
use portolan_tests::server::{PATIENCE, Server};
use portolan_tests::upstream::Upstream;

/// Serves with `lines` before a forward to the zone of the fixtures.
fn serve(lines: &str) -> Server {
    let upstream = Upstream::start(&fixture("dns-cases/upstream.zone"));
    Server::start(&format!(
        ".:0 {{\n    errors\n    metadata\n{lines}\n    forward . {}\n}}\n",
        upstream.address
    ))
}

/// An upstream that has an address for every name, and tells what it is asked.
fn recording_upstream() -> (SocketAddr, Receiver<Message>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65_535];
        while let Ok((length, client)) = socket.recv_from(&mut buffer) {
            let query = Message::from_vec(&buffer[..length]).unwrap();
            let mut reply = query.clone();
            reply.metadata.message_type = MessageType::Response;
            let data = RData::A(A(Ipv4Addr::new(192, 0, 2, 1)));
            let name = query.queries[0].name().clone();
            reply.add_answer(Record::from_rdata(name, 60, data));
            let _ = socket.send_to(&reply.to_vec().unwrap(), client);
            if sender.send(query).is_err() {
                return;
            }
        }
    });
    (address, receiver)
}

#[test]
fn names_are_rewritten_there_and_back() {
    let server = serve(
        r"    rewrite name exact shop.test example.com
    rewrite name suffix .old.test .example.net answer auto
    rewrite name prefix mailbox mail
    rewrite stop {
        name regex ^(.*)\.regex\.test\.$ {1}.example.org
        answer name (.*)\.example\.org\.$ {1}.regex.test
        answer value (.*)\.example\.org\.$ {1}.regex.test
    }
    rewrite name regex ^(.*)\.plain\.test\.$ {1}.example.org
    rewrite name regex ^(.*)\.illegal\.test\.$ {1}..example.org",
    );
    let address = server.address();
    for (words, answer) in [
        ("SHOP.test A", &["SHOP.test. 300 IN A 192.0.2.80"][..]),
        ("shop.test MX", &["shop.test. 300 IN MX 10 mail.shop.test."]),
        ("db.old.test A", &["db.old.test. 300 IN A 192.0.2.82"]),
        ("_pg._tcp.db.old.test SRV", &["_pg._tcp.db.old.test. 300 IN SRV 0 5 5432 db.old.test."]),
        (
            "api.regex.test A",
            &[
                "api.regex.test. 300 IN CNAME edge.regex.test.",
                "edge.regex.test. 300 IN A 192.0.2.81",
            ],
        ),
        ("edge.plain.test A", &["edge.example.org. 300 IN A 192.0.2.81"]),
        ("mailbox.example.com A", &["mail.example.com. 300 IN A 192.0.2.25"]),
        ("example.com A", &["example.com. 300 IN A 192.0.2.80"]),
    ] {
        let reply = dig(address, words);
        assert_eq!(reply.answer, answer, "{}", reply.text);
        let name = words.split(' ').next().unwrap();
        assert!(reply.question[0].starts_with(&format!("{name}.")), "{}", reply.text);
    }
    // Empty and failed replies repeat the client's question as well.
    let reply = dig(address, "shop.test SRV");
    assert_eq!((reply.status.as_str(), reply.answer.len()), ("NOERROR", 0), "{}", reply.text);
    assert!(reply.question[0].starts_with("shop.test."), "{}", reply.text);
    let reply = dig(address, "a.illegal.test A");
    assert_eq!(reply.status, "SERVFAIL");
    assert!(reply.text.contains("invalid name after rewrite: a..example.org"), "{}", reply.text);
    assert!(reply.question[0].starts_with("a.illegal.test."), "{}", reply.text);
}

#[test]
fn types_ttls_rcodes_and_cname_targets() {
    let server = serve(
        r"    rewrite continue ttl suffix example.com 10-60
    rewrite continue ttl exact db.example.net 5
    rewrite continue rcode regex ^missing NXDOMAIN NOERROR
    rewrite continue cname exact edge.example.org db.example.net
    rewrite continue type ANY MX
    rewrite class CH IN",
    );
    let address = server.address();
    for (words, answer) in [
        ("example.com A", &["example.com. 60 IN A 192.0.2.80"][..]),
        ("db.example.net A", &["db.example.net. 5 IN A 192.0.2.82"]),
        (
            "api.example.org A",
            &["api.example.org. 300 IN CNAME db.example.net.", "db.example.net. 5 IN A 192.0.2.82"],
        ),
        ("example.com ANY +notcp", &["example.com. 60 IN MX 10 mail.example.com."]),
    ] {
        let reply = dig(address, words);
        assert_eq!(reply.answer, answer, "{}", reply.text);
    }
    assert_eq!(dig(address, "missing.test A").status, "NOERROR");
    assert_eq!(dig(address, "nowhere.test A").status, "NXDOMAIN");
    let chaos = dig(address, "example.com CH TXT");
    assert_eq!(chaos.answer, ["example.com. 60 CH TXT \"v=spf1 -all\""], "{}", chaos.text);
}

#[test]
fn edns_options_go_upstream_and_not_back() {
    let (upstream, asked) = recording_upstream();
    let server = Server::start(&format!(
        ".:0 {{
    metadata
    rewrite continue edns0 local set 0xffee 0x61626364 revert
    rewrite continue edns0 local set 65001 {{qname}} revert
    rewrite continue edns0 subnet set 24 56 revert
    rewrite continue edns0 nsid set revert
    rewrite continue edns0 local append 65002 kept
    rewrite continue edns0 local unset 65003
    forward . {upstream}
}}
",
    ));
    let reply = dig(server.address(), "www.example. A +ednsopt=65003:ff");
    assert_eq!(reply.answer, ["www.example. 60 IN A 192.0.2.1"]);
    let query = asked.recv_timeout(PATIENCE).unwrap();
    let options: Vec<(u16, Vec<u8>)> = query
        .edns
        .as_ref()
        .unwrap()
        .options()
        .options
        .iter()
        .map(|(code, option)| (u16::from(*code), Vec::<u8>::try_from(option).unwrap()))
        .collect();
    assert_eq!(
        options,
        [
            (0xffee, b"abcd".to_vec()),
            (65001, b"www.example.".to_vec()),
            (8, vec![0, 1, 24, 0, 127, 0, 0]),
            (3, vec![]),
            (65002, b"kept".to_vec()),
        ]
    );
    assert!(reply.text.contains("(\"kept\")"), "{}", reply.text);
    assert!(
        !reply.text.contains("abcd") && !reply.text.contains("CLIENT-SUBNET"),
        "{}",
        reply.text
    );
    // A client without EDNS gets none.
    let plain = dig(server.address(), "www.example. A +noedns");
    assert!(!plain.text.contains("OPT PSEUDOSECTION"), "{}", plain.text);
    assert!(asked.recv_timeout(PATIENCE).unwrap().edns.is_some());
}

#[test]
fn templates_answer_pass_on_and_are_counted() {
    let mut server = serve(
        r#"    prometheus 127.0.0.1:0
    template IN A example {
        match "^ip0a(?P<b>[a-f0-9]{2})(?P<c>[a-f0-9]{2})(?P<d>[a-f0-9]{2})[.]example[.]$"
        match "^ip-10-(?P<b>[0-9]*)-(?P<c>[0-9]*)-(?P<d>[0-9]*)[.]broken[.]example[.]$"
        answer "{{ .Name }} 60 IN A 10.{{ parseInt .Group.b 16 8 }}.{{ parseInt .Group.c 16 8 }}.{{ parseInt .Group.d 16 8 }}"
        authority "example. 60 IN NS ns0.example."
        additional "ns0.example. 60 IN A 203.0.113.8"
        fallthrough
    }
    template IN PTR 10.in-addr.arpa {
        match ^(?P<d>[0-9]*)[.](?P<c>[0-9]*)[.](?P<b>[0-9]*)[.]10[.]in-addr[.]arpa[.]$
        answer "{{ .Name }} 60 IN PTR ip-10-{{ .Group.b }}-{{ .Group.c }}-{{ .Group.d }}.example."
    }
    template ANY ANY invalid {
        rcode NXDOMAIN
        authority "invalid. 60 {{ .Class }} SOA ns.invalid. hostmaster.invalid. (1 60 60 60 60)"
        ederror 21 "Blocked according to RFC2606"
    }
    template IN ANY foogle.com {
        match "^foogle\.com\.$"
        answer "foogle.com 60 IN CNAME example.com"
    }"#,
    );
    let address = server.address();
    for (words, status, answer) in [
        ("IP0a7b7b0c.example A", "NOERROR", &["ip0a7b7b0c.example. 60 IN A 10.123.123.12"][..]),
        ("other.example A", "NXDOMAIN", &[]),
        ("-x 10.1.2.3", "NOERROR", &["3.2.1.10.in-addr.arpa. 60 IN PTR ip-10-1-2-3.example."]),
        ("a.10.in-addr.arpa PTR", "SERVFAIL", &[]),
        ("ip-10-1-2-fff.broken.example A", "NXDOMAIN", &[]),
        ("ip-10-1-2-999.broken.example A", "SERVFAIL", &[]),
        ("www.invalid AAAA", "NXDOMAIN", &[]),
        (
            "foogle.com A",
            "NOERROR",
            &["foogle.com. 60 IN CNAME example.com.", "example.com. 300 IN A 192.0.2.80"],
        ),
        ("foogle.com TXT", "NOERROR", &["foogle.com. 60 IN CNAME example.com."]),
    ] {
        let reply = dig(address, words);
        assert_eq!(
            (reply.status.as_str(), reply.answer.as_slice()),
            (status, &own(answer)[..]),
            "{}",
            reply.text
        );
    }
    let reply = dig(address, "ip0a000001.example A");
    assert_eq!(reply.authority, ["example. 60 IN NS ns0.example."]);
    assert_eq!(reply.additional, ["ns0.example. 60 IN A 203.0.113.8"]);
    assert!(reply.has_flag("aa"), "{}", reply.text);
    let reply = dig(address, "a.invalid CH TXT");
    assert_eq!(reply.status, "NXDOMAIN");
    assert!(reply.authority[0].contains(" CH SOA "), "{}", reply.text);
    assert!(reply.text.contains("EDE: 21") && reply.text.contains("RFC2606"), "{}", reply.text);

    let (_, text) = http_get(server.endpoint("/metrics"), "/metrics");
    let counted = |series: &str| text.lines().any(|line| line == series);
    assert!(
        counted(
            "coredns_template_matches_total{class=\"IN\",server=\"dns://:0\",type=\"PTR\",view=\"\",zone=\"10.in-addr.arpa.\"} 1"
        ),
        "{text}"
    );
    assert!(
        text.lines().any(|line| line.starts_with("coredns_template_template_failures_total{")
            && line.contains("section=\"answer\"")
            && line.ends_with(" 1")),
        "{text}"
    );
}

fn own(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
