//! DNS Cookies (RFC 7873, RFC 9018) as `dig` and `kdig` use them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by panicking"
)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, channel};
use std::time::{SystemTime, UNIX_EPOCH};

use dns::cookie::{Cookie, Secret, ServerCookie};
use hickory_proto::op::{Message, MessageType};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::rdata::opt::EdnsCode;
use hickory_proto::rr::{RData, Record};
use portolan_tests::dig::{Dug, dig};
use portolan_tests::namespace::run;
use portolan_tests::server::{Server, write};
use portolan_tests::stage::{metric, until};

const CLIENT: &str = "2464c4abcf10c957";

const ONE: Secret = [1; 16];
const TWO: Secret = [2; 16];

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A server that answers every A with 192.0.2.53, with these lines of `cookie`.
fn corefile(cookie: &str) -> String {
    format!(".:0 {{\n    cookie {cookie}\n    erratic {{\n        drop 0\n    }}\n}}\n")
}

fn requiring(secrets: &[Secret]) -> String {
    let secrets: Vec<String> = secrets.iter().map(|secret| hex(secret)).collect();
    corefile(&format!("{{\n        secret {}\n        require\n    }}", secrets.join(" ")))
}

fn ask(server: &Server, options: &str) -> Dug {
    dig(server.address(), &format!("www.example.org {options}"))
}

/// Asks once with a client cookie and this server cookie.
fn ask_with(server: &Server, cookie: &str, options: &str) -> Dug {
    ask(server, &format!("+nobadcookie +cookie={CLIENT}{cookie} {options}"))
}

/// Returns the server cookie of a reply, which `dig` found to be one for its own.
fn server_cookie(reply: &Dug) -> String {
    let line = reply.text.lines().find(|line| line.contains("COOKIE: ")).unwrap_or_default();
    let cookie = line.split("COOKIE: ").nth(1).unwrap_or_default();
    let cookie = cookie.strip_suffix(" (good)").unwrap_or_else(|| panic!("{}", reply.text));
    assert_eq!(cookie.len(), 48, "{}", reply.text);
    cookie[16..].to_owned()
}

fn now() -> u32 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u32::try_from(now.as_secs()).unwrap()
}

/// Returns the server cookie that a server with this secret would have made at this time.
fn made(secret: Secret, at: u32) -> String {
    let client = u64::from_str_radix(CLIENT, 16).unwrap().to_be_bytes();
    let cookie = Cookie { client, server: ServerCookie::Absent, checked: None };
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    hex(&cookie.checked(&[secret], localhost, at).checked.unwrap().reply)
}

/// Nothing has to be configured.
#[test]
fn dig_gets_a_cookie_and_keeps_it() {
    let mut server = Server::start(".:0 {\n    erratic {\n        drop 0\n    }\n}\n");
    let first = ask(&server, &format!("+cookie={CLIENT}"));
    let cookie = server_cookie(&first);
    assert!(cookie.starts_with("01000000"), "RFC 9018: {cookie}");
    assert_eq!(first.answer_data(), ["192.0.2.53"]);
    for options in ["", "+tcp"] {
        assert_eq!(server_cookie(&ask_with(&server, &cookie, options)), cookie);
    }
    let renewed = server_cookie(&ask_with(&server, &"ab".repeat(16), ""));
    assert_ne!(renewed, "ab".repeat(16));
    assert!(!ask(&server, "+nocookie").text.contains("COOKIE"));
    let count = |server: &mut Server, result: &str| {
        metric(server, "portolan_dns_cookies_total", &format!("\"{result}\""))
    };
    assert_eq!(
        ["absent", "valid", "invalid"].map(|result| count(&mut server, result)),
        [1.0, 2.0, 1.0]
    );
}

#[test]
fn kdig_gets_a_cookie_and_shows_it() {
    let server = Server::start(&requiring(&[ONE]));
    let address = server.address();
    let port = address.port().to_string();
    let ask = |cookie: &str| {
        let cookie = format!("+cookie={CLIENT}{cookie}");
        run("kdig", &["@127.0.0.1", "-p", &port, "+nobadcookie", &cookie, "www.example.org"])
    };
    let text = ask("");
    assert!(text.contains("status: BADCOOKIE"), "{text}");
    let text = ask(&made(ONE, now()));
    assert!(text.contains("status: NOERROR") && text.contains("192.0.2.53"), "{text}");
    // With its default it asks again with what it was given.
    let text = run("kdig", &["@127.0.0.1", "-p", &port, "+cookie", "www.example.org"]);
    assert!(text.contains("status: NOERROR") && text.contains("192.0.2.53"), "{text}");
}

#[test]
fn every_error_has_a_cookie() {
    let server = Server::start("example.org:0 {\n    erratic {\n        drop 0\n    }\n}\n");
    for (status, words) in [
        ("REFUSED", "elsewhere.example"),
        ("REFUSED", "www.example.org CH A"),
        ("SERVFAIL", "www.example.org MX"),
        ("NOTIMP", "www.example.org +opcode=NOTIFY"),
        ("BADVERS", "www.example.org +edns=1 +noednsneg"),
        ("NOERROR", "+header-only"),
    ] {
        let reply = dig(server.address(), &format!("{words} +cookie={CLIENT}"));
        assert_eq!(reply.status, status, "{words}: {}", reply.text);
        server_cookie(&reply);
    }
}

/// RFC 7873 §5.2.2.
#[test]
fn a_cookie_of_a_wrong_length_is_a_format_error() {
    let server = Server::start(&corefile(""));
    for length in [1, 7, 9, 15, 41] {
        let words = format!("+nocookie +ednsopt=10:{}", "00".repeat(length));
        assert_eq!(ask(&server, &words).status, "FORMERR", "{length}");
        // Over UDP the text may be left out.
        let reply = ask(&server, &format!("{words} +tcp"));
        assert_eq!(reply.status, "FORMERR", "{length}");
        assert!(
            reply.text.contains("; EDE: 0 (Other): (no COOKIE has this length)"),
            "{}",
            reply.text
        );
    }
    assert_eq!(
        ask(&server, &format!("+nocookie +ednsopt=10:{}", "00".repeat(40))).status,
        "NOERROR"
    );
}

#[test]
fn off_is_off() {
    let server = Server::start(&corefile("off"));
    let reply = ask(&server, &format!("+cookie={CLIENT}"));
    assert_eq!(reply.status, "NOERROR");
    assert!(!reply.text.contains("COOKIE"), "{}", reply.text);
    assert_eq!(dig(server.address(), "+header-only").status, "FORMERR");
}

/// BADCOOKIE only over UDP, and only for clients that know cookies.
#[test]
fn a_required_cookie() {
    let mut server = Server::start(&requiring(&[ONE]));
    let refused = ask_with(&server, "", "");
    assert_eq!((refused.status.as_str(), refused.answer.len()), ("BADCOOKIE", 0));
    let cookie = server_cookie(&refused);
    assert_eq!(ask_with(&server, &cookie, "").status, "NOERROR");
    assert_eq!(ask_with(&server, "", "+tcp").status, "NOERROR");
    assert_eq!(ask(&server, "+nocookie").status, "NOERROR");
    assert_eq!(ask_with(&server, &cookie, "-b 127.0.0.2").status, "BADCOOKIE", "another client");
    // dig asks again with the cookie of the refusal.
    let replies = portolan_tests::dig::dig_all(server.address(), "www.example.org +badcookie");
    assert_eq!(replies.last().unwrap().status, "NOERROR", "{replies:?}");
    let refused = metric(&mut server, "portolan_dns_rejected_total", "\"badcookie\"");
    assert!(refused >= 2.0, "{refused}");
}

/// RFC 9018 §4.3: an hour back, five minutes ahead.
#[test]
fn a_cookie_has_its_time() {
    let server = Server::start(&requiring(&[ONE]));
    for (age, status) in [
        (0, "NOERROR"),
        (3500, "NOERROR"),
        (3700, "BADCOOKIE"),
        (-200, "NOERROR"),
        (-400, "BADCOOKIE"),
        (1 << 30, "BADCOOKIE"),
    ] {
        let sent = made(ONE, now().wrapping_add_signed(-age));
        let reply = ask_with(&server, &sent, "");
        assert_eq!(reply.status, status, "{age} s old: {}", reply.text);
        assert_eq!(server_cookie(&reply) == sent, (-300..1800).contains(&age), "{age} s old");
    }
}

/// Servers behind one address take each other's cookies when they share a secret.
#[test]
fn replicas_share_a_secret() {
    let [one, other, stranger] = [ONE, ONE, TWO].map(|secret| Server::start(&requiring(&[secret])));
    let cookie = server_cookie(&ask_with(&one, "", ""));
    assert_eq!(ask_with(&other, &cookie, "").status, "NOERROR");
    assert_eq!(ask_with(&stranger, &cookie, "").status, "BADCOOKIE");
}

/// A secret goes in three steps, and no client with a cookie is refused on the way (RFC 9018 §5).
#[test]
fn a_secret_is_replaced_by_reloads() {
    let mut server = Server::start(&requiring(&[ONE]));
    let old = server_cookie(&ask_with(&server, "", ""));
    let mut reloads = 0;
    let mut reload = |server: &mut Server, secrets: &[Secret]| {
        write(&server.directory.path().join("Corefile"), &requiring(secrets));
        server.signal("USR1");
        reloads += 1;
        let complete = || server.log().matches("Reloading complete").count();
        until("the reload", complete, |seen| *seen >= reloads);
    };
    reload(&mut server, &[ONE, TWO]);
    assert_eq!(server_cookie(&ask_with(&server, &old, "")), old);
    reload(&mut server, &[TWO, ONE]);
    let reply = ask_with(&server, &old, "");
    let new = server_cookie(&reply);
    assert_eq!(reply.status, "NOERROR");
    assert_ne!(new, old);
    reload(&mut server, &[TWO]);
    assert_eq!(ask_with(&server, &new, "").status, "NOERROR");
    assert_eq!(ask_with(&server, &old, "").status, "BADCOOKIE");
}

/// Starts an upstream that answers every A with 192.0.2.7 and tells the COOKIE options that come to it.
fn upstream() -> (SocketAddr, Receiver<usize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (sender, seen) = channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65_535];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let Ok(query) = Message::from_vec(&buffer[..length]) else { continue };
            let options = query.edns.iter().flat_map(|edns| &edns.options().options);
            let cookies = options.filter(|(code, _)| *code == EdnsCode::Cookie).count();
            let mut reply =
                Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
            reply.add_query(query.queries[0].clone());
            let data = RData::A(A::new(192, 0, 2, 7));
            reply.add_answer(Record::from_rdata(query.queries[0].name().clone(), 60, data));
            // What comes back with the upstream's reply is not the client's either.
            reply.edns = query.edns.clone();
            let sent = socket.send_to(&reply.to_vec().unwrap(), from);
            if sent.is_err() || sender.send(cookies).is_err() {
                return;
            }
        }
    });
    (address, seen)
}

#[test]
fn a_cookie_is_neither_forwarded_nor_cached() {
    let (upstream, seen) = upstream();
    let server = Server::start(&format!(".:0 {{\n    cache\n    forward . {upstream}\n}}\n"));
    let cookies: Vec<String> = ["0011223344556677", "8899aabbccddeeff", ""]
        .into_iter()
        .map(|client| {
            let option =
                if client.is_empty() { "+nocookie".into() } else { format!("+cookie={client}") };
            let reply = ask(&server, &option);
            assert_eq!(reply.answer_data(), ["192.0.2.7"]);
            if client.is_empty() { reply.text } else { server_cookie(&reply) }
        })
        .collect();
    assert_ne!(cookies[0], cookies[1]);
    assert!(!cookies[2].contains("COOKIE"), "{}", cookies[2]);
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [0], "one question, without a cookie");
}
