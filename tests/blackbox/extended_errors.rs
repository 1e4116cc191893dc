//! Every failure that the server makes says why (RFC 8914): what provokes it, its INFO-CODE and its text, as `dig`
//! shows them. Those of `ratelimit` and of a required cookie are in `ratelimit.rs` and `cookies.rs`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::net::{SocketAddr, UdpSocket};

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::{RData, Record};
use portolan_tests::client::{UdpClient, query};
use portolan_tests::dig::{Dug, dig};
use portolan_tests::fixture;
use portolan_tests::server::{Server, write};
use portolan_tests::stage::until;

/// What an upstream answers; none for silence.
type Respond = fn(&mut Message);

/// Starts an upstream.
fn upstream(respond: Respond) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65_535];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let Ok(query) = Message::from_vec(&buffer[..length]) else { continue };
            let mut reply =
                Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
            reply.add_query(query.queries[0].clone());
            reply.edns = query.edns.clone();
            respond(&mut reply);
            if socket.send_to(&reply.to_vec().unwrap(), from).is_err() {
                return;
            }
        }
    });
    address
}

/// An address where nobody answers, and which refuses.
fn closed() -> SocketAddr {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Asserts status and error of a reply, that a client without EDNS gets neither OPT nor error, and the same status.
fn assert_failure(server: SocketAddr, words: &str, status: &str, error: &str) {
    let reply = dig(server, &format!("{words} +nocookie"));
    assert_eq!(reply.status, status, "{words}: {}", reply.text);
    assert!(has_error(&reply, error), "{words}: no {error} in {}", reply.text);
    // What is wrong in OPT cannot be wrong without.
    if words.contains("+edns") {
        return;
    }
    let plain = dig(server, &format!("{words} +noedns +nocookie"));
    assert_eq!(plain.status, status, "{words}: {}", plain.text);
    assert!(!plain.text.contains("EDE") && !plain.text.contains("OPT PSEUDO"), "{}", plain.text);
}

fn has_error(reply: &Dug, error: &str) -> bool {
    let errors: Vec<&str> =
        reply.text.lines().filter_map(|line| line.strip_prefix("; EDE: ")).collect();
    // Each failure says why once.
    matches!(errors.as_slice(), [told] if told.starts_with(error))
}

/// What no server block decides.
#[test]
fn failures_of_the_server() {
    let server = Server::start(
        "example.org:0 {
            whoami
        }
        empty.example:0 {
        }
        mute.example:0 {
            cache
        }
        view.example:0 {
            view none {
                expr false
            }
            whoami
        }",
    );
    for (words, status, error) in [
        (
            "elsewhere.example",
            "REFUSED",
            "20 (Not Authoritative): (no server block serves this name",
        ),
        ("a.view.example", "REFUSED", "20 (Not Authoritative): (no server block serves this name"),
        ("a.example.org CH A", "REFUSED", "20 (Not Authoritative): (only the class IN is served"),
        ("a.empty.example", "REFUSED", "20 (Not Authoritative): (the server block has no plugins"),
        (
            "a.mute.example",
            "SERVFAIL",
            "0 (Other): (no plugin of the server block answers this query)",
        ),
    ] {
        assert_failure(server.address(), words, status, error);
    }
    // What comes before every server block: over UDP, where addresses can be forged, the reply has the code alone.
    for (words, status, error) in [
        ("a.example.org +opcode=NOTIFY", "NOTIMP", "21 (Not Supported): (only the opcode QUERY"),
        ("a.example.org +opcode=UPDATE", "NOTIMP", "21 (Not Supported): (only the opcode QUERY"),
        ("+header-only", "FORMERR", "0 (Other): (a query has one question and nothing but it"),
        ("a.example.org +ednsopt=10:00", "FORMERR", "0 (Other): (no COOKIE has this length"),
        (
            "a.example.org +edns=1 +noednsneg",
            "BADVERS",
            "21 (Not Supported): (EDNS version 0 is served",
        ),
    ] {
        assert_failure(server.address(), &format!("{words} +tcp"), status, error);
        let reply = dig(server.address(), &format!("{words} +nocookie"));
        let (code, _) = error.split_once(": ").unwrap();
        let told = format!("; EDE: {code}");
        assert!(
            reply.text.lines().any(|line| line.trim_end_matches(':').trim() == told),
            "{words}: {}",
            reply.text
        );
    }
}

/// What plugins decide from memory.
#[test]
fn failures_of_plugins() {
    let manifests = fixture("dig").display().to_string();
    let zone = "@ SOA ns admin 1 7200 1800 86400 30\n@ NS ns\nns A 192.0.2.53\n";
    let directory = tempfile::tempdir().unwrap();
    let (file, hosts) = (directory.path().join("zone"), directory.path().join("hosts"));
    write(&file, zone);
    write(&hosts, "192.0.2.1 known.hosts.example\n");
    let blocks = [
        ("acl.example", "acl {\n block\n}\nwhoami".to_owned()),
        ("filter.example", "acl {\n filter\n}\nwhoami".into()),
        ("erratic.example", "erratic {\n drop 0\n}".into()),
        ("late.example", "cancel 10ms\nerratic {\n delay 1 10s\n}".into()),
        ("cluster.local", format!("kubernetes cluster.local {{\n manifests {manifests}\n}}")),
        ("zone.example", format!("file {} zone.example", file.display())),
        ("hosts.example", format!("hosts {} hosts.example", hosts.display())),
        (
            "no.template.example",
            "template IN A {\n match ^never$\n answer \"x A 192.0.2.1\"\n}".into(),
        ),
        ("rcode.template.example", "template IN ANY {\n rcode REFUSED\n}".into()),
        ("ede.template.example", "template IN ANY {\n rcode SERVFAIL\n ederror 21 own\n}".into()),
        (
            "bad.template.example",
            "template IN A {\n answer \"{{ .Name }} A {{ .Zone }}\"\n}".into(),
        ),
        ("rewrite.example", "rewrite rcode regex .* NOERROR SERVFAIL\nwhoami".into()),
        ("transfer.example", format!("forward . {}", closed())),
    ];
    let blocks = blocks.map(|(zone, lines)| format!("{zone}:0 {{\n{lines}\n}}\n"));
    let server = Server::start(&blocks.concat());
    let address = server.address();
    for (words, status, error) in [
        ("a.acl.example", "REFUSED", "15 (Blocked): (blocked by an access rule"),
        ("a.filter.example", "NOERROR", "17 (Filtered): (filtered by an access rule"),
        ("a.erratic.example MX", "SERVFAIL", "0 (Other): (erratic answers A, AAAA and AXFR only"),
        ("a.late.example", "SERVFAIL", "0 (Other): ("),
        ("a.hosts.example", "SERVFAIL", "0 (Other): (the name is not in the hosts file"),
        (
            "a.no.template.example",
            "SERVFAIL",
            "0 (Other): (no template of this server answers this query)",
        ),
        ("a.rcode.template.example", "REFUSED", "0 (Other): (a template of this server answers"),
        ("a.ede.template.example", "SERVFAIL", "21 (Not Supported): (own"),
        (
            "a.bad.template.example",
            "SERVFAIL",
            "0 (Other): (no template of this server answers this query)",
        ),
        ("a.rewrite.example", "SERVFAIL", "0 (Other): (a rule of this server made the rcode"),
    ] {
        assert_failure(address, words, status, error);
    }
    for zone in ["cluster.local.", "zone.example.", "transfer.example."] {
        assert_no_transfer(address, zone);
    }
}

/// Transfers, whose errors `dig` does not show.
fn assert_no_transfer(server: SocketAddr, zone: &str) {
    let reply = UdpClient::new(server).ask(zone, "AXFR", 1232);
    assert_eq!(reply.metadata.response_code, ResponseCode::Refused, "{zone}");
    let edns = reply.edns.unwrap();
    let error: Vec<u8> = edns.option(EdnsCode::from(15)).unwrap().try_into().unwrap();
    assert!(error.starts_with(&[0, 18]) && error.len() > 2, "{zone}: {error:?}");
}

/// What `forward` makes of upstreams that do not answer.
#[test]
fn failures_of_upstreams() {
    let refusing = closed();
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let silence = silent.local_addr().unwrap();
    let server = Server::start(&format!(
        "closed.example:0 {{
            forward . {refusing} {{
                max_fails 0
            }}
        }}
        busy.example:0 {{
            forward . {silence} {{
                max_concurrent 1
                max_fails 0
            }}
        }}"
    ));
    let address = server.address();
    let failed = "23 (Network Error): (no upstream gives an answer)";
    assert_failure(address, "a.closed.example", "SERVFAIL", failed);
    // One question waits for the silent upstream, and no other may.
    let waiting = UdpSocket::bind("127.0.0.1:0").unwrap();
    let question = query(1, "first.busy.example", "A", 0);
    waiting.send_to(&question.to_vec().unwrap(), address).unwrap();
    silent.recv(&mut [0; 512]).unwrap();
    let busy = "0 (Other): (too many queries are being forwarded";
    assert_failure(address, "a.busy.example", "REFUSED", busy);
}

/// A cluster that has not been listed is not an empty one.
#[test]
fn failures_before_the_cluster_is_known() {
    let server = Server::start(
        ".:0 {
            kubernetes cluster.local {
                endpoint http://127.0.0.1:1
                startup_timeout 0s
            }
        }",
    );
    let words = "a.b.svc.cluster.local";
    assert_failure(server.address(), words, "SERVFAIL", "14 (Not Ready): (");
}

fn bogus(reply: &mut Message) {
    reply.metadata.response_code = ResponseCode::ServFail;
    let options = reply.edns.get_or_insert_default().options_mut();
    options.insert(EdnsOption::Unknown(15, b"\x00\x06signature expired".to_vec()));
}

/// What an upstream says goes to the client with its answer, also from the cache.
#[test]
fn errors_of_upstreams_are_passed_on() {
    let server = Server::start(&format!(
        ".:0 {{
            cache {{
                servfail 30s
            }}
            forward . {}
        }}",
        upstream(bogus)
    ));
    for _ in 0..2 {
        let error = "6 (DNSSEC Bogus): (signature expired";
        assert_failure(server.address(), "bogus.example", "SERVFAIL", error);
    }
}

/// RFC 8767 §4: an answer that has expired says so.
#[test]
fn stale_answers_say_so() {
    fn once(reply: &mut Message) {
        let name = reply.queries[0].name().clone();
        reply.add_answer(Record::from_rdata(name, 1, RData::A(A::new(192, 0, 2, 7))));
    }
    let socket = upstream(once);
    let server = Server::start(&format!(
        ".:0 {{
            cache {{
                success 100 1 0
                serve_stale 1h immediate
            }}
            forward . {socket}
        }}"
    ));
    let ask = || dig(server.address(), "a.example +nocookie");
    assert_eq!(ask().answer_data(), ["192.0.2.7"]);
    let stale = |reply: &Dug| has_error(reply, "3 (Stale Answer): (expired");
    // Until the second is over.
    let reply = until("a stale answer", ask, stale);
    assert_eq!(reply.answer_data(), ["192.0.2.7"]);
}

/// Upstreams, files and lines are for the operator, who finds them in the log.
#[test]
fn what_clients_are_told_names_no_address_and_no_file() {
    let upstream = closed();
    let mut server = Server::start(&format!(
        "mute.example:0 {{
            errors
            cache
        }}
        closed.example:0 {{
            errors
            forward . {upstream}
        }}
        template.example:0 {{
            errors
            template IN A {{
                match ^never$
            }}
        }}"
    ));
    let directory = server.directory.path().display().to_string();
    for (name, logged) in [
        ("a.mute.example", format!("{directory}/Corefile:1")),
        ("a.closed.example", upstream.to_string()),
        ("a.template.example", format!("{directory}/Corefile:11")),
    ] {
        let reply = dig(server.address(), name);
        let told = reply.text.lines().find(|line| line.starts_with("; EDE: ")).unwrap();
        assert!(!told.contains("Corefile") && !told.contains("127.0.0.1"), "{told}");
        let line = server.wait_for_line(&format!("2 {name}. A: "));
        assert!(line.contains(&logged), "{line}");
    }
}
