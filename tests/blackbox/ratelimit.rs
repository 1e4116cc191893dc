//! Clients that ask more than they may: real `dig` against the real binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use portolan_tests::client::http_get;
use portolan_tests::dig::{Dug, dig, dig_all, dig_in_vain};
use portolan_tests::server::Server;

/// Starts a server with a limit that no test waits out, and that holds for loopback addresses.
fn start(lines: &str) -> Server {
    Server::start(&format!(
        ".:0 {{
            prometheus 127.0.0.1:0
            log
            ratelimit {{
                rate 1
                burst 3
                exempt 127.0.0.9
                {lines}
            }}
            erratic {{
                drop 0
            }}
        }}"
    ))
}

/// How often is asked until a limit shows. One query a second passes, and a slow machine may need as long for one.
const ATTEMPTS: usize = 100;

/// Asks until a reply comes that the limit has made, and returns it.
fn until_limited(server: &Server, options: &str, limited: impl Fn(&Dug) -> bool) -> Dug {
    let mut asked =
        (0..ATTEMPTS).map(|_| dig(server.address(), &format!("a.example +ignore {options}")));
    asked.find(limited).unwrap()
}

/// The same, from a client that has not asked too much before: the burst passes.
fn exhaust(server: &Server, options: &str, limited: impl Fn(&Dug) -> bool) -> Dug {
    for _ in 0..2 {
        let reply = dig(server.address(), &format!("a.example +ignore {options}"));
        assert_eq!(reply.answer_data(), ["192.0.2.53"], "{}", reply.text);
    }
    until_limited(server, options, limited)
}

fn metrics(server: &mut Server) -> String {
    http_get(server.endpoint("/metrics"), "/metrics").1
}

#[test]
fn who_asks_too_much_is_refused_and_told_why() {
    let mut server = start("");
    let refused = exhaust(&server, "+nocookie", |reply| reply.status == "REFUSED");
    let why = "; EDE: 0 (Other): (above the rate limit of this server)";
    assert!(refused.text.contains(why), "{}", refused.text);
    for other in ["127.0.0.2", "127.0.0.9"] {
        let reply = dig(server.address(), &format!("a.example -b {other}"));
        assert_eq!(reply.status, "NOERROR", "{other}");
    }
    let text = metrics(&mut server);
    let limited = "portolan_ratelimit_limited_total{action=\"refuse\",server=\"dns://:0\",view=\"\",zone=\".\"} ";
    let value = text.lines().find_map(|line| line.strip_prefix(limited));
    let refused: u32 = value.unwrap().parse().unwrap();
    assert!(refused >= 1, "{text}");
    let counted = "coredns_dns_responses_total{plugin=\"ratelimit\",rcode=\"REFUSED\"";
    let count = text.lines().find(|line| line.starts_with(counted)).unwrap();
    assert!(count.ends_with(&format!(" {refused}")), "{count}");
    assert!(!server.log().contains("REFUSED"), "a flood does not fill the log");
}

/// The client of a forged address goes over to TCP, as TC tells it, and is answered.
#[test]
fn a_real_client_gets_its_answer_over_tcp() {
    let server = start("action truncate");
    let cut = exhaust(&server, "+nocookie", |reply| reply.has_flag("tc"));
    assert_eq!((cut.status.as_str(), cut.answer.len()), ("NOERROR", 0));
    let mut asked = (0..ATTEMPTS).map(|_| dig_all(server.address(), "a.example +nocookie"));
    let last =
        asked.find_map(|replies| replies.into_iter().next_back().filter(|r| r.protocol == "TCP"));
    assert_eq!(last.unwrap().answer_data(), ["192.0.2.53"]);
}

/// A cookie proves the address: what others ask in its name takes nothing from the client.
#[test]
fn a_client_with_a_cookie_is_counted_apart() {
    let server = start("action truncate");
    let first = dig(server.address(), "a.example +cookie=2464c4abcf10c957");
    let cookie = first.text.split("COOKIE: ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    exhaust(&server, "+nocookie", |reply| reply.has_flag("tc"));
    let known = dig(server.address(), &format!("a.example +ignore +cookie={cookie}"));
    assert_eq!((known.protocol.as_str(), known.answer_data()), ("UDP", vec!["192.0.2.53"]));
    until_limited(&server, "+cookie=0011223344556677", |forged| forged.has_flag("tc"));
    let refused =
        until_limited(&server, &format!("+cookie={cookie}"), |reply| reply.status == "REFUSED");
    assert!(!refused.has_flag("tc"));
}

#[test]
fn what_is_dropped_has_no_answer_but_for_the_slips() {
    let mut server = start("action drop");
    let queries = "a.example +nocookie ".repeat(20);
    let text = dig_in_vain(server.address(), &queries);
    assert!(text.contains("timed out") || text.contains("no servers could be reached"), "{text}");
    let mut slipping = start("action drop slip 1");
    assert!(exhaust(&slipping, "+nocookie", |reply| reply.has_flag("tc")).answer.is_empty());
    assert!(metrics(&mut server).contains("portolan_ratelimit_limited_total{action=\"drop\""));
    let text = metrics(&mut slipping);
    let dropped = text.lines().find(|line| line.contains("action=\"drop\"")).unwrap();
    assert!(dropped.ends_with(" 0"), "every one slips: {dropped}");
}
