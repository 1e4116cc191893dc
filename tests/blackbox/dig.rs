//! What an operator sees: real `dig`, and `getent`, against the real binary on a free port.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::Read;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use portolan_tests::client::{TcpClient, http_get, query};
use portolan_tests::dig::{Dug, dig, dig_all, dig_in_vain, dig_like_a_pod};
use portolan_tests::namespace::{V4, cover, inside, inside_with_mounts, run};
use portolan_tests::server::Server;
use portolan_tests::upstream::Upstream;
use portolan_tests::{fixture, records};

/// How long a query may take whose upstreams do not answer: the server's own limit and some room.
const FAILURE_LIMIT: Duration = Duration::from_secs(6);

/// Serves the recorded cluster and the shop; `lines` go into the server block.
fn serve(lines: &str) -> Server {
    serve_at(".:0", lines)
}

fn serve_at(zone: &str, lines: &str) -> Server {
    let mut corefile = format!(
        "{zone} {{\n    errors\n    log\n    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        manifests {}\n        pods insecure\n        fallthrough in-addr.arpa ip6.arpa\n        ttl 30\n    }}\n",
        fixture("dig").display()
    );
    for line in lines.lines() {
        let _ = writeln!(corefile, "    {line}");
    }
    Server::start(&(corefile + "}\n"))
}

fn serve_with_upstream() -> (Server, Upstream) {
    let upstream = Upstream::start(&fixture("dns-cases/upstream.zone"));
    (serve(&format!("loadbalance\nforward . {}", upstream.address)), upstream)
}

fn assert_flags(reply: &Dug, flags: &str) {
    assert_eq!(reply.flags.join(" "), flags, "{}", reply.text);
}

#[test]
fn every_record_family() {
    let server = serve("loadbalance");
    // A question and the sorted records of its answer.
    let cases: &[(&str, &[&str])] = &[
        ("web.alpha.svc.cluster.local", &["web.alpha.svc.cluster.local. 30 IN A 10.97.0.12"]),
        ("web.shop.svc.cluster.local A", &["web.shop.svc.cluster.local. 30 IN A 10.97.1.1"]),
        ("web.shop.svc.cluster.local AAAA", &["web.shop.svc.cluster.local. 30 IN AAAA fd00:97::1"]),
        ("np.alpha.svc.cluster.local", &["np.alpha.svc.cluster.local. 30 IN A 10.97.0.16"]),
        ("lb.alpha.svc.cluster.local", &["lb.alpha.svc.cluster.local. 30 IN A 10.97.0.17"]),
        (
            "hl.alpha.svc.cluster.local A",
            &[
                "hl.alpha.svc.cluster.local. 30 IN A 10.244.1.6",
                "hl.alpha.svc.cluster.local. 30 IN A 10.244.1.7",
                "hl.alpha.svc.cluster.local. 30 IN A 10.244.1.8",
            ],
        ),
        (
            "hl6.alpha.svc.cluster.local AAAA",
            &[
                "hl6.alpha.svc.cluster.local. 30 IN AAAA fd00:10:244::1:4c",
                "hl6.alpha.svc.cluster.local. 30 IN AAAA fd00:10:244::1:4d",
            ],
        ),
        ("hl6.alpha.svc.cluster.local A", &["hl6.alpha.svc.cluster.local. 30 IN A 10.244.1.78"]),
        (
            "db-0.hl.alpha.svc.cluster.local",
            &["db-0.hl.alpha.svc.cluster.local. 30 IN A 10.244.1.6"],
        ),
        (
            "10-244-1-8.hl.alpha.svc.cluster.local",
            &["10-244-1-8.hl.alpha.svc.cluster.local. 30 IN A 10.244.1.8"],
        ),
        (
            "six.hl6.alpha.svc.cluster.local AAAA",
            &["six.hl6.alpha.svc.cluster.local. 30 IN AAAA fd00:10:244::1:4d"],
        ),
        (
            "10-0-0-1.alpha.pod.cluster.local",
            &["10-0-0-1.alpha.pod.cluster.local. 30 IN A 10.0.0.1"],
        ),
        (
            "fd00--1.alpha.pod.cluster.local AAAA",
            &["fd00--1.alpha.pod.cluster.local. 30 IN AAAA fd00::1"],
        ),
        ("-x 10.97.0.12", &["12.0.97.10.in-addr.arpa. 30 IN PTR web.alpha.svc.cluster.local."]),
        ("-x 10.244.1.6", &["6.1.244.10.in-addr.arpa. 30 IN PTR db-0.hl.alpha.svc.cluster.local."]),
        (
            "-x fd00:97::1",
            &[
                "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.9.0.0.0.0.d.f.ip6.arpa. 30 IN PTR \
               web.shop.svc.cluster.local.",
            ],
        ),
        (
            "-x fd00:10:244::1:4d",
            &[
                "d.4.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.4.4.2.0.0.1.0.0.0.0.d.f.ip6.arpa. 30 IN PTR \
               six.hl6.alpha.svc.cluster.local.",
            ],
        ),
        ("dns-version.cluster.local TXT", &["dns-version.cluster.local. 28800 IN TXT \"1.1.0\""]),
        ("cluster.local NS", &["cluster.local. 30 IN NS ns.dns.cluster.local."]),
    ];
    for (question, expected) in cases {
        for transport in ["", " +tcp"] {
            let reply = dig(server.address(), &format!("{question}{transport}"));
            assert_eq!(reply.status, "NOERROR", "{question}{transport}");
            assert_eq!(reply.sorted_answer(), *expected, "{question}{transport}");
            assert_flags(&reply, "qr aa rd");
            assert_eq!(reply.protocol, if transport.is_empty() { "UDP" } else { "TCP" });
        }
    }
    let soa = dig(server.address(), "cluster.local SOA");
    let (record, expected) = (&soa.answer[0], "cluster.local. 30 IN SOA ns.dns.cluster.local. ");
    assert!(record.starts_with(expected) && record.ends_with(" 7200 1800 86400 30"), "{record}");
}

#[test]
fn srv_records_bring_the_addresses_of_their_targets() {
    let server = serve("loadbalance");
    let named = dig(server.address(), "_http._tcp.multi.alpha.svc.cluster.local SRV");
    let owner = "_http._tcp.multi.alpha.svc.cluster.local.";
    assert_eq!(
        named.answer,
        [format!("{owner} 30 IN SRV 0 100 80 multi.alpha.svc.cluster.local.")]
    );
    assert_eq!(named.additional, ["multi.alpha.svc.cluster.local. 30 IN A 10.97.0.13"]);

    let headless = dig(server.address(), "_peer._tcp.hl.alpha.svc.cluster.local SRV");
    let targets = ["10-244-1-8", "db-0", "db-1"].map(|host| {
        format!(
            "_peer._tcp.hl.alpha.svc.cluster.local. 30 IN SRV 0 33 7000 {host}.hl.alpha.svc.cluster.local."
        )
    });
    assert_eq!(headless.sorted_answer(), targets);
    let mut addresses = headless.additional.clone();
    addresses.sort();
    assert_eq!(
        addresses,
        [
            "10-244-1-8.hl.alpha.svc.cluster.local. 30 IN A 10.244.1.8",
            "db-0.hl.alpha.svc.cluster.local. 30 IN A 10.244.1.6",
            "db-1.hl.alpha.svc.cluster.local. 30 IN A 10.244.1.7",
        ]
    );

    let dual = dig(server.address(), "_http._tcp.web.shop.svc.cluster.local SRV");
    let mut addresses = dual.additional.clone();
    addresses.sort();
    assert_eq!(
        addresses,
        [
            "web.shop.svc.cluster.local. 30 IN A 10.97.1.1",
            "web.shop.svc.cluster.local. 30 IN AAAA fd00:97::1",
        ]
    );
}

#[test]
fn external_names_are_followed_inside_and_outside() {
    let (server, _upstream) = serve_with_upstream();
    let cases: &[(&str, &[&str])] = &[
        (
            "ext-in.alpha.svc.cluster.local",
            &[
                "ext-in.alpha.svc.cluster.local. 30 IN CNAME web.alpha.svc.cluster.local.",
                "web.alpha.svc.cluster.local. 30 IN A 10.97.0.12",
            ],
        ),
        (
            "ext.alpha.svc.cluster.local",
            &[
                "ext.alpha.svc.cluster.local. 30 IN CNAME example.com.",
                "example.com. 300 IN A 192.0.2.80",
            ],
        ),
        (
            "ext-dot.alpha.svc.cluster.local A",
            &[
                "ext-dot.alpha.svc.cluster.local. 30 IN CNAME api.example.org.",
                "api.example.org. 300 IN CNAME edge.example.org.",
                "edge.example.org. 300 IN A 192.0.2.81",
            ],
        ),
        (
            "ext.alpha.svc.cluster.local CNAME",
            &["ext.alpha.svc.cluster.local. 30 IN CNAME example.com."],
        ),
    ];
    for (question, expected) in cases {
        let reply = dig(server.address(), question);
        // As they stand: the alias comes before what it stands for.
        assert_eq!(reply.answer, *expected, "{question}");
        assert_eq!(reply.status, "NOERROR", "{question}");
    }
}

#[test]
fn upstream_answers_are_forwarded() {
    let (server, _upstream) = serve_with_upstream();
    let www = dig(server.address(), "www.example.com A");
    let alias = "www.example.com. 300 IN CNAME example.com.";
    assert_eq!(www.answer, [alias, "example.com. 300 IN A 192.0.2.80"]);
    let spf = dig(server.address(), "example.com TXT +tcp");
    assert_eq!(spf.answer, ["example.com. 300 IN TXT \"v=spf1 -all\""]);
    let reverse = dig(server.address(), "-x 192.0.2.7");
    assert_eq!(reverse.answer, ["7.2.0.192.in-addr.arpa. 300 IN PTR host7.example.com."]);
    let missing = dig(server.address(), "missing.example.com");
    assert_eq!(missing.status, "NXDOMAIN");
    assert!(missing.authority[0].contains(" IN SOA ns.upstream.test. "), "{}", missing.text);
    // More than a datagram: dig sees TC and asks again over TCP, and so does the server upstream.
    let big = dig(server.address(), "big.example.org TXT");
    assert_eq!((big.protocol.as_str(), big.answer.len()), ("TCP", 1));
    assert!(big.size > 1600, "{}", big.size);
}

#[test]
fn a_missing_name_and_a_missing_type_have_the_soa_record() {
    let server = serve("loadbalance");
    let soa = "cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. ";
    let cases = [
        ("nope.alpha.svc.cluster.local", "NXDOMAIN"),
        ("web.nowhere.svc.cluster.local AAAA", "NXDOMAIN"),
        ("web.alpha.svc.cluster.local AAAA", "NOERROR"),
        ("web.alpha.svc.cluster.local MX", "NOERROR"),
        ("cluster.local A", "NOERROR"),
        ("svc.cluster.local A", "NOERROR"),
    ];
    for (question, status) in cases {
        let reply = dig(server.address(), question);
        assert_eq!((reply.status.as_str(), reply.answer.len()), (status, 0), "{question}");
        assert_eq!(reply.authority.len(), 1, "{question}");
        assert!(reply.authority[0].starts_with(soa), "{question}: {:?}", reply.authority);
        assert_flags(&reply, "qr aa rd");
    }
}

#[test]
fn a_truncated_reply_is_asked_for_again_over_tcp() {
    let server = serve("loadbalance");
    let name = "crowd.shop.svc.cluster.local";
    // (options of the question, the most octets that fit)
    for (options, limit) in [("+noedns", 512), ("+bufsize=512", 512), ("+bufsize=700", 700)] {
        let short = dig(server.address(), &format!("{name} {options} +ignore"));
        assert_flags(&short, "qr aa tc rd");
        assert_eq!((short.protocol.as_str(), short.status.as_str()), ("UDP", "NOERROR"));
        assert!(short.size <= limit && short.size > limit - 30, "{options}: {}", short.size);

        let whole = dig(server.address(), &format!("{name} {options}"));
        assert!(whole.text.contains("Truncated, retrying in TCP mode"), "{}", whole.text);
        assert_flags(&whole, "qr aa rd");
        assert_eq!((whole.protocol.as_str(), whole.answer.len()), ("TCP", 60));
    }
    let fits = dig(server.address(), &format!("{name} +bufsize=1400"));
    assert_eq!((fits.protocol.as_str(), fits.answer.len()), ("UDP", 60));
    // OPT stays in a truncated reply (RFC 6891 §7).
    let edns = dig(server.address(), &format!("{name} +bufsize=512 +ignore"));
    assert!(edns.text.contains("; EDNS: version: 0, flags:;"), "{}", edns.text);
}

#[test]
fn the_case_of_a_question_is_kept() {
    let (server, _upstream) = serve_with_upstream();
    let name = "WeB.aLpHa.SvC.cLuStEr.LoCaL";
    let reply = dig(server.address(), name);
    assert_eq!(reply.question, [format!("{name}. IN A")]);
    assert_eq!(reply.answer, [format!("{name}. 30 IN A 10.97.0.12")]);
    // The answer is the upstream's own, the question stays the client's.
    let forwarded = dig(server.address(), "eXaMpLe.CoM");
    assert_eq!(forwarded.question, ["eXaMpLe.CoM. IN A"]);
    assert_eq!(forwarded.answer_data(), ["192.0.2.80"]);
    let missing = dig(server.address(), "NoPe.AlPhA.svc.cluster.local");
    assert_eq!(missing.question, ["NoPe.AlPhA.svc.cluster.local. IN A"]);
    assert_eq!(missing.status, "NXDOMAIN");
}

#[test]
fn edns_is_answered_in_kind() {
    let server = serve("loadbalance");
    let name = "web.alpha.svc.cluster.local";
    let dnssec = dig(server.address(), &format!("{name} +dnssec"));
    assert!(dnssec.text.contains("; EDNS: version: 0, flags: do;"), "{}", dnssec.text);
    let plain = dig(server.address(), &format!("{name} +noedns"));
    assert!(!plain.text.contains("EDNS"), "{}", plain.text);
    // RFC 6891 §6.1.3.
    let newer = dig(server.address(), &format!("{name} +edns=1 +noednsneg"));
    assert_eq!((newer.status.as_str(), newer.answer.len()), ("BADVERS", 0));
    // dig understands, and asks again with version 0.
    assert_eq!(dig_all(server.address(), &format!("{name} +edns=1"))[0].status, "NOERROR");
    let unknown_option = dig(server.address(), &format!("{name} +ednsopt=65001:abcd"));
    assert_eq!(unknown_option.answer.len(), 1);
    assert!(!unknown_option.text.contains("OPT=65001"), "{}", unknown_option.text);
}

#[test]
fn both_ip_versions_and_whoami() {
    let server = Server::start("cluster.local:0 {\n    whoami\n}\n");
    for (server, family, address) in [
        (server.address_at(Ipv4Addr::LOCALHOST.into()), "A", "127.0.0.1"),
        (server.address_at(Ipv6Addr::LOCALHOST.into()), "AAAA", "::1"),
    ] {
        for (options, protocol) in [("", "udp"), (" +tcp", "tcp")] {
            let reply = dig(server, &format!("who.cluster.local{options}"));
            assert_flags(&reply, "qr aa rd");
            let expected = format!("who.cluster.local. 0 IN {family} {address}");
            assert!(reply.additional.contains(&expected), "{}", reply.text);
            let port = format!("_{protocol}.who.cluster.local. 0 IN SRV 0 0 ");
            assert!(reply.additional.iter().any(|line| line.starts_with(&port)), "{}", reply.text);
        }
        let refused = dig(server, "example.org");
        assert_eq!(refused.status, "REFUSED", "no server block serves the name");
    }
}

#[test]
fn an_upstream_that_is_down_is_servfail_at_once() {
    let nobody = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut server = serve(&format!("forward . {nobody}"));
    let start = Instant::now();
    let reply = dig(server.address(), "example.com");
    assert!(start.elapsed() < FAILURE_LIMIT, "{:?}", start.elapsed());
    assert_eq!(reply.status, "SERVFAIL");
    assert!(reply.text.contains("; EDE: 23 (Network Error)"), "{}", reply.text);
    let error = server.wait_for_line("plugin/errors: ");
    assert!(error.contains(&nobody.to_string()), "{error}");
    let expected = "[ERROR] plugin/errors: 2 example.com. A: ";
    assert!(error.starts_with(expected) && error.contains("refused"), "{error}");
    // An alias out of the cluster stays, and the cluster's own names do not notice.
    let alias = dig(server.address(), "ext.alpha.svc.cluster.local");
    assert_eq!(alias.answer, ["ext.alpha.svc.cluster.local. 30 IN CNAME example.com."]);
    assert_eq!(dig(server.address(), "web.alpha.svc.cluster.local").answer.len(), 1);
}

#[test]
fn an_upstream_that_is_a_black_hole_is_servfail_in_time() {
    let hole = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut server = serve(&format!("forward . {}", hole.local_addr().unwrap()));
    let start = Instant::now();
    let reply = dig(server.address(), "example.com");
    assert!(start.elapsed() < FAILURE_LIMIT, "{:?}", start.elapsed());
    assert_eq!(reply.status, "SERVFAIL");
    assert!(reply.text.contains("; EDE: "), "{}", reply.text);
    let line = server.wait_for_line("\"A IN example.com. ");
    assert!(line.contains(" SERVFAIL qr,rd "), "{line}");
    let error = server.wait_for_line("plugin/errors: ");
    assert!(error.starts_with("[ERROR] plugin/errors: 2 example.com. A: "), "{error}");
}

#[test]
fn pipelined_questions_are_answered_out_of_order() {
    let hole = UdpSocket::bind("127.0.0.1:0").unwrap();
    let server = serve(&format!("forward . {} {{\n    prefer_udp\n}}", hole.local_addr().unwrap()));
    let mut client = TcpClient::new(server.address());
    client.send(&query(1, "slow.example.com.", "A", 0));
    for id in 2..=20 {
        client.send(&query(id, "web.alpha.svc.cluster.local.", "A", 0));
    }
    let quick: BTreeSet<u16> = (2..=20).map(|_| client.receive().metadata.id).collect();
    assert_eq!(quick, (2..=20).collect(), "what waits for an upstream holds nothing up");
    let slow = client.receive();
    assert_eq!((slow.metadata.id, records::rcode(&slow)), (1, "SERVFAIL"));
}

#[test]
fn one_connection_carries_many_questions_until_it_is_idle() {
    let mut server = serve("loadbalance");
    let mut questions = "+tcp +keepopen".to_owned();
    for _ in 0..50 {
        questions.push_str(" web.alpha.svc.cluster.local A");
    }
    let replies = dig_all(server.address(), &questions);
    assert_eq!(replies.len(), 50);
    assert!(replies.iter().all(|reply| reply.answer_data() == ["10.97.0.12"]));
    let log = server.wait_for_line(&format!(" - {} ", replies[49].id));
    let client = log.split(' ').nth(1).unwrap();
    let lines = server.log();
    let from_client = lines.lines().filter(|line| line.split(' ').nth(1) == Some(client));
    assert_eq!(from_client.count(), 50, "all from {client}");

    // RFC 7766 §6.2.3: a connection without questions is closed, not before some seconds.
    let mut idle = TcpClient::new(server.address());
    assert_eq!(idle.ask("web.alpha.svc.cluster.local.", "A", 0).answers.len(), 1);
    let start = Instant::now();
    assert_eq!(idle.stream.read(&mut [0; 1]).unwrap(), 0, "closed by the server");
    let seconds = start.elapsed().as_secs();
    assert!((5..=15).contains(&seconds), "closed after {seconds} s");
}

#[test]
fn loadbalance_rotates() {
    let server = serve("loadbalance");
    let first = |_| dig(server.address(), "hl.alpha.svc.cluster.local").answer[0].clone();
    let firsts: BTreeSet<String> = (0..40).map(first).collect();
    assert_eq!(firsts.len(), 3, "every address comes first at times: {firsts:?}");
}

#[test]
fn a_log_line_is_as_coredns_writes_it() {
    let (mut server, _upstream) = serve_with_upstream();
    // (question, the quoted part without the size, rcode and flags)
    let cases = [
        (
            "web.alpha.svc.cluster.local",
            ("A IN web.alpha.svc.cluster.local. udp ", " false 1232"),
            "NOERROR qr,aa,rd",
        ),
        (
            "WEB.alpha.svc.cluster.local AAAA +tcp +noedns",
            ("AAAA IN web.alpha.svc.cluster.local. tcp ", " false 65535"),
            "NOERROR qr,aa,rd",
        ),
        (
            "nope.alpha.svc.cluster.local SRV +dnssec +norecurse",
            ("SRV IN nope.alpha.svc.cluster.local. udp ", " true 1232"),
            "NXDOMAIN qr,aa",
        ),
        (
            "crowd.shop.svc.cluster.local +ignore +noedns",
            ("A IN crowd.shop.svc.cluster.local. udp ", " false 512"),
            "NOERROR qr,aa,tc,rd",
        ),
        ("example.com", ("A IN example.com. udp ", " false 1232"), "NOERROR qr,aa,rd"),
    ];
    for (question, (before_size, after_size), outcome) in cases {
        let reply = dig(server.address(), question);
        let line = server.wait_for_line(&format!(" - {} \"", reply.id));
        let rest = line.strip_prefix("[INFO] 127.0.0.1:").unwrap();
        let (port, rest) = rest.split_once(" - ").unwrap();
        assert!(port.parse::<u16>().is_ok(), "{line}");
        let rest = rest.strip_prefix(&format!("{} \"{before_size}", reply.id)).unwrap();
        let (size, rest) = rest.split_once(&format!("{after_size}\" ")).unwrap();
        assert!(size.parse::<usize>().unwrap() > 12, "{line}");
        let rest = rest.strip_prefix(&format!("{outcome} {} ", reply.size));
        let duration = rest.unwrap_or_else(|| panic!("{line}, not {outcome} {}", reply.size));
        assert!(duration.strip_suffix('s').unwrap().parse::<f64>().unwrap() < 6.0, "{line}");
    }
    let v6 = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), server.address().port());
    let reply = dig(v6, "web.alpha.svc.cluster.local");
    let line = server.wait_for_line(&format!(" - {} \"", reply.id));
    assert!(line.starts_with("[INFO] [::1]:"), "{line}");
}

#[test]
fn health_ready_and_metrics_answer() {
    let mut server =
        serve("health 127.0.0.1:0\nready 127.0.0.1:0\nprometheus 127.0.0.1:0\nloadbalance");
    let health = server.endpoint("/health");
    assert_eq!(http_get(health, "/health"), (200, "OK".to_owned()));
    let ready = server.endpoint("/ready");
    assert_eq!(http_get(ready, "/ready"), (200, "OK".to_owned()));
    assert_eq!(http_get(health, "/nothing").0, 404);

    dig(server.address(), "web.alpha.svc.cluster.local");
    dig(server.address(), "nope.alpha.svc.cluster.local +tcp");
    let (status, metrics) = http_get(server.endpoint("/metrics"), "/metrics");
    assert_eq!(status, 200);
    for line in [
        "coredns_dns_requests_total{family=\"1\",proto=\"udp\",server=\"dns://:0\",type=\"A\",view=\"\",zone=\".\"} 1",
        "coredns_dns_requests_total{family=\"1\",proto=\"tcp\",server=\"dns://:0\",type=\"A\",view=\"\",zone=\".\"} 1",
        "coredns_dns_responses_total{plugin=\"kubernetes\",rcode=\"NXDOMAIN\",server=\"dns://:0\",view=\"\",zone=\".\"} 1",
        "coredns_panics_total 0",
    ] {
        assert!(metrics.lines().any(|found| found == line), "no {line} in\n{metrics}");
    }
}

#[test]
fn a_reply_comes_from_the_address_that_was_asked() {
    inside("a_reply_comes_from_the_address_that_was_asked", || {
        let server = serve("loadbalance");
        // From 127.0.0.1 the way back would start there, and dig drops a reply from elsewhere.
        for (client, asked) in [("127.0.0.1", V4), (V4, "127.0.0.1"), ("127.0.0.1", "127.0.0.2")] {
            let address = server.address_at(asked.parse().unwrap());
            for options in ["", "+tcp"] {
                let question = format!("-b {client} web.alpha.svc.cluster.local {options}");
                assert_eq!(dig(address, &question).answer.len(), 1, "{question} @{asked}");
            }
        }
        let v6 = server.address_at("2001:db8::1".parse().unwrap());
        assert_eq!(dig(v6, "-b ::1 web.alpha.svc.cluster.local").answer.len(), 1);
        // Nobody listens beside the port.
        let beside = SocketAddr::new(v6.ip(), v6.port() ^ 1);
        assert!(dig_in_vain(beside, "web.alpha.svc.cluster.local").contains("refused"));
    });
}

#[test]
fn an_upstream_may_be_a_host_name() {
    inside("an_upstream_may_be_a_host_name", || {
        let directory = tempfile::tempdir().unwrap();
        let zone = directory.path().join("zone");
        let text = std::fs::read_to_string(fixture("dns-cases/upstream.zone")).unwrap();
        std::fs::write(&zone, text + "dns.upstream.test. IN A 127.0.0.1\n").unwrap();
        let resolver = Upstream::start(&zone).address;
        let name = format!("dns.upstream.test:{}", resolver.port());
        let server = serve(&format!("forward . {name} {{\n    resolver {resolver}\n}}"));
        let address = server.address();
        assert_eq!(dig(address, "example.com").answer, ["example.com. 300 IN A 192.0.2.80"]);

        // A name that nobody knows does not keep the server from starting.
        let mut server = serve(&format!("forward . gone.test {{\n    resolver {resolver}\n}}"));
        let address = server.address();
        assert_eq!(dig(address, "web.alpha.svc.cluster.local").answer.len(), 1);
        let reply = dig(address, "example.com");
        assert_eq!(reply.status, "SERVFAIL");
        assert!(reply.text.contains("EDE: 22"), "{}", reply.text);
        server.wait_for_line("2 example.com. A: gone.test:53 is not resolved");
    });
}

#[test]
fn a_resolver_configured_like_a_pod_finds_short_names() {
    inside_with_mounts("a_resolver_configured_like_a_pod_finds_short_names", || {
        let upstream = Upstream::start(&fixture("dns-cases/upstream.zone"));
        let _server = serve_at(".:53", &format!("loadbalance\nforward . {}", upstream.address));
        let search = "search alpha.svc.cluster.local svc.cluster.local cluster.local";
        cover("/etc/resolv.conf", &format!("nameserver {V4}\n{search}\noptions ndots:5\n"));

        for name in ["web", "web.alpha", "web.alpha.svc", "web.alpha.svc.cluster.local"] {
            let replies = dig_like_a_pod(&format!("+search +ndots=5 {name}"));
            let found = replies.last().unwrap();
            assert_eq!(found.answer, ["web.alpha.svc.cluster.local. 30 IN A 10.97.0.12"], "{name}");
        }
        // The resolver's own options say the same, and every search domain is tried on the way outside.
        let outside = dig_like_a_pod("+search +showsearch www.example.com");
        let statuses: Vec<&str> = outside.iter().map(|reply| reply.status.as_str()).collect();
        assert_eq!(statuses, ["NXDOMAIN", "NXDOMAIN", "NXDOMAIN", "NOERROR"]);
        assert_eq!(outside[3].answer.len(), 2);

        // The resolver of the C library, over UDP.
        let hosts = |name: &str| run("getent", &["ahostsv4", name]);
        for name in ["web", "web.alpha", "ext-in"] {
            assert!(hosts(name).starts_with("10.97.0.12"), "{name}");
        }
        assert!(hosts("www.example.com").starts_with("192.0.2.80"));
        assert!(run("getent", &["ahostsv6", "web.shop"]).starts_with("fd00:97::1"));
        assert!(run("getent", &["hosts", "10.97.0.12"]).contains("web.alpha.svc.cluster.local"));
        // 60 addresses come over TCP after a truncated reply.
        let crowd = hosts("crowd.shop");
        assert_eq!(crowd.lines().filter(|line| line.contains("STREAM")).count(), 60, "{crowd}");
    });
}
